"""Opening a study, its run, and who sees it: the app without a browser and without weights."""

from __future__ import annotations

import io
import threading
import zipfile
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import infnet
from app.core import runs, session, units
from infnet import phantom
from infnet.study import NO_GEOMETRY
from tests.app.apptest import dicom, example, expected, finish, go, metrics, new_session, png, press, upload, volumes
from tests.app.examples import small
from tests.app.holding import until

PAGES = ("Study", "Viewer", "Numbers", "Compare", "Check", "About")


def test_every_page_stands_without_a_study(app: AppTest) -> None:
    for title in PAGES:
        go(app, title)
        assert not app.exception, title
        assert not app.metric, title
        assert "Not for clinical use" in " ".join(m.value for m in app.markdown), title


def test_the_first_page_says_what_this_is(app: AppTest) -> None:
    said = " ".join(each.value for each in app.markdown)
    for word in ("COVID-19 pneumonia", "DICOM", "ground-glass opacity and consolidation", "not a medical device"):
        assert word in said
    assert "COVID-19 pneumonia" not in " ".join(each.value for each in press(app, "Open the example study").markdown)


def test_example_leads_to_the_viewer_with_the_numbers_of_the_package(app: AppTest) -> None:
    finish(press(app, "Open the example study"))
    assert not app.exception
    total = expected(small()).total.lesion
    assert total.lesion_ml is not None
    assert total.lesion_ml > 0
    assert metrics(app)["Lesion volume"] == f"{total.lesion_ml:,.1f} ml"
    assert metrics(app)["Involvement"] == f"{total.involvement_percent:.1f} %"
    assert volumes(app), "the viewer opens as soon as the networks run"
    go(app, "Study")
    assert metrics(app)["Lesion volume"] == f"{total.lesion_ml:,.1f} ml"


@pytest.mark.parametrize("content", [b"", b"not a scan", b"PK\x03\x04 cut short", b"\x00" * 400])
def test_bad_file_gives_one_clear_line_and_the_app_stays_up(app: AppTest, temporary: Path, content: bytes) -> None:
    upload(app, ("holiday.dcm", content))
    (error,) = app.error
    assert error.value.replace("\\", "").startswith("file_1: ")
    assert "\n" not in error.value
    assert str(temporary) not in error.value
    assert not app.exception
    assert not list(temporary.iterdir())
    example(app)
    assert app.metric
    assert not app.error


def test_dicom_upload_gives_the_phantoms_numbers(app: AppTest, tmp_path: Path, temporary: Path) -> None:
    study = small(seed=3)
    files = dicom(study, tmp_path / "dicom")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files:
            archive.writestr(f"a/{name.removesuffix('.dcm')}", content)
    for uploaded in (files, [("study.zip", packed.getvalue())]):
        finish(upload(app, *uploaded))
        assert not app.error
        assert metrics(app)["Lesion volume"] == units.amount(expected(study).total.lesion)
        assert not list(temporary.iterdir())
        go(press(app, "Close study"), "Study")
    assert "case" not in app.session_state
    assert not app.query_params
    assert not app.metric


def test_several_series_are_offered(app: AppTest, tmp_path: Path) -> None:
    long, short = small(seed=1), phantom.chest(slices=4, rows=96, columns=96, spacing=(60.0, 3.7, 3.7), seed=2).study
    upload(app, *dicom(long, tmp_path / "a"), *dicom(short, tmp_path / "b"))
    (choice,) = app.radio
    assert len(choice.options) == 2
    assert not app.metric
    (wanted,) = [o for o in choice.options if "4 slices" in o]
    choice.set_value(wanted).run()
    finish(press(app, "Open this series"))
    assert metrics(app)["Lesion volume"] == units.amount(expected(short).total.lesion)


