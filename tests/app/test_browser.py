"""The app as a person meets it: Chromium and the real server, with engines that read the answer off the grey values.

Waits are for what the page shows, never for time: `expect` asks again until it holds.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import openpyxl
import pydicom
import pytest
from PIL import Image

import infnet
from app.core import units
from infnet import phantom
from infnet.measure.statistics import measure
from infnet.overlay import display
from infnet.pipeline.run import segment
from tests.app import examples
from tests.app.driving import ROOT, browser, chromium, served
from tests.app.holding import until
from tests.fakes import fake_engines

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(chromium() is None, reason="no Chromium here; on Debian: sudo apt-get install chromium"),
    pytest.mark.timeout(900),
]
PATIENCE = 120_000  # ms until a wait fails: a busy machine is slow, and not broken
CANARY = "Zaubermann"
# Counts how often the page has been drawn, in whole or in part.
COUNT = """() => { globalThis.drawn = 0
  new MutationObserver(([...all]) => all.forEach(m => { drawn += m.target.dataset.testScriptState === "notRunning" }))
    .observe(document.querySelector("[data-testid=stApp]"), { attributeFilter: ["data-test-script-state"] }) }"""
# What does not fit its place.
CUT = """() => [...document.querySelectorAll('[data-testid=stMetric] *, [data-testid=stMain] button *, td, th')]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflow !== 'visible')
  .map(e => e.innerText)"""
PAGES = ("Study", "Viewer", "Numbers", "Compare", "Check", "About")


class Server:
    """A running app: its address, its log, its private folders, and the file that makes its networks wait."""

    def __init__(self, folder: Path) -> None:
        self.log, self.hold = folder / "log.txt", folder / "hold"
        self.home, self.temporary = folder / "home", folder / "tmp"
        self.home.mkdir()
        self.temporary.mkdir()
        self.url = ""

    def runs(self) -> int:
        """How often the infection network has run."""
        return self.log.read_text().count("the infection network runs")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"))
    own = {"TMPDIR": str(started.temporary), "HOME": str(started.home), "INFNET_TEST_HOLD": str(started.hold)}
    with served(started.log, ROOT / "tests" / "app" / "fake_main.py", own) as started.url:
        yield started


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with browser() as running:
        yield running


class Visitor:
    """One person at a browser of their own."""

    def __init__(self, chrome: Any, url: str, width: int = 1440) -> None:
        from playwright.sync_api import expect

        expect.set_options(timeout=PATIENCE)
        self.expect, self.url = expect, url
        self.context = chrome.new_context(viewport={"width": width, "height": 900}, accept_downloads=True)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)
        expect(self.button("Open the example study")).to_be_visible()

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)

    def click(self, name: str) -> None:
        """Press a button once there is one of it only: while Streamlit changes a page, the old one is there as well."""
        self.expect(self.button(name)).to_have_count(1)
        self.button(name).click()

    def go(self, title: str) -> None:
        link = self.page.get_by_test_id("stTopNavLink").filter(has_text=title)
        self.expect(link).to_have_count(1)
        link.click()
        path = "" if title == "Study" else title.lower()
        self.expect(self.page).to_have_url(re.compile(rf"^{re.escape(self.url)}/{path}(\?|$)"))
        self.rest()

    def rest(self) -> None:
        """Wait until the server has nothing left to send."""
        self.expect(self.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")

    def upload(self, *files: dict[str, Any] | str) -> None:
        self.rest()
        field = self.page.locator("input[type=file]")
        self.expect(field).to_have_count(1)
        field.set_input_files(list(files))

    def picture(self, alt: str | re.Pattern[str]) -> Any:
        """The one slice of this text alternative, once it is on screen."""
        image = self.page.get_by_role("img", name=alt).filter(visible=True)
        self.expect(image).to_have_count(1)
        return image

    def at_pictures(self) -> None:
        """Wait until pictures have taken the place of the volume viewer: for a moment both are there."""
        self.expect(self.page.locator(".infnet-slice")).to_have_count(1)
        self.expect(self.page.locator(".infnet-volume")).to_have_count(0)

    def metric(self, label: str) -> Any:
        return self.page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")

    def download(self, name: str) -> bytes:
        self.expect(self.button(name)).to_have_count(1)
        with self.page.expect_download() as download:
            self.button(name).click()
        return Path(download.value.path()).read_bytes()


@pytest.fixture
def visit(chrome: Any, server: Server) -> Iterator[Any]:
    """Makes visitors; their pages may talk to the app's own server only."""
    visitors: list[Visitor] = []

    def come(width: int = 1440) -> Visitor:
        visitors.append(Visitor(chrome, server.url, width))
        return visitors[-1]

    yield come
    server.hold.unlink(missing_ok=True)
    for visitor in visitors:
        assert all(asked.startswith((server.url, "data:", "blob:")) for asked in visitor.asked)
        visitor.context.close()


