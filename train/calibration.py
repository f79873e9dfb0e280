"""Whether probabilities mean what they say, which threshold is best, and what is marked where nothing is. Arrays in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.study import Segmentation, Study

BINS = 10  # of the reliability diagram
THRESHOLDS = np.arange(0.2, 0.85, 0.05).round(2)


def reliability(
    maps: Sequence[NDArray[np.float32]], truths: Sequence[NDArray[np.bool_]], where: Sequence[NDArray[np.bool_]]
) -> dict[str, Any]:
    """Reliability diagram and expected calibration error of the pixels `where`, all slices together.

    Bins of equal width; of each the mean probability, the share that is infection, and its pixels. The error is the
    mean distance of the two, weighted by pixels (Guo et al., ICML 2017).
    """
    counts, probabilities, hits = np.zeros(BINS), np.zeros(BINS), np.zeros(BINS)
    for probability, true, inside in zip(maps, truths, where, strict=True):
        p = probability[inside].astype(np.float64)
        bins = np.minimum((p * BINS).astype(int), BINS - 1)
        counts += np.bincount(bins, minlength=BINS)
        probabilities += np.bincount(bins, p, minlength=BINS)
        hits += np.bincount(bins, true[inside], minlength=BINS)
    filled = counts > 0
    mean, share = (np.divide(v, counts, out=np.zeros(BINS), where=filled) for v in (probabilities, hits))
    error = float((np.abs(mean - share) * counts).sum() / max(counts.sum(), 1))
    rows = zip(mean.round(4).tolist(), share.round(4).tolist(), counts.astype(int).tolist(), strict=True)
    return {
        "ece": round(error, 4),
        "bins": [dict(zip(("probability", "infection", "pixels"), row, strict=True)) for row in rows],
    }


def pooled(maps: Sequence[NDArray[np.float32]], truths: Sequence[NDArray[np.bool_]], threshold: float) -> float:
    """Dice of all slices taken as one picture."""
    both = sum(int(((m >= threshold) & t).sum()) for m, t in zip(maps, truths, strict=True))
    sizes = sum(int((m >= threshold).sum()) + int(t.sum()) for m, t in zip(maps, truths, strict=True))
    return round(2 * both / max(sizes, 1), 4)


def by_threshold(maps: Sequence[NDArray[np.float32]], truths: Sequence[NDArray[np.bool_]]) -> dict[str, float]:
    """Pooled Dice at each of THRESHOLDS."""
    return {f"{threshold:.2f}": pooled(maps, truths, float(threshold)) for threshold in THRESHOLDS}


def false_positives(study: Study, result: Segmentation) -> dict[str, float]:
    """Marked area of the slices that hold lung, in the square of the study's millimetres: none is infected."""
    held = result.lungs.any((1, 2))
    areas = np.count_nonzero(result.labels, axis=(1, 2))[held] * study.pixel_area_mm2
    return spread_of(areas)


def spread_of(areas: NDArray[Any]) -> dict[str, float]:
    """Count, median, 95th percentile and maximum of the areas marked on slices, in the unit of the areas."""
    return {
        "slices": len(areas),
        "median": round(float(np.median(areas)), 1),
        "percentile_95": round(float(np.percentile(areas, 95)), 1),
        "largest": round(float(areas.max()), 1),
    }
