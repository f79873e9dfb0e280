"""What the volume viewer is sent: every value and every mark of the study, in parts, exact at every threshold."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import infnet
from app.components import volume as component
from app.components.volume import Want
from app.core.reading import Settings, read
from app.core.volume import MARGIN, Frame, Levels, geometry
from infnet.geometry.grid import Grid
from infnet.measure.thresholds import reread
from infnet.pipeline.run import segment
from tests.app.apptest import example, expected, finish, go, metrics, press, volumes
from tests.app.examples import small
from tests.fakes import fake_engines
from tests.orders import ORDERS, stored

EVERY = range(6)


@pytest.fixture(scope="module")
def result() -> infnet.Segmentation:
    """Of `small()`, with probabilities of every height."""
    made = segment(small(), fake_engines())
    noise = np.random.default_rng(0).uniform(0.15, 1, made.probability.shape).astype(np.float32)
    made = replace(made, probability=np.where(made.lungs > 0, noise, 0).astype(np.float32))
    return replace(made, labels=reread(small(), made, 0.5).labels)


def unpack(frame: Frame, packed: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Level, consolidation and lung of marks, as the browser takes them apart."""
    marks = np.frombuffer(packed, np.uint8).reshape(frame.shape)
    return marks & 31, marks >> 5 & 1, marks >> 6


@pytest.mark.parametrize(("axes", "flips"), ORDERS)
def test_marks_are_the_labels_at_every_threshold(
    result: infnet.Segmentation, axes: tuple[int, int, int], flips: tuple[int, int, int]
) -> None:
    """However the study is stored: the browser's upright grid, turned back, is the source's own labels."""
    turned, found = stored(small(), result, axes, flips)
    frame = Frame.of(turned)
    assert frame is not None
    values = np.frombuffer(frame.values(turned, range(frame.shape[0])), np.int16).reshape(frame.shape)
    assert np.array_equal(turned.orientation.undo(values), np.rint(turned.pixels))
    for smallest in (0, 300):
        for threshold in (0.2, 0.35, 0.5, 0.95):
            reading = read(turned, found, Settings(threshold, smallest))
            levels = Levels(0.5, reading.threshold)
            level, dense, lungs = unpack(frame, frame.marks(turned, reading.result, levels, range(frame.shape[0])))
            reached = level >= 1 + levels.shown.index(levels.threshold)
            labels = np.where(reached, 1 + dense, 0)
            assert np.array_equal(turned.orientation.undo(labels), reading.result.labels), (threshold, smallest)
            assert np.array_equal(turned.orientation.undo(lungs), found.lungs)
            if not smallest:  # one message serves all thresholds
                for other in levels.shown:
                    again = np.where(level >= 1 + levels.shown.index(other), 1 + dense, 0)
                    wanted = read(turned, found, Settings(other)).result.labels
                    assert np.array_equal(turned.orientation.undo(again), wanted), other


def test_levels_hold_the_networks_own_threshold_and_the_current_one() -> None:
    levels = Levels(0.42, 0.2 + 3 * 0.05)
    assert levels.threshold == 0.35
    assert levels.shown == [0.2, 0.25, 0.3, 0.35, 0.4, 0.42, 0.45, *(round(0.5 + 0.05 * k, 2) for k in range(10))]
    assert len(levels.values) < 32, "they are counted in five bits"


def test_a_large_study_is_cropped_to_its_lungs_and_then_coarser(result: infnet.Segmentation) -> None:
    study = small()
    assert Frame.of(study, None, most=1000) is None
    whole = Frame.of(study, result.lungs)
    assert whole is not None
    assert whole.shape == study.pixels.shape
    cropped = Frame.of(study, result.lungs, most=whole.size - 1)
    assert cropped is not None
    assert cropped.kind == "int16"
    _, rows, columns = np.nonzero(result.lungs)
    assert cropped.box[1] == slice(max(0, rows.min() - MARGIN), min(96, rows.max() + 1 + MARGIN))
    assert cropped.box[2] == slice(max(0, columns.min() - MARGIN), min(96, columns.max() + 1 + MARGIN))
    values = np.frombuffer(cropped.values(study, EVERY), np.int16).reshape(cropped.shape)
    assert np.array_equal(values, np.rint(study.pixels[cropped.box]))
    corner = [side.start for side in cropped.box]
    assert np.allclose(np.array(geometry(study, cropped)["affine"])[:, 3], Grid.of(study).affine @ [*corner, 1])
    coarse = Frame.of(study, result.lungs, most=cropped.size - 1)
    assert coarse is not None
    assert (coarse.kind, coarse.step) == ("uint8", 8)
    steps = np.frombuffer(coarse.values(study, EVERY), np.uint8).reshape(coarse.shape)
    back = coarse.offset + coarse.step * steps.astype(int)
    inside = study.pixels[coarse.box]
    assert np.abs(back - inside)[(inside > -1024) & (inside < 1016)].max() <= 4.5


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_grey_values_come_back(kind: Any) -> None:
    pixels = np.linspace(0, 200, 2 * 5 * 7).reshape(2, 5, 7).astype(kind)
    study = infnet.Study(pixels, is_hu=False)
    frame = Frame.of(study)
    assert frame is not None
    packed = np.frombuffer(frame.values(study, range(2)), frame.kind).reshape(frame.shape)
    assert np.abs(frame.offset + frame.step * packed - pixels).max() < 0.002


@pytest.mark.parametrize("asked", [None, 3, [], {"values": "all"}, {"values": [-1, 9, "1", None], "at": -2}])
def test_a_question_that_makes_no_sense_gets_nothing(asked: Any) -> None:
    want = Want.of(asked, 6)
    assert (want.values, want.marks, want.at) == ((), (), None)


def test_the_bundle_is_that_of_the_sources() -> None:
    folder = Path(component.__file__).parent
    digest = hashlib.sha256()
    for module in sorted((folder / "src").iterdir()):
        digest.update(module.read_bytes())
    bundle = (folder / "volume.js").read_text()
    assert digest.hexdigest() in bundle.splitlines()[0], "npm run build in app/components/volume"
    assert "http://" not in bundle
    assert "https://" not in bundle


def test_page_sends_what_is_asked_for_and_numbers_follow(app: AppTest) -> None:
    example(app)
    ((head, data),) = volumes(app)
    assert len(data) < 20_000, "nothing of the volume before the browser asks for it"
    assert head["shape"] == [6, 96, 96]
    assert head["growing"] is False
    worst = int(np.argmax([s.total.lesion.lesion_voxels for s in expected(small()).slices]))
    assert head["initial"] == worst
    volumes_before = metrics(app)["Lesion volume"]
    app.session_state["threshold"] = 0.95  # the fake engines answer 0.9
    app.run()
    assert metrics(app)["Lesion volume"] == "0.0 ml" != volumes_before
    ((head, _),) = volumes(app)
    assert head["threshold"] == 0.95
    assert head["lesions"] == []


def test_pictures_by_choice_and_on_a_telephone(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    example(app)
    assert volumes(app)
    assert not app.slider
    monkeypatch.setattr("app.views.parts.volumes._telephone", lambda: True)
    app.run()
    assert not volumes(app)
    assert app.slider(key="slice")
    app.segmented_control(key="viewer").set_value("Volume").run()
    assert volumes(app), "by hand it is there on a telephone too"
    go(press(app, "Close study"), "Study")
    finish(press(app, "Open the example study"))
    assert volumes(app), "a choice lasts"