def named(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def zipped(study: infnet.Study, folder: Path) -> bytes:
    """The study as a zip of DICOM files that carry a patient's name, in their headers and in their own names."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in phantom.write_dicom(study, folder):
            header = pydicom.dcmread(path)
            header.PatientName, header.PatientID = f"{CANARY}^Eva", CANARY
            header.save_as(path)
            archive.write(path, f"{CANARY}/{path.stem}")
    return packed.getvalue()


def png(study: infnet.Study) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(display(study, 2)).save(buffer, "PNG")
    return buffer.getvalue()


def test_zip_overlay_slider_thresholds_and_downloads(visit: Any, server: Server, tmp_path: Path) -> None:
    study = examples.example()
    result = segment(study, fake_engines())
    statistics = measure(study, result)
    loads = [s.total.lesion.lesion_voxels for s in statistics.slices]
    worst = int(np.argmax(loads)) + 1

    me = visit()
    me.upload(named("study.zip", zipped(study, tmp_path / "dicom")))
    me.picture(re.compile(f"^Slice {worst} of 6, with overlay: ground-glass opacity"))
    me.click("Pictures")
    me.at_pictures()
    picture = me.picture(re.compile(f"^Slice {worst} of 6, with overlay: ground-glass opacity"))
    me.expect(me.metric("Lesion volume")).to_have_text(units.amount(statistics.total.lesion))
    me.expect(me.metric("Involvement")).to_have_text(units.percent(statistics.total.lesion))
    me.page.wait_for_function("e => e.complete && e.naturalWidth === 256", arg=picture.element_handle())
    assert picture.evaluate("e => [e.naturalWidth, e.naturalHeight]") == [256, 256]
    runs = server.runs()

    me.rest()
    slider = me.page.get_by_role("slider", name="Slice, from the feet to the head")
    slider.press("ArrowRight")
    picture = me.picture(re.compile(f"^Slice {worst + 1} of 6"))
    box = picture.bounding_box()
    row, column = 100, 60
    me.page.mouse.move(box["x"] + (column + 0.5) / 256 * box["width"], box["y"] + (row + 0.5) / 256 * box["height"])
    readout = me.page.locator(".infnet-slice output")
    me.expect(readout).to_contain_text(f"{int(study.pixels[worst, row, column])} HU")
    me.page.locator(".infnet-slice").press("ArrowLeft")
    me.picture(re.compile(f"^Slice {worst} of 6"))

    me.rest()
    me.page.get_by_role("slider", name="Infection from probability").press("End")  # the fake engines answer 0.9
    me.expect(me.metric("Lesion volume")).to_have_text("0.0 ml")
    me.page.get_by_role("slider", name="Infection from probability").press("Home")
    me.expect(me.metric("Lesion volume")).not_to_have_text("0.0 ml")
    assert server.runs() == runs, "thresholds read what is stored"

    shown = Image.open(io.BytesIO(me.download("Save picture")))
    assert shown.size == (256, 256)
    me.go("Study")
    rows = list(csv.DictReader(io.StringIO(me.download("Table").decode())))
    assert len(rows) == 6
    mask = nibabel.Nifti1Image.from_bytes(gzip.decompress(me.download("Mask")))
    assert mask.shape == (256, 256, 6)
    assert json.loads(me.download("Summary"))["study"] == "study"
    assert openpyxl.load_workbook(io.BytesIO(me.download("Excel"))).sheetnames[0] == "study"
    assert zipfile.ZipFile(io.BytesIO(me.download("Overlays"))).testzip() is None
    everything = zipfile.ZipFile(io.BytesIO(me.download("All files")))
    assert CANARY not in "".join(name + repr(everything.read(name)) for name in everything.namelist())


def test_bad_file_gives_one_line_then_a_picture_works(visit: Any) -> None:
    me = visit()
    me.upload(named("scan.dcm", b"this is no scan"))
    alert = me.page.get_by_test_id("stAlert")
    me.expect(alert).to_have_count(1)
    me.expect(alert).to_contain_text("file_1: ")
    assert me.page.get_by_test_id("stException").count() == 0
    me.upload(named("slice.png", png(examples.example())))
    me.expect(me.metric("Lesion area")).to_contain_text(" px")
    me.go("Study")
    field = me.page.get_by_label("mm per pixel")
    field.fill("2")
    field.press("Enter")
    me.expect(me.metric("Lesion area")).to_contain_text(" mm²")
    me.expect(me.page.get_by_text("There are no millimetres")).to_have_count(0)


def test_two_dates_scroll_together(visit: Any) -> None:
    me = visit()
    me.click("Open the example study")
    me.picture(re.compile(r"^Slice \d of 6"))
    me.go("Compare")
    me.click("Add the example's follow-up")
    me.picture(re.compile(r"^Date 1: slice \d of 6"))
    me.picture(re.compile(r"^Date 2: slice \d of 6"))
    me.rest()
    slider = me.page.get_by_role("slider", name="Slice, from the feet to the head")
    slider.press("Home")
    for date in (1, 2):
        me.picture(re.compile(f"^Date {date}: slice 1 of 6"))
    me.expect(me.page.get_by_text("Change from Date 1 to Date 2")).to_be_visible()


def test_reload_during_a_run_keeps_it_and_other_people_never_see_it(visit: Any, server: Server) -> None:
    server.hold.touch()
    runs = server.runs()
    me = visit()
    me.click("Open the example study")
    me.expect(me.page.get_by_text(re.compile(r"\d of 6 slices"))).to_be_visible()
    me.expect(me.page).to_have_url(re.compile("case="))
    me.page.reload()
    me.expect(me.page.get_by_text(re.compile(r"\d of 6 slices"))).to_be_visible()
    other = visit()
    other.rest()
    assert other.page.locator(".infnet-slice").count() == 0
    server.hold.unlink()
    me.go("Viewer")
    me.picture(re.compile("with overlay"))
    me.expect(me.metric("Lesion volume")).to_have_count(1)
    calls = server.runs() - runs
    assert calls == batches(), "the reload started the networks again"
    other.go("Viewer")
    other.expect(other.page.get_by_text("No study is open.")).to_be_visible()
    assert other.metric("Lesion volume").count() == 0
    address = me.page.url
    assert "case=" in address
    other.page.goto(address)
    other.expect(other.page.get_by_text("No study is open.")).to_be_visible()
    assert other.metric("Lesion volume").count() == 0, "whoever learns the address is still another browser"
    me.page.reload()
    me.expect(me.metric("Lesion volume")).to_have_count(1)
    me.click("Close study")
    me.expect(me.page.get_by_text("No study is open.")).to_be_visible()
    me.expect(me.page).not_to_have_url(re.compile("case="))


def test_slices_appear_as_they_are_done(visit: Any, server: Server) -> None:
    server.hold.write_text("2")
    me = visit()
    me.click("Open the example study")
    me.expect(me.page.get_by_text(re.compile(r"\d of 6 slices"))).to_be_visible()
    me.click("Pictures")
    me.at_pictures()
    slider = me.page.get_by_role("slider", name="Slice, from the feet to the head")
    me.picture("Slice 3 of 6, overlay while others still wait")  # the slice on screen comes first
    slider.press("End")
    me.picture("Slice 6 of 6, not segmented yet")
    thumb = slider.locator("xpath=../..").bounding_box()  # the input itself is hidden in it
    x, y = thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2
    me.page.mouse.move(x, y)
    me.page.mouse.down()
    me.page.mouse.move(10, y, steps=5)
    me.page.evaluate(COUNT)  # the page looks for new slices meanwhile, and must not take the thumb away
    me.page.wait_for_function("() => drawn >= 3")
    me.page.mouse.up()
    me.picture(re.compile("^Slice 1 of 6"))
    for key, number in (("End", 6), ("Home", 1), ("End", 6), ("Home", 1), ("End", 6)):
        slider.press(key)
        me.picture(re.compile(f"^Slice {number} of 6"))
    me.page.locator(".infnet-slice").press("ArrowLeft")
    me.picture("Slice 5 of 6, not segmented yet")
    me.expect(slider).to_have_value("5")  # the slider follows
    slider.press("End")
    me.picture("Slice 6 of 6, not segmented yet")
    server.hold.unlink()
    me.picture(re.compile("^Slice 6 of 6, with overlay: "))
    me.expect(me.metric("Lesion volume")).to_have_count(1)


def batches() -> int:
    """How often one run of the example calls the infection network."""
    engines = fake_engines()
    calls = []
    function = engines.infection.engine.function
    engines.infection.engine.function = lambda batch: calls.append(1) or function(batch)
    segment(examples.example(), engines)
    return len(calls)


def files_in(folder: Path) -> list[Path]:
    return [Path(inside, name) for inside, _, names in os.walk(folder) for name in names]


def test_nothing_of_a_patient_stays_on_disk(visit: Any, server: Server, tmp_path: Path) -> None:
    me = visit()
    me.upload(named(f"{CANARY}.zip", zipped(examples.example(), tmp_path / "dicom")))
    me.picture(re.compile("with overlay"))
    me.go("Study")
    me.download("All files")
    for title in PAGES:
        me.go(title)
        # What is drawn anew takes a moment to replace the list of uploaded files.
        me.page.wait_for_function("name => !document.documentElement.outerHTML.includes(name)", arg=CANARY)
    me.go("Study")
    me.click("Close study")
    me.expect(me.button("Open the example study")).to_be_visible()
    until(lambda: not files_in(server.temporary))  # the server clears up in its own time
    for path in files_in(server.home):
        assert CANARY not in str(path)
        assert CANARY.encode() not in path.read_bytes()
    assert CANARY not in server.log.read_text()


@pytest.mark.parametrize("width", [900, 1440])
def test_nothing_is_cut_or_wider_than_the_window(visit: Any, width: int) -> None:
    me = visit(width)
    me.click("Open the example study")
    me.picture(re.compile("with overlay"))
    for title in PAGES:
        me.go(title)
        # Where something is cut for good, this waits in vain; what is being drawn may be so for a moment.
        me.page.wait_for_function(f"() => !({CUT})().length && document.documentElement.scrollWidth <= innerWidth")
        images = me.page.locator("img").evaluate_all("all => all.map(e => e.getAttribute('alt'))")
        assert all(images), title


@pytest.mark.slow
def test_shipped_weights_give_the_numbers_of_the_package(chrome: Any, tmp_path: Path) -> None:
    study = examples.example()
    with served(tmp_path / "log.txt") as url:
        me = Visitor(chrome, url)
        me.upload(named("study.zip", zipped(study, tmp_path / "dicom")))
        me.expect(me.metric("Lesion volume")).to_have_text(
            units.amount(measure(study, infnet.segment(study)).total.lesion), timeout=600_000
        )
        me.context.close()
