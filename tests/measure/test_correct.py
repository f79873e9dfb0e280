"""Corrections by a person: exactly the voxels that were named, at any threshold, and what the numbers say of them."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from infnet.errors import GeometryError
from infnet.export.methods import methods
from infnet.export.table import summary, write_csv
from infnet.geometry.affine import axial_affine
from infnet.measure.correct import KEEP, Corrections, Layer, as_corrections, corrected
from infnet.measure.statistics import measure
from infnet.measure.thresholds import reread
from infnet.study import Segmentation, Study

SHAPE = (4, 10, 12)
ML = 2 * 3 * 5 / 1000


def found() -> tuple[Study, Segmentation]:
    """A lung of 200 voxels with 12 of ground glass (probability 0.6) in slice 1 and 4 of consolidation in slice 2."""
    study = Study(np.full(SHAPE, -600, np.int16), axial_affine((5.0, 3.0, 2.0)))
    lungs, probability, share = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.uint8)
    lungs[:, :5, :10] = 1
    probability[1, 1:4, 1:5] = 0.6
    probability[2, 1:3, 1:3] = 0.9
    share[2, 1:3, 1:3] = 255
    labels = ((probability >= 0.5) * (1 + (share > 127))).astype(np.uint8)
    return study, Segmentation(labels, probability, lungs, provenance={"threshold": 0.5}, consolidation=share)


def flat(*places: tuple[int, int, int]) -> np.ndarray:
    return np.array([np.ravel_multi_index(place, SHAPE) for place in places], np.int64)


def test_the_last_code_of_a_voxel_counts_and_keep_gives_it_back() -> None:
    layer = Layer().set(np.array([7, 3, 7]), np.array([1, 2, 0], np.uint8))
    assert (layer.voxels.tolist(), layer.codes.tolist()) == ([3, 7], [2, 0])
    layer = layer.set(np.array([5, 3]), np.array([1, KEEP], np.uint8))
    assert (layer.voxels.tolist(), layer.codes.tolist()) == ([5, 7], [1, 0])


def test_untouched_and_confirmed_results_are_the_networks_own() -> None:
    study, result = found()
    assert corrected(study, result, Corrections()) is result
    whole = as_corrections(result, result.labels)
    assert len(whole.voxels) == 16
    assert corrected(study, result, Corrections(whole)) is result
    statistics = measure(study, result)
    assert statistics.corrected is None
    assert "corrected_by_a_person" not in statistics.summary()
    assert "corrected_pixels" not in statistics.rows()[0]


def test_numbers_follow_and_those_of_the_network_stay(tmp_path: Path) -> None:
    study, result = found()
    drawn = Layer().set(
        flat((0, 0, 0), (0, 0, 1), (0, 9, 11), (1, 1, 1), (2, 1, 1), (1, 2, 2)),
        np.array([1, 2, 1, 0, 1, 1], np.uint8),  # two added in the lung, one beside it, one removed, one re-classed
    )
    lungs = Layer().set(flat((3, 0, 0)), np.array([2], np.uint8))
    by_hand = corrected(study, result, Corrections(drawn, lungs))
    assert by_hand.before is result
    differs = np.argwhere(by_hand.labels != result.labels).tolist()
    assert differs == [[0, 0, 0], [0, 0, 1], [0, 9, 11], [1, 1, 1], [2, 1, 1]]
    assert np.argwhere(by_hand.lungs != result.lungs).tolist() == [[3, 0, 0]]
    statistics = measure(study, by_hand)
    assert statistics.total.lesion.lesion_voxels == 16 + 3 - 1
    assert statistics.total.lesion.lesion_ml == pytest.approx((16 + 3 - 1) * ML)
    change, own = statistics.corrected, statistics.network
    assert change is not None
    assert own is not None
    assert (change.added, change.removed, change.reclassed, change.lung) == (3, 1, 1, 1)
    assert own == measure(study, result).total.lesion
    text = "by a person: 5 voxels, +0.09 / -0.03 ml, 1 of them to the other class, 1 voxel of the lungs"
    assert change.text == by_hand.provenance["corrected"] == text
    told = summary(study, by_hand, statistics)
    assert told["corrected_by_a_person"]["network"]["lesion_pixels"] == 16
    assert told["corrected_by_a_person"]["added_ml"] == pytest.approx(3 * ML)
    assert told["provenance"]["corrected"] == text
    assert f"The masks were corrected {text};" in methods(by_hand)
    rows = list(csv.DictReader(write_csv(tmp_path / "file", statistics).open()))
    assert [(r["corrected_pixels"], r["network_lesion_pixels"], r["lesion_pixels"]) for r in rows] == [
        ("3", "0", "3"),
        ("1", "12", "11"),
        ("1", "4", "4"),
        ("0", "0", "0"),
    ]


def test_corrections_stay_on_top_of_every_threshold() -> None:
    study, result = found()
    drawn = Corrections(Layer().set(flat((1, 1, 1), (1, 1, 2)), np.array([0, 1], np.uint8)))
    for threshold, left in ((0.3, 15), (0.7, 5)):  # the second voxel is kept where the network drops its lesion
        by_hand = corrected(study, reread(study, result, threshold), drawn)
        assert by_hand.labels[1, 1, 1] == 0
        assert by_hand.labels[1, 1, 2] == 1
        assert np.count_nonzero(by_hand.labels) == left
    mask = np.zeros(SHAPE, np.uint8)
    mask[3, 4, 4] = 2
    opened = Corrections(as_corrections(result, mask))
    for threshold in (0.2, 0.5, 0.95):
        assert np.array_equal(corrected(study, reread(study, result, threshold), opened).labels, mask)


def test_another_grid_is_refused() -> None:
    study, result = found()
    with pytest.raises(GeometryError, match="another grid"):
        corrected(study, result, Corrections(Layer(np.array([480]), np.array([1], np.uint8))))
    with pytest.raises(GeometryError, match="same grid"):
        as_corrections(result, result.labels[:2])


def test_without_millimetres_they_are_counted_in_pixels() -> None:
    study, result = found()
    loose = replace(study, affine=None, volumetric=False)
    by_hand = corrected(loose, result, Corrections(Layer(flat((0, 0, 0)), np.array([1], np.uint8))))
    assert by_hand.provenance["corrected"] == "by a person: 1 voxel, +1 / -0 px"
