"""The demo through its API, with engines that read grey values; one visit in a real browser."""

from __future__ import annotations

import io
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import infnet
from app import gradio_demo
from app.core import units
from app.demo import page as demo_page
from app.demo.events import Events
from app.demo.guard import Owners
from app.demo.visit import Visit
from infnet import phantom
from infnet.export import write_png
from infnet.measure.statistics import Statistics, measure
from infnet.overlay import COLOURS, display
from infnet.study import CONSOLIDATION, GGO
from tests.app.driving import browser, chromium, free_port
from tests.app.holding import until
from tests.fakes import fake_engines

pytestmark = pytest.mark.server

CANARY = "Canary^Jane"


@contextmanager
def served(folder: Path, engines: Any, **options: Any) -> Iterator[str]:
    """The demo on a free port, with its files in `folder`."""
    with pytest.MonkeyPatch.context() as patch, gradio_demo.gradio_files_in(folder) as owners:
        patch.setattr("gradio.utils.get_heartbeat_rate", lambda: 0.25)  # a visitor's leaving is seen at a heartbeat
        demo = gradio_demo.build(engines, owners)
        try:
            yield gradio_demo.launch(demo, owners, free_port(), **options)
        finally:
            demo.close()


def files_in(folder: Path) -> list[Path]:
    """What the demo keeps, but for the empty files that Gradio makes for every upload it hands over."""
    kept = []
    for inside, _, names in os.walk(folder):  # a folder that goes meanwhile is left out
        for name in names:
            with suppress(FileNotFoundError):  # just deleted
                if Path(inside, name).stat().st_size:
                    kept.append(Path(inside, name))
    return kept


@pytest.fixture(scope="module")
def small() -> infnet.Study:
    return phantom.chest(slices=4, rows=160, columns=144, spacing=(60.0, 2.0, 2.2), noise_hu=0).study


