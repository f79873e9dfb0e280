"""The paper's metrics against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from infnet.metrics import dice, paper_scores, stretch


def square(top: int, left: int, side: int = 4, size: int = 10) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[top:top + side, left:left + side] = True
    return mask


def test_stretch_uses_the_maps_own_range():
    assert stretch(np.array([0.2, 0.4, 0.6])).tolist() == pytest.approx([0, 0.5, 1])
    assert stretch(np.array([0.3, 0.3])).tolist() == [0.3, 0.3]


def test_a_perfect_map():
    truth = square(2, 3)
    scores = paper_scores(truth.astype(float), truth)
    # At threshold 0 everything is foreground: Dice 2*16/(100+16), specificity 0. At the other 255 all is right.
    assert scores.dice == pytest.approx((255 + 32 / 116) / 256)
    assert scores.sensitivity == pytest.approx(1)
    assert scores.specificity == pytest.approx(255 / 256)


def test_a_shifted_square():
    truth, found = square(2, 2), square(2, 4)  # 8 of 16 pixels shared
    scores = paper_scores(found.astype(float), truth)
    assert scores.dice == pytest.approx((255 * 0.5 + 32 / 116) / 256)
    assert scores.sensitivity == pytest.approx((255 * 0.5 + 1) / 256)
    assert scores.specificity == pytest.approx(255 * (84 - 8) / 84 / 256)


def test_an_empty_map_is_not_stretched_and_hits_at_threshold_0_only():
    truth = square(2, 2)
    scores = paper_scores(np.zeros((10, 10)), truth)
    assert scores.dice == pytest.approx(32 / 116 / 256)
    assert scores.sensitivity == pytest.approx(1 / 256)
    assert scores.specificity == 0


def test_a_full_map_reaches_every_threshold():
    truth = square(2, 2)
    scores = paper_scores(np.ones((10, 10)), truth)
    assert scores.dice == pytest.approx(32 / 116)
    assert scores.sensitivity == pytest.approx(1)
    assert scores.specificity == 0


def test_an_empty_truth_counts_0():
    assert paper_scores(square(2, 2).astype(float), np.zeros((10, 10), bool)) == (0, 0, 0)


def test_a_full_truth_has_no_specificity():
    scores = paper_scores(np.ones((10, 10)), np.ones((10, 10), bool))
    assert scores.dice == pytest.approx(1)
    assert scores.specificity == 0


def test_thresholds_are_reached_with_equality():
    truth = np.array([[True, False]])
    # The false pixel's value is a threshold itself, 51/255: it counts at thresholds 0 .. 51, 52 of them.
    scores = paper_scores(np.array([[1.0, 0.2]]) * [[1, 1]], truth)
    # Stretching maps 0.2 to 0: it counts at threshold 0 only.
    assert scores.dice == pytest.approx((255 + 2 / 3) / 256)
    wider = paper_scores(np.array([[1.0, 51 / 255, 0.0]]), np.array([[True, False, False]]))
    assert wider.specificity == pytest.approx((0 + 51 * 0.5 + 204) / 256)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="differ in shape"):
        paper_scores(np.zeros((2, 2)), np.zeros((2, 3), bool))


@pytest.mark.parametrize(
    ("found", "truth", "expected"),
    [
        (square(2, 2), square(2, 2), 1.0),
        (square(2, 2), square(2, 4), 0.5),
        (square(0, 0), square(6, 6), 0.0),
        (np.zeros((10, 10), bool), square(2, 2), 0.0),
        (np.zeros((10, 10), bool), np.zeros((10, 10), bool), 1.0),
        (np.ones((10, 10), bool), square(2, 2), 32 / 116),
    ],
)
def test_plain_dice(found, truth, expected):
    assert dice(found, truth) == pytest.approx(expected)
