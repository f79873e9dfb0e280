"""The app without a browser and without weights: fake engines that read the answer off the grey values."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

import infnet
from app import numbers, state
from infnet import phantom
from infnet.overlay import display
from infnet.statistics import Statistics, measure
from tests.fakes import fake_engines

MAIN = Path(__file__).parents[2] / "app" / "main.py"


def small(seed: int = 0) -> infnet.Study:
    return phantom.chest(slices=6, rows=96, columns=96, spacing=(40.0, 3.7, 3.7), seed=seed).study


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of its own, to see what the app leaves there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    st.cache_resource.clear()
    monkeypatch.setattr(infnet, "load_engines", fake_engines)
    monkeypatch.setattr(state, "example", small)
    test = AppTest.from_file(str(MAIN), default_timeout=60).run()
    assert not test.exception
    yield test
    st.cache_resource.clear()


def press(app: AppTest, label: str) -> AppTest:
    (button,) = [b for b in app.button if b.label == label]
    return button.click().run()


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    app.file_uploader[0].set_value([(name, content, "application/octet-stream") for name, content in files])
    return app.run()


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def picture(app: AppTest) -> str:
    """The text alternative of the slice on screen."""
    (image,) = app.get("image")
    return str(image.proto.imgs[0].alt)


def expected(study: infnet.Study) -> Statistics:
    return measure(study, infnet.segment(study, fake_engines()))


def png(study: infnet.Study, index: int = 3) -> bytes:
    held = io.BytesIO()
    Image.fromarray(display(study, index)).save(held, "PNG")
    return held.getvalue()


def dicom(study: infnet.Study, folder: Path) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in phantom.write_dicom(study, folder)]


def test_start_page_says_what_it_is_not_for(app: AppTest) -> None:
    assert "Not for clinical use" in " ".join(m.value for m in app.markdown)
    assert not app.metric
    assert not app.error


def test_example_shows_the_numbers_of_the_package(app: AppTest) -> None:
    press(app, "Open the example study")
    assert not app.exception
    total = expected(small()).total.lesion
    shown = metrics(app)
    assert total.lesion_ml is not None
    assert total.lesion_ml > 0
    assert shown["Lesion volume"] == f"{total.lesion_ml:,.1f} ml"
    assert shown["Involvement"] == f"{total.involvement_percent:.1f} %"
    assert len(app.table) == 3  # study, slice, provenance


def test_slider_starts_at_the_worst_slice_and_changes_the_slice_only(app: AppTest) -> None:
    press(app, "Open the example study")
    slices = expected(small()).slices
    loads = [s.total.lesion.lesion_pixels for s in slices]
    assert app.slider(key="slice").value == int(np.argmax(loads)) + 1
    before = metrics(app)
    app.slider(key="slice").set_value(2).run()
    assert metrics(app) == before
    assert picture(app).startswith("Slice 2 of 6, with overlay")
    assert app.table[1].value.iloc[-1, -1].startswith(f"{slices[1].total.lesion.lesion_mm2:,.0f} mm²")
    press(app, "Most lesion")
    assert app.slider(key="slice").value == int(np.argmax(loads)) + 1


def test_overlay_can_be_switched_off_without_another_run(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    press(app, "Open the example study")
    monkeypatch.setattr(infnet, "segment", lambda *a, **k: pytest.fail("the networks ran again"))
    for label in ("Lesions as", "Window"):
        (choice,) = [c for c in app.segmented_control if c.label == label]
        choice.set_value(choice.options[-1]).run()
        assert not app.exception
    (overlay,) = [t for t in app.toggle if t.label == "Overlay"]
    overlay.set_value(False).run()
    assert picture(app).endswith("without overlay")


@pytest.mark.parametrize("content", [b"", b"not a scan", b"PK\x03\x04 cut short", b"\x00" * 400])
def test_bad_file_gives_one_clear_line_and_the_app_stays_up(app: AppTest, temporary: Path, content: bytes) -> None:
    upload(app, ("holiday.dcm", content))
    (error,) = app.error
    assert error.value.replace("\\", "").startswith("holiday.dcm: ")
    assert "\n" not in error.value
    assert str(temporary) not in error.value
    assert not app.exception
    assert not list(temporary.iterdir())
    press(app, "Open the example study")
    assert app.metric
    assert not app.error


def test_dicom_upload_gives_the_phantoms_numbers_and_leaves_no_file(
    app: AppTest, tmp_path: Path, temporary: Path
) -> None:
    study = small(seed=3)
    files = dicom(study, tmp_path / "dicom")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files:
            archive.writestr(f"a/{name.removesuffix('.dcm')}", content)
    for uploaded in (files, [("study.zip", packed.getvalue())]):
        upload(app, *uploaded)
        assert not app.error
        assert metrics(app)["Lesion volume"] == numbers.amount(expected(study).total.lesion)
        assert not list(temporary.iterdir())
        press(app, "Close study")
    assert not [key for key in state.PATIENT_DATA if key in app.session_state]
    assert not app.metric


def test_several_series_are_offered(app: AppTest, tmp_path: Path) -> None:
    long, short = small(seed=1), phantom.chest(slices=4, rows=96, columns=96, spacing=(60.0, 3.7, 3.7), seed=2).study
    upload(app, *dicom(long, tmp_path / "a"), *dicom(short, tmp_path / "b"))
    (choice,) = app.radio
    assert len(choice.options) == 2
    assert not app.metric
    (wanted,) = [o for o in choice.options if "4 slices" in o]
    choice.set_value(wanted).run()
    press(app, "Open this series")
    assert metrics(app)["Lesion volume"] == numbers.amount(expected(short).total.lesion)


def test_picture_gives_pixels_and_percent_until_millimetres_are_known(app: AppTest) -> None:
    upload(app, ("slice.png", png(small())))
    shown = metrics(app)
    assert shown["Lesion area"].endswith(" px")
    assert shown["Involvement"].endswith(" %")
    assert "Lesion volume" not in shown
    app.number_input[0].set_value(2.0).run()
    pixels = int(shown["Lesion area"].removesuffix(" px").replace(",", ""))
    assert metrics(app)["Lesion area"] == f"{4 * pixels:,} mm²"
    assert metrics(app)["Involvement"] == shown["Involvement"]


def test_long_study_waits_for_a_click_and_says_how_long(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "AUTO_RUN_SECONDS", 1)
    press(app, "Open the example study")
    assert not app.metric
    assert any("6 slices: about" in m.value for m in app.markdown)
    press(app, "Run")
    assert app.metric


def test_missing_weights_give_one_clear_line(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infnet import pipeline

    monkeypatch.setattr(infnet, "load_engines", pipeline.load_engines.__wrapped__)
    monkeypatch.setenv("INFNET_WEIGHTS", str(tmp_path))
    st.cache_resource.clear()
    press(app, "Open the example study")
    (error,) = app.error
    assert "weights" in error.value
    assert not app.exception
    press(app, "Close study")
    assert not app.error


def test_text_from_files_is_not_read_as_markdown() -> None:
    from app.panels import _escaped

    assert _escaped("a*b_[c](d)$e$:x:") == r"a\*b\_\[c\]\(d\)\$e\$\:x\:"
