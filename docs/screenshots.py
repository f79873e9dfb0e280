"""Make the pictures of the README and of every page, from synthetic chests. Run: .venv/bin/python docs/screenshots.py

docs/images/app.png is the viewer as it opens; the others are named page-width.png. `--dark` writes them to a folder of
your choice instead, to look at; `--quick` takes the small example and stand-ins for the networks.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from tests.app.driving import ROOT, browser, chromium, served

IMAGES = ROOT / "docs" / "images"
WAIT = 600_000  # ms
WIDTHS = (1440, 900)
PAGES = ("Study", "Viewer", "Numbers", "Compare", "Check", "About")
LARGEST = 300_000  # bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--dark", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    if chromium() is None:
        sys.exit("no Chromium here; on Debian: sudo apt-get install chromium")
    script = ROOT / ("tests/app/fake_main.py" if options.quick else "app/main.py")
    target = options.dark or IMAGES
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "log.txt", script) as url, browser() as running:
        page = running.new_page(
            viewport={"width": WIDTHS[0], "height": 900}, color_scheme="dark" if options.dark else "light"
        )
        page.set_default_timeout(WAIT)
        page.goto(url)
        page.get_by_role("button", name="Open the example study").wait_for()
        take(page, target / f"start-{WIDTHS[0]}.png")
        page.get_by_role("button", name="Open the example study").click()
        page.get_by_role("img", name=re.compile("with overlay: ")).wait_for()
        page.wait_for_function("() => infnetVolume.viewer.volume.complete")
        take(page, target / "app.png", whole=False)
        compare(page)
        check(page, Path(folder))
        for title in PAGES:
            go(page, title)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                take(page, target / f"{title.lower()}-{width}.png")
            page.set_viewport_size({"width": WIDTHS[0], "height": 900})


def go(page: Any, title: str) -> None:
    page.get_by_test_id("stTopNavLink").filter(has_text=title).click()
    path = "" if title == "Study" else title.lower()
    page.wait_for_url(re.compile(rf"/{path}(\?|$)"))
    rest(page)


def rest(page: Any) -> None:
    """Wait until the server has nothing to send, and two frames are drawn."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.wait_for_timeout(1500)


def compare(page: Any) -> None:
    go(page, "Compare")
    page.get_by_role("button", name="Add the example's follow-up").click()
    page.locator(".infnet-slice img[alt^='Date 2']").wait_for()


def check(page: Any, folder: Path) -> None:
    """The mask of the first study, moved by two pixels, as the reference."""
    import nibabel
    import numpy as np

    go(page, "Study")
    with page.expect_download() as download:
        page.get_by_role("button", name="Mask", exact=True).click()
    download.value.save_as(folder / "mask.nii.gz")
    mask = nibabel.load(folder / "mask.nii.gz")
    moved = np.roll(np.asanyarray(mask.dataobj), 2, axis=0)
    nibabel.save(nibabel.Nifti1Image(moved, mask.affine), folder / "reference.nii.gz")
    go(page, "Check")
    page.locator("input[type=file]").set_input_files(folder / "reference.nii.gz")
    page.locator(".infnet-slice img[alt*='network and reference']").wait_for()


def take(page: Any, path: Path, whole: bool = True) -> None:
    """The page down to its end, as a picture of at most LARGEST bytes: 256 colours where it needs them."""
    page.mouse.move(0, 0)
    rest(page)
    size = page.viewport_size
    if whole:
        tall = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": size["width"], "height": max(tall, 400)})
        rest(page)
    page.screenshot(path=path)
    page.set_viewport_size(size)
    Image.open(path).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        Image.open(path).convert("RGB").reduce(2).quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main()
