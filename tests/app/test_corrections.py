"""Changes as the browser sends them: exactly their voxels, however the study lies, and never over a newer change."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

import infnet
from app.core.corrections import Revisions, lay_over, unpack
from app.core.reading import Reading, Settings, read
from app.core.volume import Frame, Levels
from infnet.measure.correct import Layer
from infnet.pipeline.run import segment
from tests.app.examples import small
from tests.app.volume_reader import oblique
from tests.fakes import fake_engines
from tests.orders import signed_permutations


def packed(*runs: tuple[int, int, int]) -> str:
    """Runs (first voxel of the frame, length, code) as the browser packs them."""
    firsts, lengths, codes = zip(*runs, strict=True) if runs else ((), (), ())
    data = np.array([len(runs), *firsts, *lengths], "<u4").tobytes() + np.array(codes, np.uint8).tobytes()
    return base64.b64encode(data).decode()


def change(base: int, *runs: tuple[int, int, int], number: int = 1) -> dict[str, Any]:
    return {"number": number, "base": base, "runs": packed(*runs)}


def studies() -> list[infnet.Study]:
    """A grid of 5 x 6 x 7 that lies in every way, negated cosines included, and obliquely."""
    pixels = np.random.default_rng(0).integers(-1000, 0, (5, 6, 7)).astype(np.int16)
    straight = [infnet.Study(pixels, affine) for affine in signed_permutations()]
    return [*straight, *(oblique(study) for study in straight[::7])]


def empty(study: infnet.Study) -> infnet.Segmentation:
    nothing = np.zeros(study.pixels.shape, np.uint8)
    share = nothing.copy()
    return infnet.Segmentation(nothing, nothing.astype(np.float32), nothing, consolidation=share)


@pytest.mark.parametrize("study", studies())
def test_a_change_lands_on_its_voxels_however_the_study_lies(study: infnet.Study) -> None:
    """Drawn on a cropped frame: the mask on the study's grid, turned upright, is what was drawn, and is sent back."""
    frame = Frame((slice(1, 4), slice(0, 4), slice(1, 4)), "int16")
    upright = np.array(study.orientation.apply(study.pixels).shape)
    assert (np.array([side.stop for side in frame.box]) <= upright).all()
    drawn = np.zeros(frame.shape, np.uint8)
    drawn[0, 0, 1:], drawn[2, 1, 0], drawn[1, 3, 2] = 1, 2, 2  # no symmetry
    flat = drawn.reshape(-1)
    runs = [(int(at), 1, int(flat[at]) + 1) for at in np.flatnonzero(flat)]
    runs += [(0, 1, 1), (5, 2, 5)]  # one voxel without lesion, two in the right lung
    revisions = Revisions()
    result = empty(study)
    assert revisions.take(change(0, *runs), study, frame, result)
    reading = read(study, result, Settings(), 0, revisions.current)
    whole = np.zeros(upright, np.uint8)
    whole[frame.box] = drawn
    assert np.array_equal(study.orientation.apply(reading.result.labels), whole)
    lungs = np.zeros(frame.shape, np.uint8)
    lungs.reshape(-1)[5:7] = 1
    assert np.array_equal(study.orientation.apply(reading.result.lungs)[frame.box], lungs)
    if study.volumetric:
        assert reading.statistics.total.lesion.lesion_ml == pytest.approx(4 * study.voxel_volume_ml)

    marks = lay_over(bytes(2 * drawn[0].size), study, frame, revisions.corrections, (2, 0))
    seen = np.frombuffer(marks, np.uint8).reshape(2, *frame.shape[1:])
    for plane, slice_ in zip(seen, (2, 0), strict=True):
        assert np.array_equal(np.where((plane & 31) == 31, 1 + (plane >> 5 & 1), 0), drawn[slice_])
        assert np.array_equal(plane >> 6, lungs[slice_])
    assert seen[1, 0, 0] == 1 << 5, "a person says that there is none"

    back = [(first, length, 0) for first, length, code in runs if code < 4] + [(5, 2, 4)]
    assert revisions.take(change(1, *back, number=2), study, frame, result)
    assert not len(revisions.corrections.labels.voxels)
    assert not len(revisions.corrections.lungs.voxels), "as the networks found it: no correction"
    again: Reading = read(study, result, Settings(), 0, revisions.current)
    assert again.result is result


def test_marks_with_corrections_are_the_corrected_labels_at_every_threshold() -> None:
    study = small()
    result = segment(study, fake_engines())
    frame = Frame.of(study)
    assert frame is not None
    revisions = Revisions()
    size = 96 * 96
    assert revisions.take(change(0, (2 * size + 4000, 300, 3), (3 * size + 4000, 900, 1)), study, frame, result)
    for threshold in (0.3, 0.5, 0.95):  # the fake engines answer 0.9
        reading = read(study, result, Settings(threshold), 0, revisions.current)
        levels = Levels(0.5, threshold)
        marks = frame.marks(study, reading.network, levels, range(6))
        marks = lay_over(marks, study, frame, revisions.corrections, range(6))
        seen = np.frombuffer(marks, np.uint8).reshape(frame.shape)
        reached = (seen & 31) >= 1 + levels.shown.index(threshold)
        assert np.array_equal(np.where(reached, 1 + (seen >> 5 & 1), 0), reading.result.labels)
        assert (reading.network is reading.result) is False


def test_a_stale_change_never_overwrites_a_newer_one() -> None:
    study = studies()[0]
    frame = Frame.of(study)
    assert frame is not None
    revisions, result = Revisions(), empty(study)
    assert revisions.take(change(0, (0, 1, 2), number=7), study, frame, result)
    assert revisions.take(change(0, (0, 1, 2), number=7), study, frame, result), "repeated: it is in already"
    assert revisions.revision == 1
    assert not revisions.take(change(0, (0, 1, 3), number=8), study, frame, result), "from another window"
    assert revisions.corrections.labels.codes.tolist() == [1]
    revisions.replace(revisions.corrections)
    assert not revisions.take(change(1, (0, 1, 3), number=9), study, frame, result)
    assert revisions.take(change(2, (0, 1, 3), number=10), study, frame, result)
    assert revisions.unsaved


@pytest.mark.parametrize(
    "asked",
    [
        None,
        {"number": 1},
        {"number": 1, "base": 0, "runs": None},
        {"number": 1, "base": 0, "runs": "not base64!"},
        {"number": 1, "base": 0, "runs": packed((0, 1, 7))},  # no such code
        {"number": 1, "base": 0, "runs": packed((209, 2, 1))},  # one voxel beside the frame
        {"number": 1, "base": 0, "runs": packed(*[(0, 210, 1)] * 160_000)},  # more than 33 million voxels
        {"number": 1, "base": 0, "runs": packed((0, 1, 1))[:-4]},
    ],
)
def test_what_does_not_fit_is_refused(asked: Any) -> None:
    study = studies()[0]
    frame = Frame.of(study)
    assert frame is not None
    revisions = Revisions()
    with pytest.raises(infnet.InfNetError, match="load the page anew"):
        revisions.take(asked, study, frame, empty(study))
    assert revisions.revision == 0


def test_no_runs_are_no_voxels() -> None:
    voxels, codes = unpack(packed(), (1, 2, 3))
    assert len(voxels) == len(codes) == 0
    assert Layer().set(voxels, codes).voxels.dtype == np.int64
