"""The measures of the paper's Tables II to IV, and the plain Dice.

Maps are (row, column) float in [0, 1]; truths are boolean of the same shape. Arrays in, numbers out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVELS = 256  # thresholds 0, 1/255 ... 1
EPS = float(np.spacing(1.0))  # added to denominators as in the published code of the structure measure
Map = NDArray[np.float64]
Mask = NDArray[np.bool_]


class PaperScores(NamedTuple):
    """Means over the 256 thresholds."""

    dice: float
    sensitivity: float
    specificity: float


class Scores(NamedTuple):
    """The six columns of Table II: the first three and enhanced alignment are means over the 256 thresholds."""

    dice: float
    sensitivity: float
    specificity: float
    structure: float
    enhanced_alignment: float
    mae: float


class _Counts(NamedTuple):
    """Pixels of a stretched map at each of the 256 thresholds: true and false positives."""

    true: Map
    false: Map
    positives: int
    size: int


def stretch(prediction: NDArray[Any]) -> Map:
    """Stretch a map to [0, 1] by its own range, as the paper's measures alone do; a flat map stays as it is."""
    p = prediction.astype(np.float64)
    low, high = p.min(), p.max()
    return (p - low) / (high - low) if high > low else p


def paper_scores(prediction: NDArray[Any], truth: Mask) -> PaperScores:
    """Dice, sensitivity, specificity of the stretched map at 0, 1/255 ... 1 (foreground: map >= threshold), averaged.

    At a threshold without any true positive all three count 0. Raises ValueError where the shapes differ.
    """
    return _paper_scores(_count(_stretched(prediction, truth), truth))


def all_scores(prediction: NDArray[Any], truth: Mask) -> Scores:
    """The six measures of Table II for one slice, on the stretched map, the way the authors' figures were computed.

    Structure measure S_alpha, alpha = 0.5 (Fan et al., ICCV 2017); enhanced-alignment measure E_phi, mean over the 256
    binary maps (Fan et al., IJCAI 2018); mean absolute error. Raises ValueError where the shapes differ.
    """
    stretched = _stretched(prediction, truth)
    counts = _count(stretched, truth)
    return Scores(
        *_paper_scores(counts),
        structure=_structure(stretched, truth),
        enhanced_alignment=float(_enhanced_alignment(counts).mean()),
        mae=float(np.abs(stretched - truth).mean()),
    )


def dice(prediction: Mask, truth: Mask) -> float:
    """2 |A and B| / (|A| + |B|) of two masks of any shape; 1 where both are empty."""
    total = int(prediction.sum()) + int(truth.sum())
    return 2 * int((prediction & truth).sum()) / total if total else 1.0


def _stretched(prediction: NDArray[Any], truth: Mask) -> Map:
    if prediction.shape != truth.shape:
        raise ValueError(f"map {prediction.shape} and truth {truth.shape} differ in shape")
    return stretch(prediction)


def _count(stretched: Map, truth: Mask) -> _Counts:
    # The highest threshold that a pixel still reaches. The margin is for k/255 stored in float32, which must reach k.
    level = np.clip(np.floor(stretched * (LEVELS - 1) + 1e-4).astype(np.int64), -1, LEVELS - 1)

    def reached(where: Mask) -> Map:
        counts = np.bincount(level[where] + 1, minlength=LEVELS + 1)[1:]
        return counts[::-1].cumsum()[::-1].astype(np.float64)

    return _Counts(reached(truth), reached(~truth), int(truth.sum()), truth.size)


def _paper_scores(counts: _Counts) -> PaperScores:
    tp, fp, positives, size = counts
    negatives = size - positives
    hit = tp > 0
    zero = np.zeros(LEVELS)
    dice = np.divide(2 * tp, tp + fp + positives, out=zero.copy(), where=hit)
    sensitivity = np.divide(tp, positives, out=zero.copy(), where=hit)
    specificity = np.divide(negatives - fp, negatives, out=zero.copy(), where=hit & (negatives > 0))
    return PaperScores(float(dice.mean()), float(sensitivity.mean()), float(specificity.mean()))


def _enhanced_alignment(counts: _Counts) -> Map:
    """E_phi at each threshold: how well map and truth, each less its own mean, agree in every pixel.

    Pixels of one kind (true or false, positive or negative) share one value. As published, the sum is divided by the
    number of pixels less one.
    """
    tp, fp, positives, size = counts
    above = tp + fp  # pixels of the map at or above the threshold
    if positives in (0, size):
        total = above if positives else size - above
    else:
        in_map, in_truth = above / size, positives / size
        kinds = (
            (tp, 1 - in_map, 1 - in_truth),
            (fp, 1 - in_map, -in_truth),
            (positives - tp, -in_map, 1 - in_truth),
            (size - above - positives + tp, -in_map, -in_truth),
        )
        total = np.sum([n * (2 * a * b / (a * a + b * b) + 1) ** 2 / 4 for n, a, b in kinds], axis=0)
    return total / max(size - 1, 1)


def _structure(stretched: Map, truth: Mask) -> float:
    """S_alpha: half how alike lesion and background are as objects, half how alike the regions round the lesion are."""
    share = float(truth.mean())
    if share in (0, 1):
        return float(stretched.mean() if share else 1 - stretched.mean())
    objects = share * _object(stretched[truth]) + (1 - share) * _object(1 - stretched[~truth])
    return max(0.0, 0.5 * objects + 0.5 * _regions(stretched, truth))


def _object(values: Map) -> float:
    """How bright and even the values are where all should be 1."""
    mean = float(values.mean())
    spread = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return 2 * mean / (mean**2 + 1 + spread + EPS)


def _regions(stretched: Map, truth: Mask) -> float:
    """Similarity in the four quarters round the centroid of the truth, weighted by their areas."""
    rows, columns = truth.shape
    row, column = (int(c) + 1 for c in np.argwhere(truth).mean(0).round())
    total = 0.0
    for quarter in (np.s_[:row, :column], np.s_[:row, column:], np.s_[row:, :column], np.s_[row:, column:]):
        if truth[quarter].size:  # a centroid on the last row or column leaves quarters empty
            total += truth[quarter].size / (rows * columns) * _similarity(stretched[quarter], truth[quarter])
    return total


def _deviation(x: Map) -> Map:
    """x less its mean; 0 where x is flat, which rounding of the mean would hide."""
    return x - x.mean() if x.min() < x.max() else np.zeros_like(x)


def _similarity(x: Map, y: Mask) -> float:
    """SSIM without its constants: 4 mean(x) mean(y) cov(x, y) / ((mean(x)^2 + mean(y)^2) (var(x) + var(y)))."""
    mean_x, mean_y = float(x.mean()), float(y.mean())
    dx, dy, n = _deviation(x), y - mean_y, x.size - 1 + EPS
    above = 4 * mean_x * mean_y * float((dx * dy).sum() / n)
    below = (mean_x**2 + mean_y**2) * float((dx**2).sum() / n + (dy**2).sum() / n)
    if above != 0:
        return above / (below + EPS)
    return 1.0 if below == 0 else 0.0
