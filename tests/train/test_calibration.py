"""Calibration, thresholds and false positives by hand-computed numbers."""

from __future__ import annotations

import numpy as np
import pytest

from infnet.geometry.affine import axial_affine
from infnet.study import Segmentation, Study
from train.calibration import by_threshold, false_positives, reliability

P = np.array([[0.05, 0.05, 0.05, 0.05], [0.95, 0.95, 0.55, 1.0]], np.float32)
TRUE = np.array([[0, 0, 0, 1], [1, 1, 0, 1]], bool)


def test_calibration_error_is_the_weighted_distance_of_probability_and_share():
    found = reliability([P], [TRUE], [np.ones_like(TRUE)])
    # Bins: 4 pixels at 0.05 of which 1/4 is infection; 1 at 0.55, none; 3 at (0.95 + 0.95 + 1) / 3, all.
    assert found["ece"] == pytest.approx((4 * 0.2 + 0.55 + 3 * (1 - 2.9 / 3)) / 8, abs=1e-4)
    assert [row["pixels"] for row in found["bins"]] == [4, 0, 0, 0, 0, 1, 0, 0, 0, 3]
    assert found["bins"][0] == {"probability": 0.05, "infection": 0.25, "pixels": 4}


def test_pixels_elsewhere_and_several_slices_take_part_as_they_should():
    inside = np.zeros_like(TRUE)
    inside[1, :2] = True
    assert reliability([P], [TRUE], [inside])["ece"] == pytest.approx(0.05, abs=1e-4)
    twice = reliability([P, P], [TRUE, TRUE], [np.ones_like(TRUE)] * 2)
    assert twice["ece"] == reliability([P], [TRUE], [np.ones_like(TRUE)])["ece"]


def test_pooled_dice_at_each_threshold():
    found = by_threshold([P], [TRUE])
    assert found["0.50"] == pytest.approx(2 * 3 / (4 + 4), abs=1e-4)
    assert found["0.60"] == pytest.approx(2 * 3 / (3 + 4), abs=1e-4)
    assert list(found) == sorted(found)


def test_false_positives_count_slices_with_lung_in_square_millimetres():
    labels = np.zeros((4, 5, 5), np.uint8)
    labels[1, 0, :3] = 1
    labels[2, 0, 0] = 2
    lungs = np.ones_like(labels)
    lungs[0] = 0
    study = Study(np.zeros(labels.shape, np.int16), axial_affine((5.0, 0.5, 2.0)))
    found = false_positives(study, Segmentation(labels, labels.astype(np.float32), lungs))
    assert found == {"slices": 3, "median": 1.0, "percentile_95": 2.8, "largest": 3.0}