def test_picture_gives_pixels_and_percent_until_millimetres_are_known(app: AppTest) -> None:
    go(finish(upload(app, ("slice.png", png(small())))), "Study")
    shown = metrics(app)
    assert shown["Lesion area"].endswith(" px")
    assert shown["Involvement"].endswith(" %")
    assert "Lesion volume" not in shown
    said = units.escaped(NO_GEOMETRY.text)
    assert any(said in warning.value for warning in app.warning)
    app.number_input(key="mm").set_value(2.0).run()
    pixels = int(shown["Lesion area"].removesuffix(" px").replace(",", ""))
    for page in ("Study", "Viewer", "Numbers"):
        go(app, page)
        assert metrics(app)["Lesion area"] == f"{4 * pixels:,} mm²"
        assert metrics(app)["Involvement"] == shown["Involvement"]
        assert not any(said in warning.value for warning in app.warning), "the result still says there are none"


def test_where_a_study_was_closed_another_one_may_be_opened(app: AppTest) -> None:
    example(app, "Numbers")
    press(app, "Close study")
    assert "No study is open." in [each.value for each in app.info]
    press(app, "Open a study")
    assert app.session_state["page"] == "study"
    assert any(b.label == "Open the example study" for b in app.button)


def test_long_study_waits_for_a_click_and_says_how_long(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "AUTO_RUN_SECONDS", 0)
    press(app, "Open the example study")
    assert app.session_state["case"].exams[0].job is None
    assert any("6 slices: about" in m.value for m in app.markdown)
    finish(press(app, "Run"))
    assert app.metric


def test_missing_weights_give_one_clear_line(app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from infnet import pipeline

    monkeypatch.setattr(infnet, "load_engines", pipeline.load_engines)
    monkeypatch.setenv("INFNET_WEIGHTS", str(tmp_path))
    finish(press(app, "Open the example study"))
    (error,) = app.error
    assert "weights" in error.value
    assert not app.exception
    press(app, "Close study")
    assert not app.error


def test_text_from_files_is_not_read_as_markdown() -> None:
    assert units.escaped("a*b_[c](d)$e$:x:") == r"a\*b\_\[c\]\(d\)\$e\$\:x\:"


class Gate:
    """A stand-in for `infnet.segment` that waits at its first step until it is let through."""

    def __init__(self) -> None:
        self.runs = 0
        self.begun, self.opened = threading.Event(), threading.Event()
        self._segment = infnet.segment

    def __call__(self, study, engines, *, progress, watch):  # type: ignore[no-untyped-def]
        self.runs += 1
        self.begun.set()
        assert self.opened.wait(60)
        return self._segment(study, engines, progress=progress, watch=watch)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(infnet, "segment", gate)
    return gate


def pulses(app: AppTest) -> list[object]:
    """What makes a part of the page draw itself again and again."""
    return [part for part in app.get("bidi_component") if part.proto.component_name == "infnet_pulse"]


def test_rerun_page_change_and_reload_during_a_run_neither_start_nor_lose_one(app: AppTest, gate: Gate) -> None:
    press(app, "Open the example study")
    assert gate.begun.wait(60)
    app.run()
    for title in PAGES:
        go(app, title)
        assert not app.exception, title
        assert bool(pulses(app)) == (title in ("Study", "Numbers", "Compare", "Check")), title  # Viewer asks itself
    reloaded = AppTest.from_file(app._script_path, default_timeout=60)
    reloaded.query_params["case"] = app.query_params["case"]
    reloaded.run()
    assert not reloaded.exception
    assert any("slices" in m.value for m in reloaded.markdown)
    gate.opened.set()
    for tab in (app, reloaded):
        finish(tab)
        go(tab, "Viewer")
        assert metrics(tab)["Lesion volume"] == units.amount(expected(small()).total.lesion)
        for title in PAGES:
            assert not pulses(go(tab, title)), "nothing looks how far a run is that has ended"
    assert gate.runs == 1


def test_a_second_window_says_that_it_waits_and_its_place(app: AppTest, gate: Gate) -> None:
    press(app, "Open the example study")
    assert gate.begun.wait(60)
    others = [new_session(), new_session()]
    for place, other in enumerate(others, 1):
        press(other, "Open the example study")
        (exam,) = other.session_state["case"].exams
        until(lambda job=exam.job, place=place: job.place == place)
        other.run()
        assert any(f"place {place} in the queue" in bar.proto.text for bar in other.get("progress")), place
    gate.opened.set()
    for window in (app, *others):
        assert metrics(finish(window))["Lesion volume"] == units.amount(expected(small()).total.lesion)


def test_stop_ends_the_run_and_leaves_the_study_open(app: AppTest, gate: Gate) -> None:
    press(app, "Open the example study")
    assert gate.begun.wait(60)
    app.run()
    press(app, "Stop")
    gate.opened.set()
    finish(app)
    assert not app.exception
    assert not app.metric
    press(app, "Go to Study")
    assert any("6 slices: about" in m.value for m in app.markdown)
    finish(press(app, "Run"))
    assert app.metric


def test_two_users_never_see_each_others_data(app: AppTest) -> None:
    other = new_session()
    example(app)
    assert not other.run().metric
    assert "case" not in other.session_state
    finish(upload(other, ("slice.png", png(small(seed=2)))))
    assert "Lesion area" in metrics(other)
    assert "Lesion volume" in metrics(app.run())
    assert app.query_params["case"] != other.query_params["case"]
    go(press(other, "Close study"), "Viewer")
    assert not other.metric
    assert "Lesion volume" in metrics(app.run())


def test_unknown_token_opens_nothing_and_leaves_the_address(app: AppTest) -> None:
    example(app)
    token = app.query_params["case"]
    stranger = AppTest.from_file(app._script_path, default_timeout=60)
    stranger.query_params["case"] = "x" * 22
    stranger.run()
    assert not stranger.query_params
    assert "case" not in stranger.session_state
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "_browser", lambda: "another one")
        thief = AppTest.from_file(app._script_path, default_timeout=60)
        thief.query_params["case"] = token
        go(thief.run(), "Viewer")
        assert not thief.metric, "the address of a case is no key to it in another browser"
        assert not thief.query_params
    assert app.run().metric
    press(app, "Close study")
    late = AppTest.from_file(app._script_path, default_timeout=60)
    late.query_params["case"] = token
    go(late.run(), "Viewer")
    assert not late.metric, "a closed study is gone for its own address too"