@pytest.fixture(scope="module")
def upload(small: infnet.Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of `small` as DICOM of somebody whose name must turn up nowhere."""
    folder = tmp_path_factory.mktemp("upload")
    with zipfile.ZipFile(folder / "canary.zip", "w") as archive:
        for path in phantom.write_dicom(small, folder / "dicom"):
            dataset = pydicom.dcmread(path)
            dataset.PatientName = CANARY
            buffer = io.BytesIO()
            dataset.save_as(buffer)
            archive.writestr(path.name, buffer.getvalue())
    return folder / "canary.zip"


@pytest.fixture(scope="module")
def truth(small: infnet.Study) -> tuple[infnet.Segmentation, Statistics]:
    """What the package itself says of `small`."""
    result = infnet.segment(small, fake_engines())
    return result, measure(small, result)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def url(kept: Path) -> Iterator[str]:
    with served(kept, fake_engines()) as address:
        yield address


@contextmanager
def visiting(url: str, folder: Path, **options: Any) -> Iterator[Client]:
    """An API client; what it downloads goes to `folder`."""
    client = Client(url, verbose=False, download_files=folder, analytics_enabled=False, **options)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def client(url: str, kept: Path, tmp_path: Path) -> Iterator[Client]:
    with visiting(url, tmp_path) as opened:
        yield opened
    until(lambda: not files_in(kept))  # whoever leaves takes everything along


def segment(client: Client, *paths: Path, **options: Any) -> Any:
    return client.predict([handle_file(path) for path in paths], api_name="/segment", **options)


def test_a_study_gives_the_packages_numbers_picture_and_files(client, upload, truth, small):
    result, statistics = truth
    picture, words, said, table, files, numbers = segment(client, upload)
    total = statistics.total
    assert table["headers"] == ["", "Right lung", "Left lung", "Total"]
    loads = {"Ground glass": total.by_class[GGO], "Consolidation": total.by_class[CONSOLIDATION], "Both": total.lesion}
    shown = {f"{name}, ml": round(load.lesion_ml, 1) for name, load in loads.items()}
    shown |= {f"{name}, %": round(load.involvement_percent, 1) for name, load in loads.items()}
    assert {row[0]: row[-1] for row in table["data"]} == shown
    assert numbers["lesion_volume_ml"] == pytest.approx(total.lesion.lesion_ml)
    assert numbers["is_hu"] is True
    assert f"Lesion {units.amount(total.lesion)}, involvement {units.percent(total.lesion)}" in said

    worst = int(np.count_nonzero(result.labels, axis=(1, 2)).argmax())
    place = float((small.affine @ [worst, 0, 0, 1.0])[2])
    assert words.startswith(f"Slice {worst + 1} of 4, {place:.1f} mm, with overlay: ground-glass opacity ")
    with Image.open(picture["image"]) as base:
        assert base.size == (round(144 * 2.2 / 2.0), 160)  # square millimetres
    assert [mask["label"] for mask in picture["annotations"]] == ["ground-glass opacity", "consolidation"]
    for code, mask in zip((GGO, CONSOLIDATION), picture["annotations"], strict=True):
        with Image.open(mask["image"]) as drawn:
            rgba = np.asarray(drawn)
        assert {tuple(pixel) for pixel in rgba[rgba[..., 3] > 0][:, :3].tolist()} == {COLOURS[code]}
        share = np.count_nonzero(rgba[..., 3]) / rgba[..., 3].size
        assert share == pytest.approx((result.labels[worst] == code).mean(), rel=0.05)

    named = {Path(file).name: Path(file) for file in files}
    assert named.keys() == {"infnet.zip", "mask.nii.gz", "statistics.csv", "summary.json", "page.pdf"}
    assert json.loads(named["summary.json"].read_text()) == numbers
    with zipfile.ZipFile(named["infnet.zip"]) as archive:
        assert {"mask.nii.gz", "lungs.nii.gz", "probability.nii.gz", "summary.json"} <= set(archive.namelist())
        assert any(name.startswith("overlay/") for name in archive.namelist())
        seg = pydicom.dcmread(archive.open("dicom/segmentation.dcm"))
        assert {"dicom/report.dcm", "dicom/page.dcm"} < set(archive.namelist())
    assert np.count_nonzero(seg.pixel_array) == np.count_nonzero(result.labels)
    assert seg.PatientName != CANARY
    np.testing.assert_array_equal(infnet.read(named["mask.nii.gz"]).pixels, result.labels)


def test_slices_are_drawn_one_by_one(client, upload):
    segment(client, upload)
    first, words = client.predict(1, "Lung", api_name="/slice")
    assert words.startswith("Slice 1 of 4, ")
    last, words = client.predict(4, "Lung", api_name="/slice")
    assert words.startswith("Slice 4 of 4, ")
    wide, _ = client.predict(4, "Wide", api_name="/slice")
    assert len({Path(picture["image"]).read_bytes() for picture in (first, last, wide)}) == 3
    with pytest.raises(AppError, match=r"slice 5: not there; give 1 to 4"):
        client.predict(5, "Lung", api_name="/slice")


def test_planes_and_classes(client, upload, truth):
    segment(client, upload)
    result, _ = truth
    row = int(np.count_nonzero(result.labels == GGO, axis=(0, 2)).argmax()) + 1
    picture, words = client.predict(row, "Lung", "Coronal", ["ground-glass opacity"], api_name="/slice")
    assert words.startswith(f"Coronal slice {row} of 160, ")
    (mask,) = picture["annotations"]
    assert mask["label"] == "ground-glass opacity"
    with Image.open(mask["image"]) as drawn:
        marked = np.asarray(drawn)[..., 3] > 0
    assert marked.mean() == pytest.approx((result.labels[:, row - 1] == GGO).mean(), rel=0.1)
    bordered, _ = client.predict(row, "Lung", "Coronal", ["lung borders"], api_name="/slice")
    assert bordered["annotations"] == []
    assert Path(bordered["image"]).read_bytes() != Path(picture["image"]).read_bytes()
    with pytest.raises(AppError, match=r"slice 161: not there; give 1 to 160"):
        client.predict(161, "Lung", "Coronal", api_name="/slice")


def test_nothing_of_a_patient_is_kept(client, upload, kept):
    segment(client, upload)
    files = files_in(kept)
    assert {path.name for path in files} >= {"infnet.zip", "mask.nii.gz"}
    assert not [path for path in files if path.suffix == ".zip" and path.name != "infnet.zip"]  # the upload is gone
    for path in files:
        assert "canary" not in path.name.lower()
        assert b"canary" not in path.read_bytes().lower()
    with zipfile.ZipFile(next(path for path in files if path.name == "infnet.zip")) as archive:
        assert not [name for name in archive.namelist() if b"canary" in archive.read(name).lower()]
    client.predict(api_name="/close")
    assert not files_in(kept)
    with pytest.raises(AppError, match="study: none is open; segment one first"):
        client.predict(1, "Lung", api_name="/slice")


def test_two_visitors_never_see_each_others_study(client, url, upload, tmp_path):
    with visiting(url, tmp_path / "other") as other:
        segment(client, upload)
        with pytest.raises(AppError, match="none is open"):
            other.predict(1, "Lung", api_name="/slice")
        _, words, *_ = other.predict(api_name="/example_study")
        assert " of 16, " in words
        _, words = client.predict(2, "Lung", api_name="/slice")
        assert words.startswith("Slice 2 of 4, ")


def test_a_picture_has_pixels_until_it_is_told_its_millimetres(client, small, tmp_path):
    slice_png = write_png(tmp_path / "Canary Jane.png", display(small, 2))
    _, _, said, table, files, numbers = segment(client, slice_png)
    assert [row[0] for row in table["data"]][-2:] == ["Both, px", "Both, %"]
    assert numbers["lesion_volume_ml"] is None
    assert "There are no millimetres" in said.replace("\\", "")
    assert {Path(file).name for file in files} == {
        *("infnet.zip", "mask.png", "statistics.csv", "summary.json", "page.pdf")
    }
    assert json.loads(next(Path(f) for f in files if f.endswith("summary.json")).read_text())["study"] == "study"
    _, _, said, table, *_ = segment(client, slice_png, mm_per_pixel=2)
    assert table["data"][-2][0] == "Both, mm²"
    assert "There are no millimetres" not in said.replace("\\", "")


def test_what_cannot_be_read_is_one_clear_line(client, upload, kept, tmp_path):
    (tmp_path / "<b>notes.txt").write_text("no scan")
    with pytest.raises(AppError, match=r"file_1: plain text, not an image; give a chest CT as DICOM, NIfTI or pic"):
        segment(client, tmp_path / "<b>notes.txt")
    with pytest.raises(AppError, match="upload: nothing in it; choose a study or a picture first"):
        segment(client)
    with pytest.raises(AppError, match="study: has its own millimetres; give 0 mm per pixel"):
        segment(client, upload, mm_per_pixel=0.7)
    assert not files_in(kept)


def test_one_of_several_series_is_chosen_by_its_key(client, small, upload, tmp_path):
    other = infnet.Study(small.pixels[:3], small.affine, name="other")
    both = tmp_path / "both.zip"
    with zipfile.ZipFile(upload) as source, zipfile.ZipFile(both, "w") as archive:
        for path in phantom.write_dicom(other, tmp_path / "dicom"):
            archive.write(path, f"other/{path.name}")
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    with pytest.raises(AppError, match="holds 2 series; choose one by its key or number"):
        segment(client, both)
    _, words, *_ = segment(client, both, series="2")
    assert " of 3, " in words


def test_only_what_is_meant_for_clients_is_in_the_api(url):
    endpoints = httpx.get(f"{url}gradio_api/info", trust_env=False).json()
    assert set(endpoints["named_endpoints"]) == {
        "/segment",
        "/example_study",
        "/example_picture",
        "/slice",
        "/close",
    }
    assert not endpoints["unnamed_endpoints"]
    returned = [value["label"] for value in endpoints["named_endpoints"]["/segment"]["returns"]]
    assert returned == ["Slice", "The slice in words", "Summary", "By lung and class", "Files", "Numbers"]
    config = httpx.get(f"{url}config", trust_env=False).json()
    assert config["analytics_enabled"] is False
    assert config["run_history"] is False


def test_the_queue_has_an_end(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(demo_page, "QUEUE", 1)
    begun, go = threading.Event(), threading.Event()
    engines = fake_engines()
    find = engines.lungs.engine.function

    def wait(batch: np.ndarray) -> np.ndarray:
        begun.set()
        assert go.wait(60)
        return find(batch)

    engines.lungs.engine.function = wait
    with served(kept, engines) as address, visiting(address, tmp_path) as client:
        running = client.submit(api_name="/example_picture")
        assert begun.wait(60)
        waiting = client.submit(api_name="/example_picture")
        until(lambda: waiting.status().code.name == "IN_QUEUE")
        with pytest.raises(Exception, match=r"[Qq]ueue is full"):
            client.predict(api_name="/example_picture")
        go.set()
        assert " of 1, " in running.result(timeout=60)[1]
        assert " of 1, " in waiting.result(timeout=60)[1]


def test_a_run_that_is_stopped_says_so_and_leaves_nothing(small, kept):
    visit, engines = Visit(Owners(kept)), fake_engines()
    find = engines.lungs.engine.function

    def stopped(batch: np.ndarray) -> np.ndarray:
        visit.stop()
        return find(batch)

    engines.lungs.engine.function = stopped
    with pytest.raises(infnet.InfNetError, match="study: stopped; run it again for a result"):
        visit.run(small, engines, lambda share: None)
    assert visit.reading is None
    visit.close()
    assert not files_in(kept)


def test_a_login_keeps_strangers_out(kept):
    with served(kept, fake_engines(), auth=gradio_demo.Login("ward", "secret")) as address:
        assert httpx.get(f"{address}config", trust_env=False).status_code == 401
        assert httpx.get(f"{address}gradio_api/info", trust_env=False).status_code == 401
        wrong = {"username": "ward", "password": "wrong"}
        tried = [httpx.post(f"{address}login", data=wrong, trust_env=False).status_code for _ in range(30)]
        assert tried == [400] * 10 + [429] * 20
        right = {"username": "ward", "password": "secret"}
        said = httpx.post(f"{address}login", data=right, trust_env=False)
        assert (said.status_code, said.json()) == (429, {"detail": "Too many wrong logins; try again in a minute"})


def test_nobody_gets_the_files_of_another_visitor(url, kept, upload, client, tmp_path):
    segment(client, upload)
    results = [path for path in files_in(kept) if path.name in ("mask.nii.gz", "infnet.zip", "summary.json")]
    assert len(results) == 3
    mine, other = (httpx.Client(base_url=url, trust_env=False) for _ in range(2))
    mine.get("/")
    other.get("/")
    assert mine.cookies["infnet_visitor"] != other.cookies["infnet_visitor"]
    ((name, content),) = [(upload.name, upload.read_bytes())]
    (path,) = mine.post("/gradio_api/upload", files={"files": (name, content)}).json()
    assert Path(path).relative_to(kept.resolve()).name == "file_1"
    assert "canary" not in path.lower()
    for way in ("/gradio_api/file=", "/gradio_api/file/", "/file=", "/gradio_api/x/file="):
        for theirs in (path, *map(str, results)):
            assert other.get(way + theirs).status_code == 403, way
            assert httpx.get(url.rstrip("/") + way + theirs, trust_env=False).status_code == 403, way
    assert mine.get("/gradio_api/file=" + path).content == content
    data = {"path": path, "meta": {"_type": "gradio.FileData"}}
    begun = other.post("/gradio_api/call/segment", json={"data": [[data], "", 0]}).json()
    said = other.get(f"/gradio_api/call/segment/{begun['event_id']}").text
    assert "event: error" in said
    assert "upload: no longer here; choose the files again" in said
    assert Path(path).exists(), "and nobody deletes them either"
    shutil.rmtree(Path(path).parent)


def test_a_session_answers_the_browser_that_opened_it_only(url, upload, client):
    segment(client, upload)
    asked = {"data": [2, "Lung", "Axial", []], "session_hash": client.session_hash}
    for cookies, said in ((client.cookies, "Slice 2 of 4"), ({}, "session: of another browser; load the page again")):
        with httpx.Client(base_url=url, trust_env=False, cookies=cookies) as visitor:
            visitor.get("/")
            begun = visitor.post("/gradio_api/call/slice", json=asked).json()
            assert said in visitor.get(f"/gradio_api/call/slice/{begun['event_id']}").text
    with httpx.Client(base_url=url, trust_env=False) as other:
        other.get("/")
        for way in ("/gradio_api/queue/data", "/queue/data"):
            assert other.get(way, params={"session_hash": client.session_hash}).status_code == 403


def test_an_upload_that_nobody_runs_goes_by_itself(url, kept, monkeypatch):
    gone = []
    monkeypatch.setattr("app.demo.uploads.UNUSED", 0.01)
    with httpx.Client(base_url=url, trust_env=False) as visitor:
        visitor.get("/")
        files = [("files", (f"{n}.png", b"same")) for n in ("10", "2")] + [("files", ("10.png", b"same"))]
        gone = visitor.post("/gradio_api/upload", files=files).json()
    assert [Path(path).name for path in gone] == ["file_2", "file_1", "file_2"]
    until(lambda: not Path(gone[0]).parent.exists())


def test_a_foreign_name_is_refused_unless_it_was_given(url, kept, monkeypatch):
    for host in ("evil.example", "evil.example:7860", "localhost.evil.example", "a@localhost", "", "[::1"):
        answer = httpx.get(url, headers={"host": host, "origin": f"http://{host}"}, trust_env=False)
        assert answer.status_code in (400, 421), host
    for host in ("localhost:1", "127.0.0.1", "[::1]:7860", "LOCALHOST."):
        assert httpx.get(url, headers={"host": host}, trust_env=False).status_code == 200, host
    monkeypatch.setenv("INFNET_HOSTS", "ct.example.org, *.example.net")
    with served(kept, fake_engines()) as address:
        for host, status in (("ct.example.org", 200), ("a.example.net", 200), ("example.org", 421)):
            assert httpx.get(address, headers={"host": host}, trust_env=False).status_code == status


def test_a_network_that_hangs_is_given_up_and_the_next_visitor_gets_a_result(small, kept, monkeypatch):
    for_ever, hung, fresh = threading.Event(), fake_engines(), fake_engines()
    hung.lungs.engine.function = lambda batch: for_ever.wait()
    monkeypatch.setenv("INFNET_PATIENCE_MINUTES", "0.001")
    events = Events(hung, Owners(kept), lambda: fresh)
    first, second = Visit(Owners(kept)), Visit(Owners(kept))
    with pytest.raises(infnet.InfNetError, match=r"the networks made no step for 0\.001 minutes"):
        events._results(first, small, lambda *_, **__: None)
    monkeypatch.delenv("INFNET_PATIENCE_MINUTES")
    assert events._results(second, small, lambda *_, **__: None)[2].startswith("Slice ")
    for_ever.set()
    for visit in (first, second):
        visit.close()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--share"], "--share: anybody on the internet could open it; give --auth USER:PASSWORD too\n"),
        (["--auth", "ward"], "--auth: not a user and a password; give --auth USER:PASSWORD\n"),
        (["--share", "--auth", "ward:"], "--auth: not a user and a password; give --auth USER:PASSWORD\n"),
    ],
)
def test_it_does_not_start_unguarded(arguments, line, capsys, monkeypatch):
    monkeypatch.delenv("INFNET_DEMO_AUTH", raising=False)
    assert gradio_demo.main(arguments) == 2
    assert capsys.readouterr().err == line


def test_a_taken_port_is_one_line(url, kept):
    port = int(url.rstrip("/").rsplit(":", 1)[1])
    demo = gradio_demo.build(fake_engines(), Owners(kept))
    with pytest.raises(infnet.InfNetError, match=f"--port {port}: in use; give another one"):
        gradio_demo.launch(demo, Owners(kept), port)


@pytest.mark.skipif(chromium() is None, reason="no Chromium here; on Debian: sudo apt-get install chromium")
def test_the_page_in_a_browser(url, upload, truth, kept, tmp_path):
    result, statistics = truth
    worst = int(np.count_nonzero(result.labels, axis=(1, 2)).argmax()) + 1
    with browser() as running:
        page = running.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(120_000)  # a busy machine is slow, and not broken
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        page.get_by_role("button", name="Run", exact=True).wait_for()

        page.locator("input[type=file]").first.set_input_files(upload)
        page.get_by_text("canary").first.wait_for()
        page.get_by_role("button", name="Run", exact=True).click()
        page.get_by_text(f"Lesion {units.amount(statistics.total.lesion)}, involvement").wait_for()
        page.get_by_text("canary").first.wait_for(state="detached")  # the upload is empty again
        page.get_by_text(f"Slice {worst} of 4").wait_for()
        page.wait_for_function("""() => { const drawn = [...document.querySelectorAll('img.base-image, img.mask')];
            return drawn.length === 3 && drawn.every(image => image.complete && image.naturalWidth === 158); }""")

        slider = page.get_by_role("slider").first
        slider.press("ArrowLeft")
        page.get_by_text(f"Slice {worst - 1} of 4").wait_for()
        page.get_by_label("Mediastinum").check()
        page.wait_for_function("() => [...document.images].some(i => i.src.includes('Mediastinum'))")
        page.get_by_label("Sagittal").check()
        page.get_by_text("Sagittal slice ").wait_for()
        page.get_by_label("ground-glass opacity").uncheck()
        page.wait_for_function("() => document.querySelectorAll('img.mask').length === 1")
        page.get_by_label("Axial").check()
        page.get_by_text(f"Slice {worst} of 4").wait_for()
        with page.expect_download() as download:
            page.locator("a[download='summary.json']").click()
        written = json.loads(Path(download.value.path()).read_text())
        assert written["lesion_volume_ml"] == pytest.approx(statistics.total.lesion.lesion_ml)

        (tmp_path / "notes.txt").write_text("no scan")
        page.locator("input[type=file]").first.set_input_files(tmp_path / "notes.txt")
        page.get_by_text("notes.txt").first.wait_for()
        page.get_by_role("button", name="Run", exact=True).click()
        page.get_by_text("file_1: plain text, not an image; give a chest CT").wait_for()

        page.get_by_text(f"Slice {worst} of 4").wait_for(state="detached")  # no numbers beside another file's error
        page.get_by_role("button", name="Example picture").click()
        page.get_by_text("Slice 1 of 1").wait_for()
        for width in (1440, 900):
            page.set_viewport_size({"width": width, "height": 1000})
            page.wait_for_function(
                "width => document.documentElement.scrollWidth <= width", arg=width
            )  # nothing is cut
        assert [a for a in asked if not a.startswith((url, "data:", "blob:"))] == []
        assert files_in(kept)
        page.close()
        until(lambda: not files_in(kept))
