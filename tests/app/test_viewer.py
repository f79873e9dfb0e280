"""The Viewer page with the picture viewer: one slice a message, and thresholds that never run the networks."""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import infnet
from app.core import examples, units
from infnet.measure import gate
from infnet.overlay import display
from infnet.pipeline.models import Engines
from infnet.pipeline.run import segment
from infnet.study import CLASS_NAMES
from tests.app.apptest import (
    choose,
    example,
    expected,
    finish,
    go,
    metrics,
    picture,
    press,
    slices,
    unpacked,
    volumes,
)
from tests.app.examples import small
from tests.fakes import fake_engines


@pytest.fixture
def app(app: AppTest) -> AppTest:
    """Somebody who chose the picture viewer."""
    app.session_state["viewer"] = "Pictures"
    return app


@pytest.fixture
def viewer(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The viewer with the example; from here on the networks must not run."""
    example(app)
    monkeypatch.setattr(infnet, "segment", lambda *a, **k: pytest.fail("the networks ran again"))
    return app


def test_slider_starts_at_the_worst_slice_and_changes_the_slice_only(viewer: AppTest) -> None:
    study = small()
    statistics = expected(study)
    loads = [s.total.lesion.lesion_voxels for s in statistics.slices]
    assert viewer.slider(key="slice").value == int(np.argmax(loads)) + 1
    before = metrics(viewer)
    viewer.slider(key="slice").set_value(2).run()
    assert metrics(viewer) == before
    assert picture(viewer).startswith("Slice 2 of 6, with overlay: ground-glass opacity")
    assert viewer.table[0].value.iloc[-1, -1].startswith(f"{statistics.slices[1].total.lesion.lesion_mm2:,.0f} mm²")
    press(viewer, "Most lesion")
    assert viewer.slider(key="slice").value == int(np.argmax(loads)) + 1


def test_a_slice_has_one_number_and_its_position_beside_it(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored from the head down: slice 1 is at the feet all the same, in the viewer and in the table."""
    study = small()
    assert study.affine is not None
    step = study.affine[:, 0]
    turned = study.affine.copy()
    turned[:, 3] += step * (len(study.pixels) - 1)
    turned[:, 0] = -step
    down = replace(study, pixels=study.pixels[::-1].copy(), affine=turned)
    monkeypatch.setattr(examples, "example", lambda: down)
    viewer = example(app)
    viewer.slider(key="slice").set_value(2).run()
    row = expected(down).rows()[1]
    assert (row["slice"], row["source_slice"]) == (2, 4)
    place = float((turned @ [4, 47.5, 47.5, 1.0])[2])
    assert row["position_mm"] == pytest.approx(place)
    assert f"**Slice 2 of 6**, {place:.1f} mm" in [each.value for each in viewer.markdown]
    assert viewer.table[0].value.iloc[-1, -1].startswith(f"{row['lesion_mm2']:,.0f} mm²")


def test_message_holds_one_slice_its_hu_and_its_classes(viewer: AppTest) -> None:
    viewer.slider(key="slice").set_value(3).run()
    ((head, data),) = slices(viewer)
    assert (head["rows"], head["columns"], head["unit"]) == (96, 96, "HU")
    image, hu, codes = unpacked((head, data))
    assert np.array_equal(hu, np.rint(small().pixels[2]))
    result = segment(small(), fake_engines())
    assert np.array_equal(codes, result.lungs[2] * 3 + result.labels[2])
    assert head["names"][1 * 3 + 2] == "consolidation, right lung"
    assert image.size == (head["width"], head["height"]) == (96, 96)
    assert len(data) - sum(other["size"] for other in head["ahead"]) < 60_000


def test_neighbours_come_along_and_are_what_is_shown_when_they_are_asked_for(viewer: AppTest) -> None:
    def near() -> tuple[str, dict[int, bytes]]:
        ((head, data),) = slices(viewer)
        others, end = {}, len(data)
        for other in reversed(head["ahead"]):
            others[other["number"]] = data[end - other["size"] : end]
            end -= other["size"]
        start = 4 + int.from_bytes(data[:4], "little")
        return head["view"], others | {head["number"]: data[start : start + head["png"]]}

    viewer.slider(key="slice").set_value(3).run()
    view, third = near()
    assert set(third) == {1, 2, 3, 4, 5}
    viewer.slider(key="slice").set_value(4).run()
    same, fourth = near()
    assert set(fourth) == {2, 3, 4, 5, 6}
    assert same == view
    assert all(third[number] == fourth[number] for number in (2, 3, 4, 5))
    choose(viewer, "View", "Heat map")
    other, heat = near()
    assert other != view, "no picture of another view is shown again"
    assert heat[3] != third[3]


def test_thresholds_change_numbers_without_the_networks(viewer: AppTest) -> None:
    before = float(metrics(viewer)["Lesion volume"].removesuffix(" ml").replace(",", ""))
    viewer.slider(key="smallest").set_value(200).run()
    fewer = float(metrics(viewer)["Lesion volume"].removesuffix(" ml").replace(",", ""))
    assert 0 < fewer < before
    viewer.slider(key="smallest").set_value(0).run()
    viewer.slider(key="threshold").set_value(0.95).run()  # the fake engines answer 0.9
    assert metrics(viewer)["Lesion volume"] == "0.0 ml"
    viewer.slider(key="threshold").set_value(0.5).run()
    assert float(metrics(viewer)["Lesion volume"].removesuffix(" ml").replace(",", "")) == before
    assert not viewer.exception


def test_overlay_classes_style_and_window_only_redraw(viewer: AppTest) -> None:
    seen = {slices(viewer)[0][1]}
    for label, option in (("Lesions as", "Outline"), ("Window", "Mediastinum")):
        choose(viewer, label, option)
        seen.add(slices(viewer)[0][1])
    choose(viewer, "Window", "Manual")
    viewer.slider(key="manual").set_value((-500, 100)).run()
    seen.add(slices(viewer)[0][1])
    viewer.pills(key="marks").set_value(["Ground glass"]).run()
    seen.add(slices(viewer)[0][1])
    assert len(seen) == 5
    assert not viewer.exception
    viewer.toggle(key="overlay").set_value(False).run()
    assert picture(viewer).endswith("without overlay")
    shown = np.asarray(unpacked(slices(viewer)[0])[0])
    grey = display(small(), viewer.slider(key="slice").value - 1, (-500.0, 100.0))
    middle = np.s_[10:40, 30:66]  # away from the letters R and L
    assert np.array_equal(shown[middle][..., 0], grey[middle])


@pytest.mark.parametrize(("plane", "count", "size"), [("Coronal", 96, (96, 65)), ("Sagittal", 96, (96, 65))])
def test_other_planes_have_true_proportions(viewer: AppTest, plane: str, count: int, size: tuple[int, int]) -> None:
    choose(viewer, "Plane", plane)
    assert not viewer.exception
    ((head, _),) = slices(viewer)
    assert head["count"] == count
    assert (head["rows"], head["columns"]) == (6, 96)
    assert (head["width"], head["height"]) == size  # 6 slices of 40 mm are 65 pixels of 3.7 mm
    assert head["alt"].startswith(f"{plane} slice ")


def test_side_by_side_shows_the_image_alone_beside_its_overlay(viewer: AppTest) -> None:
    choose(viewer, "View", "Side by side")
    first, second = slices(viewer)
    assert first[0]["alt"].endswith("without overlay")
    assert "with overlay" in second[0]["alt"]
    assert first[0]["number"] == second[0]["number"]


def test_load_along_the_slices(viewer: AppTest) -> None:
    (load,) = [w for w in viewer.get("bidi_component") if w.proto.component_name == "infnet_load"]
    data = json.loads(load.proto.json)
    statistics = expected(small())
    assert data["loads"] == [[s.total.by_class[c].lesion_voxels for c in CLASS_NAMES] for s in statistics.slices]
    assert "most in slice" in data["alt"]


def test_heat_map_and_hu_bands_are_other_pictures_of_the_same_slice(viewer: AppTest) -> None:
    pictures, values = [], []
    for view, alt in (("Overlay", "with overlay"), ("Heat map", "at most 0.9"), ("HU bands", "HU bands disagree")):
        choose(viewer, "View", view)
        assert alt in picture(viewer)
        image, hu, codes = unpacked(slices(viewer)[0])
        pictures.append(np.asarray(image).tobytes())
        values.append(hu.tobytes() + codes.tobytes())
    assert len(set(pictures)) == 3
    assert len(set(values)) == 1, "HU and classes under the pointer stay the same"


@pytest.mark.parametrize(
    ("names", "captions"),
    [
        (
            ("S_g", "S_5", "S_4", "S_3", "edge"),
            ("global map", "reverse attention 5", "reverse attention 4", "the prediction", "edge attention"),
        ),
        (("S_4", "S_3", "S_2"), ("reverse attention 4", "reverse attention 3", "the prediction")),
    ],
)
def test_stages_of_the_network_as_a_strip(
    viewer: AppTest, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], captions: tuple[str, ...]
) -> None:
    from infnet.pipeline import stages

    asked = []

    def fake(study: infnet.Study, index: int, infection: str | None, lungs: np.ndarray) -> dict[str, np.ndarray]:
        asked.append((index, infection))
        return {name: np.full((96, 96), 0.25, np.float32) for name in names}

    monkeypatch.setattr(stages, "stages", fake)
    choose(viewer, "View", "Stages")
    viewer.run()
    assert asked == [(viewer.slider(key="slice").value - 1, "fake-infection")]
    alts = [head["alt"] for head, _ in slices(viewer)]
    number = viewer.slider(key="slice").value
    assert alts == [f"Slice {number}, {caption}, at most 0.25" for caption in captions]
    headings = {f"**{name}** &nbsp; :gray[{caption}]" for name, caption in zip(names, captions, strict=True)}
    assert headings <= {element.value for element in viewer.markdown}
    assert sum(len(data) for _, data in slices(viewer)) < 1_000_000


