"""Make the pictures of the README: drive the app on its synthetic example. Run: .venv/bin/python docs/screenshots.py"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.app.driving import ROOT, browser, chromium, served

IMAGES = ROOT / "docs" / "images"
WAIT = 600_000  # ms


def main() -> None:
    """Write app.png: light, 1440 pixels wide."""
    if chromium() is None:
        sys.exit("no Chromium here; on Debian: sudo apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "log.txt") as url, browser() as running:
        page = running.new_page(viewport={"width": 1440, "height": 1000}, color_scheme="light")
        page.goto(url)
        example = page.get_by_role("button", name="Open the example study")
        example.wait_for(timeout=60_000)
        example.click()
        page.get_by_text("Whole study").wait_for(timeout=WAIT)
        page.mouse.move(0, 0)
        page.wait_for_timeout(2000)
        page.screenshot(path=IMAGES / "app.png")


if __name__ == "__main__":
    main()
