"""The paper's metrics against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from infnet.measure.metrics import all_scores, dice, paper_scores, stretch


def square(top: int, left: int, side: int = 4, size: int = 10) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[top : top + side, left : left + side] = True
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
    for measure in (paper_scores, all_scores):
        with pytest.raises(ValueError, match="differ in shape"):
            measure(np.zeros((2, 2)), np.zeros((2, 3), bool))


def test_a_float32_map_of_8_bit_levels_reaches_its_own_levels():
    levels = np.arange(256).reshape(1, 256)
    truth = levels == 200
    found = (levels / 255).astype(np.float32)
    assert paper_scores(found, truth) == pytest.approx(paper_scores(levels, truth))
    # The one true pixel, of value 200/255, is found at the thresholds 0 .. 200.
    assert paper_scores(found, truth).sensitivity == pytest.approx(201 / 256)


# Structure, enhanced alignment and error by hand, on 10 x 10 pixels with a square of 16. At threshold 0 everything is
# foreground, less its mean 0 everywhere, so each pixel counts (0 + 1)^2 / 4; the sum is divided by 99.
EVERYTHING = 25 / 99


def test_all_six_of_a_perfect_map():
    truth = square(2, 3)
    scores = all_scores(truth.astype(float), truth)
    assert scores[:3] == paper_scores(truth.astype(float), truth)
    assert scores.structure == pytest.approx(1)
    assert scores.enhanced_alignment == pytest.approx((255 * 100 / 99 + EVERYTHING) / 256)
    assert scores.mae == 0


def test_all_six_of_a_shifted_square():
    truth, found = square(2, 2), square(2, 4)
    scores = all_scores(found.astype(float), truth)
    assert scores[:3] == paper_scores(found.astype(float), truth)
    # 84 pixels agree and count 1. In the 16 others 0.84 meets -0.16.
    wrong = (1 - 2 * 0.84 * 0.16 / (0.84**2 + 0.16**2)) ** 2 / 4
    assert scores.enhanced_alignment == pytest.approx((255 * (84 + 16 * wrong) / 99 + EVERYTHING) / 256)
    assert scores.mae == pytest.approx(0.16)
    # As objects: of 16 true pixels 8 are 1; of 84 others 76 are 0.
    inside = 2 * 0.5 / (0.5**2 + 1 + np.sqrt(16 * 0.25 / 15))
    m = 76 / 84
    outside = 2 * m / (m**2 + 1 + np.sqrt(84 * m * (1 - m) / 83))
    # As regions: the centroid of the truth parts the slice after row 5 and column 5. The left parts hold 3 columns of
    # the truth and 1 of the map, the right parts 1 of the truth and 3 of the map; the upper parts 3 rows, the lower 1.
    regions = 0.0
    for rows in (3, 1):
        x, y, both = 3 * rows / 25, rows / 25, rows / 25
        cov, var = both - x * y, x * (1 - x) + y * (1 - y)
        regions += 2 * 0.25 * 4 * x * y * cov / ((x**2 + y**2) * var)
    assert scores.structure == pytest.approx(0.5 * (0.16 * inside + 0.84 * outside) + 0.5 * regions)


def test_all_six_of_an_empty_map():
    scores = all_scores(np.zeros((10, 10)), square(2, 2))
    assert scores.structure == pytest.approx(0.5 * 0.84)  # right outside as an object, no likeness of regions
    assert scores.enhanced_alignment == pytest.approx(EVERYTHING)
    assert scores.mae == pytest.approx(0.16)


def test_all_six_of_a_full_map():
    scores = all_scores(np.ones((10, 10)), square(2, 2))
    assert scores.structure == pytest.approx(0.5 * 0.16)
    assert scores.enhanced_alignment == pytest.approx(EVERYTHING)
    assert scores.mae == pytest.approx(0.84)


def test_all_six_of_an_empty_truth():
    empty = np.zeros((10, 10), bool)
    scores = all_scores(square(2, 2).astype(float), empty)
    assert scores[:4] == pytest.approx((0, 0, 0, 0.84))
    assert scores.enhanced_alignment == pytest.approx(255 * 84 / 99 / 256)  # at threshold 0 no pixel is left
    assert scores.mae == pytest.approx(0.16)
    assert all_scores(np.zeros((10, 10)), empty).structure == 1


def test_all_six_of_a_full_truth():
    scores = all_scores(square(2, 2).astype(float), np.ones((10, 10), bool))
    assert scores.structure == pytest.approx(0.16)
    assert scores.enhanced_alignment == pytest.approx((255 * 16 + 100) / 99 / 256)
    assert scores.mae == pytest.approx(0.84)


def test_a_lesion_in_the_last_corner_has_a_structure():
    """The centroid then leaves three of the four regions without a pixel."""
    truth = np.zeros((6, 6), bool)
    truth[5, 5] = True
    assert all_scores(truth.astype(float), truth).structure == pytest.approx(1)


def test_a_flat_map_scores_the_same_in_single_and_double_precision():
    truth = square(2, 2)
    for grey in range(256):
        flat = np.full((10, 10), grey / 255)
        assert all_scores(flat.astype(np.float32), truth) == pytest.approx(all_scores(flat, truth), abs=1e-6)


Y, X = np.mgrid[:24, :30]
ELLIPSE = ((Y - 10) / 7) ** 2 + ((X - 15) / 5) ** 2 < 1
CONE = np.clip(255 - 12 * np.hypot(Y - 9, X - 17), 0, 255).round().astype(np.uint8)
STRIPES = ((7 * X * Y + 3 * X) % 256).astype(np.uint8)
STRIPES[0, :2] = 0, 255


@pytest.mark.parametrize(
    ("grey", "truth", "expected"),
    [
        (CONE, ELLIPSE, (0.536934, 0.418299, 0.407707)),
        (STRIPES, ELLIPSE, (0.362951, 0.406067, 0.458132)),
        (CONE, ELLIPSE & False, (0.506776, 0.505498, 0.493224)),
        (CONE, ELLIPSE | True, (0.493224, 0.495893, 0.506776)),
        (255 * square(2, 4).astype(np.uint8), square(2, 2), (0.546720, 0.862252, 0.160000)),
    ],
)
def test_structure_alignment_and_error_as_py_sod_metrics_computed_them(grey, truth, expected):
    """Figures of py_sod_metrics 1.6.2, which cannot be installed beside the numpy used here."""
    assert all_scores(grey / 255, truth)[3:] == pytest.approx(expected, abs=1e-6)


def test_structure_alignment_and_error_beside_py_sod_metrics():
    library = pytest.importorskip("py_sod_metrics", reason="py_sod_metrics is not installed")
    rng = np.random.default_rng(0)
    for _ in range(50):
        shape = rng.integers(5, 60, 2)
        truth = rng.random(shape) < rng.uniform(0, 1)
        grey = rng.integers(0, 256, shape).astype(np.uint8)
        grey.flat[:2] = 0, 255  # with other ranges the library loses levels to rounding
        measures = library.Smeasure(), library.Emeasure(), library.MAE()
        for measure in measures:
            measure.step(grey, (255 * truth).astype(np.uint8))
        s, e, mae = (measure.get_results() for measure in measures)
        expected = (s["sm"], e["em"]["curve"].mean(), mae["mae"])
        assert all_scores(grey / 255, truth)[3:] == pytest.approx(expected, abs=1e-9)


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
