"""The app as a person meets it: Chromium, the real server, the shipped weights, nobody's scan."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import infnet
from app import numbers, state
from infnet import phantom
from infnet.statistics import Statistics, measure
from tests.app.driving import browser, chromium, served

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="no Chromium here; on Debian: sudo apt-get install chromium"),
    pytest.mark.timeout(600),
]
RUN = 300_000  # ms that the networks may take on a busy machine


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("server") / "log.txt") as address:
        yield address


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture
def page(chrome: Any, url: str) -> Iterator[Any]:
    """The start page in a fresh profile."""
    context = chrome.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(url)
    opened.get_by_role("button", name="Open the example study").wait_for(timeout=60_000)
    yield opened
    assert all(a.startswith((url, "data:", "blob:")) for a in asked), "the page may talk to its own server only"
    context.close()


@pytest.fixture(scope="module")
def small() -> infnet.Study:
    return phantom.chest(slices=6, rows=256, columns=256, spacing=(40.0, 1.4, 1.4), seed=5).study


def numbers_of(study: infnet.Study) -> Statistics:
    return measure(study, infnet.segment(study))


def finish(page: Any) -> None:
    """Wait for the result; a machine that was slow before asks for a click first."""
    page.get_by_role("button", name="Run").or_(page.get_by_text("Whole study")).first.wait_for(timeout=RUN)
    if page.get_by_role("button", name="Run").count():
        page.get_by_role("button", name="Run").click()
    page.get_by_text("Whole study").wait_for(timeout=RUN)


def shown(page: Any, label: str) -> str:
    metric = page.get_by_test_id("stMetric").filter(has_text=label)
    return str(metric.get_by_test_id("stMetricValue").inner_text()).strip()


def dropzone(page: Any, folder: bool = False) -> Any:
    """Where files are dropped, once there is one place only: while the page changes, the old one is there as well."""
    kind = page.locator(f"input[type=file]{'[webkitdirectory]' if folder else ':not([webkitdirectory])'}")
    kind.wait_for(state="attached")
    page.wait_for_function("() => document.querySelectorAll('input[type=file]').length === 1")
    return kind


def upload(page: Any, name: str, content: bytes) -> None:
    dropzone(page).set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )


def test_example_study_overlay_numbers_slider_download(page: Any) -> None:
    page.get_by_role("button", name="Open the example study").click()
    finish(page)
    found = numbers_of(state.example())
    assert shown(page, "Lesion volume") == numbers.amount(found.total.lesion)
    assert shown(page, "Involvement") == numbers.percent(found.total.lesion)
    assert page.get_by_text("Not for clinical use").first.is_visible()

    image = page.locator(".st-key-picture img")
    first = image.evaluate("e => e.src")
    assert ", with overlay: ground-glass opacity" in image.get_attribute("alt")
    assert image.evaluate("e => e.naturalWidth") == 512

    slider = page.get_by_role("slider").first
    before = int(slider.evaluate("e => e.getAttribute('aria-valuenow') ?? e.value"))
    slider.focus()
    slider.press("ArrowRight")
    page.get_by_text(f"Slice {before + 1} of 24").wait_for()
    page.wait_for_function("old => document.querySelector('.st-key-picture img').src !== old", arg=first)
    assert image.get_attribute("alt").startswith(f"Slice {before + 1} of 24")

    page.get_by_text("Overlay", exact=True).click()
    page.wait_for_function("() => document.querySelector('.st-key-picture img').alt.endsWith('without overlay')")

    with page.expect_download() as download:
        page.get_by_role("button", name="Table").click()
    rows = Path(download.value.path()).read_text().splitlines()
    assert len(rows) == 1 + 24


def test_broken_file_gives_one_clear_line_then_a_zip_works(page: Any, small: infnet.Study, tmp_path: Path) -> None:
    upload(page, "scan.dcm", b"this is no scan")
    alert = page.get_by_test_id("stAlert")
    alert.wait_for()
    assert alert.inner_text().strip().splitlines()[-1].startswith("scan.dcm: ")
    assert page.get_by_test_id("stException").count() == 0

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in phantom.write_dicom(small, tmp_path / "dicom"):
            archive.write(path, path.stem)
    upload(page, "study.zip", packed.getvalue())
    finish(page)
    assert shown(page, "Lesion volume") == numbers.amount(numbers_of(small).total.lesion)
    assert page.get_by_test_id("stAlert").count() == 0

    page.get_by_role("button", name="Close study").click()
    page.get_by_role("button", name="Open the example study").wait_for()
    page.locator(".st-key-picture img").wait_for(state="detached")


@pytest.mark.parametrize("width", [900, 1440])
def test_nothing_is_cut_or_wider_than_the_window(page: Any, small: infnet.Study, tmp_path: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    files: list[Path] | Path = phantom.write_dicom(small, tmp_path / "dicom")
    if width > 1000:  # once as many files, once as a folder
        page.get_by_text("A folder", exact=True).click()
        files = tmp_path / "dicom"
    dropzone(page, folder=width > 1000).set_input_files(files)
    finish(page)
    cut = page.evaluate(
        """() => [...document.querySelectorAll('[data-testid=stMetric] *, [data-testid=stMain] button *, td, th')]
             .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflow !== 'visible')
             .map(e => e.innerText)"""
    )
    assert not cut
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
