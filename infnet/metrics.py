"""Dice, sensitivity and specificity as Tables II to IV of the paper compute them, and the plain Dice.

Maps are (row, column) float in [0, 1]; truths are boolean of the same shape. Arrays in, numbers out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = np.linspace(0, 1, 256)


class PaperScores(NamedTuple):
    """Means over the 256 thresholds."""

    dice: float
    sensitivity: float
    specificity: float


def stretch(prediction: NDArray) -> NDArray[np.float64]:
    """Stretch a map to [0, 1] by its own minimum and maximum. Only the paper's metric does this."""
    p = prediction.astype(np.float64)
    low, high = p.min(), p.max()
    return (p - low) / (high - low) if high > low else p


def paper_scores(prediction: NDArray, truth: NDArray[np.bool_]) -> PaperScores:
    """Dice, sensitivity, specificity of the stretched map at 0, 1/255 ... 1 (foreground: map >= threshold), averaged.

    At a threshold without any true positive all three count 0.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"map {prediction.shape} and truth {truth.shape} differ in shape")
    level = np.searchsorted(THRESHOLDS, stretch(prediction), side="right") - 1  # highest threshold still reached
    level = np.clip(level, -1, 255)

    def reached(where: NDArray[np.bool_]) -> NDArray[np.float64]:
        counts = np.bincount(level[where] + 1, minlength=257)[1:]
        return counts[::-1].cumsum()[::-1].astype(np.float64)

    positives, negatives = float(truth.sum()), float((~truth).sum())
    tp, fp = reached(truth), reached(~truth)
    hit = tp > 0
    zero = np.zeros(256)
    dice = np.divide(2 * tp, tp + fp + positives, out=zero.copy(), where=hit)
    sensitivity = np.divide(tp, positives, out=zero.copy(), where=hit)
    specificity = np.divide(negatives - fp, negatives, out=zero.copy(), where=hit & (negatives > 0))
    return PaperScores(float(dice.mean()), float(sensitivity.mean()), float(specificity.mean()))


def dice(prediction: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """2 |A and B| / (|A| + |B|) of two masks of any shape; 1 where both are empty."""
    total = int(prediction.sum()) + int(truth.sum())
    return 2 * int((prediction & truth).sum()) / total if total else 1.0