def test_second_network_beside_the_first(app: AppTest) -> None:
    choose(example(app), "View", "Side by side")
    beside = app.selectbox(key="beside")
    model = beside.options[-1]
    beside.set_value(model).run()
    assert len(slices(app)) == 1, "it runs when it is asked for"
    finish(press(app, f"Run {model}"))
    assert not app.exception
    alts = [head["alt"] for head, _ in slices(app)]
    assert len(alts) == 2
    assert model in alts[0]


def waiting_networks(
    monkeypatch: pytest.MonkeyPatch, after: int, role: str = "infection"
) -> tuple[threading.Event, threading.Event]:
    """Let one of the networks wait after so many slices: set where it has come so far, and what lets it go on."""
    engines, reached, go_on = fake_engines(), threading.Event(), threading.Event()
    engine = engines.models[role].engine
    function, done = engine.function, itertools.count()

    def hold(batch: np.ndarray) -> np.ndarray:
        if next(done) == after:
            reached.set()
            assert go_on.wait(60)
        return function(batch)

    engine.function = hold
    monkeypatch.setattr(infnet, "load_engines", lambda infection=None, device=None: engines)
    return reached, go_on


def test_each_slice_shows_its_overlay_while_others_wait(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, go_on = waiting_networks(monkeypatch, after=3)
    press(app, "Open the example study")
    try:
        assert reached.wait(60)
        (exam,) = app.session_state["case"].exams
        done = np.flatnonzero(exam.growing.ready & exam.growing.result.lungs.any((1, 2)))
        assert len(done) == 3
        for page in ("Study", "Viewer"):
            go(app, page)
            app.slider(key="slice").set_value(int(done[1]) + 1).run()
            ((head, data),) = slices(app)
            assert head["alt"] == f"Slice {done[1] + 1} of 6, overlay while others still wait"
            assert (unpacked((head, data))[2] % 3).any(), "no lesion on it"
            assert not app.metric, "no number before all slices are done"
            waiting = int(np.flatnonzero(~exam.growing.ready)[-1])
            app.slider(key="slice").set_value(waiting + 1).run()
            assert picture(app) == f"Slice {waiting + 1} of 6, not segmented yet"
    finally:
        go_on.set()
    finish(app)
    go(app, "Viewer")
    assert metrics(app)["Lesion volume"] == units.amount(expected(small()).total.lesion)


@pytest.mark.parametrize("viewer", ["Volume", "Pictures"])
def test_slice_on_screen_gets_a_first_overlay_before_the_lungs_of_all_are_known(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, viewer: str
) -> None:
    monkeypatch.setattr("infnet.pipeline.run.PREVIEW_FROM", 6)
    reached, go_on = waiting_networks(monkeypatch, after=4, role="lungs")
    app.session_state["viewer"] = viewer
    press(app, "Open the example study")
    try:
        assert reached.wait(60)
        (exam,) = app.session_state["case"].exams
        assert not exam.growing.ready.any()
        go(app, "Viewer")
        if viewer == "Pictures":
            assert picture(app) == "Slice 3 of 6, a first look at its overlay"
            assert (unpacked(slices(app)[0])[2] % 3).any(), "no lesion on it"
        else:
            ((head, _),) = volumes(app)
            assert (head["initial"], head["ready"], head["previewed"]) == (2, [[1, 4]], [[1, 4]])
    finally:
        go_on.set()
    finish(app)


def test_a_run_that_was_stopped_leaves_nothing_behind(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, go_on = waiting_networks(monkeypatch, after=0)
    press(app, "Open the example study")
    assert reached.wait(60)
    (exam,) = app.session_state["case"].exams
    assert exam.growing is not None
    exam.job.stop()
    go_on.set()
    go(finish(app), "Viewer")
    assert exam.job.state == "stopped"
    assert exam.growing is None
    assert picture(app) == "Slice 3 of 6, not segmented yet"


def test_viewer_opens_at_the_worst_slice_unless_one_was_chosen_meanwhile(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    upper = replace(small(), pixels=small().pixels[2:])  # most lesion lies in the middle of the whole phantom
    worst = int(np.argmax([s.total.lesion.lesion_voxels for s in expected(upper).slices])) + 1
    assert worst != 2
    monkeypatch.setattr(examples, "example", lambda: upper)
    for chosen, page in ((None, "Study"), (4, "Study"), (None, "Viewer")):
        go_on = threading.Event()
        engines = fake_engines()
        function = engines.lungs.engine.function
        engines.lungs.engine.function = lambda batch, f=function, g=go_on: f(batch) if g.wait(60) else None
        monkeypatch.setattr(infnet, "load_engines", lambda infection=None, device=None, loaded=engines: loaded)
        st.cache_resource.clear()
        press(app, "Open the example study")
        go(app, page)
        assert picture(app) == "Slice 2 of 4, not segmented yet"
        if chosen:
            app.slider(key="slice").set_value(chosen).run()
        go_on.set()
        go(finish(app), "Viewer")
        assert picture(app).startswith(f"Slice {chosen or worst} of 4, with overlay")
        go(press(app, "Close study"), "Study")


def test_second_network_is_read_at_its_own_threshold_until_somebody_moves_it(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(infection: str | None = None, device: str | None = None) -> Engines:
        return fake_engines() if infection is None else fake_engines().with_threshold(0.95)  # they answer 0.9

    monkeypatch.setattr(infnet, "load_engines", load)
    choose(example(app), "View", "Side by side")
    beside = app.selectbox(key="beside")
    model = beside.options[-1]
    beside.set_value(model).run()
    finish(press(app, f"Run {model}"))
    captions = [each.value for each in app.caption]
    assert any(text.startswith("0.0 ml, 0.0 %, from probability 0.95") for text in captions), captions
    assert metrics(app)["Lesion volume"] == units.amount(expected(small()).total.lesion)
    app.slider(key="threshold").set_value(0.6).run()
    assert any("from probability 0.60" in each.value for each in app.caption)
    assert not any(each.value.startswith("0.0 ml") for each in app.caption)


def test_notices_of_the_gate_stand_beside_the_pictures_too(viewer: AppTest) -> None:
    texts = [notice.text for notice in gate.inspect(small(), segment(small(), fake_engines()))]
    assert texts
    said = " ".join(each.value for each in viewer.warning)
    for text in texts:
        assert units.escaped(text) in said