CANARY = "Zaubermann"


def test_no_name_is_shown_written_or_left_behind(app: AppTest, tmp_path: Path, temporary: Path) -> None:
    import pydicom

    files = []
    for name, content in dicom(small(), tmp_path / "dicom"):
        header = pydicom.dcmread(io.BytesIO(content))
        header.PatientName, header.PatientID = f"{CANARY}^Eva", CANARY
        buffer = io.BytesIO()
        header.save_as(buffer)
        files.append((f"{CANARY}_{name}", buffer.getvalue()))
    finish(upload(app, *files))
    for title in PAGES:
        go(app, title)
        assert not app.exception, title
        assert CANARY not in str(app), title
    assert not list(temporary.rglob("*"))
    press(go(app, "Study"), "Close study")
    assert "case" not in app.session_state
    assert len(session.registry()) == 0


def test_name_of_a_picture_is_shown_only_when_asked_for(app: AppTest) -> None:
    go(finish(upload(app, (f"{CANARY}.png", png(small())))), "Study")
    assert CANARY not in str(app)
    app.toggle(key="show_name").set_value(True).run()
    assert any(CANARY in m.value for m in app.markdown)


def test_sessions_share_the_networks(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    load = infnet.load_engines
    monkeypatch.setattr(infnet, "load_engines", lambda *names: loads.append(names) or load(*names))
    st.cache_resource.clear()
    example(app)
    example(new_session())
    assert len(loads) == 1
