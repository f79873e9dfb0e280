"""Other thresholds on the probabilities that are stored with a result. No network runs, except for `mirrored`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from infnet.errors import GeometryError, InfNetError
from infnet.geometry.grid import Grid, check_same
from infnet.study import Segmentation, Study, check_threshold, label

if TYPE_CHECKING:
    from infnet.pipeline.models import Engines
    from infnet.pipeline.run import Progress

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
_NEIGHBOURS = np.ones((3, 3), bool)


@dataclass(frozen=True)
class InvolvementRange:
    """Lesion as a share of the lungs, percent, at each threshold.

    percents: one per threshold, of the result's own probabilities. flipped: the same of each further volume.
    low, high: the least and the most of all of them; None where there is no lung.
    """

    thresholds: tuple[float, ...]
    percents: tuple[float, ...]
    flipped: tuple[tuple[float, ...], ...]
    low: float | None
    high: float | None


def reread(study: Study, result: Segmentation, threshold: float, smallest_mm2: float = 0.0) -> Segmentation:
    """The result at another infection threshold, by its stored probabilities.

    threshold: LOWEST_THRESHOLD to below 1. smallest_mm2: lesions that are smaller in a slice (upright, 8 neighbours,
    both classes together) are dropped; counted in pixels where the study has no affine.
    Raises InfNetError for a threshold out of range and where the result did not keep what other thresholds need.
    """
    check_same(study, result)
    check_threshold(threshold)
    if result.consolidation is None:
        raise InfNetError("result: kept no share of consolidation; segment the study again to read it at a threshold")
    if not smallest_mm2 >= 0:
        raise InfNetError(f"smallest lesion {smallest_mm2}: below 0; give mm2 of 0 or more")
    grid = Grid.of(study)
    labels = np.zeros(result.labels.shape, np.uint8)
    probability, share, upright = (
        grid.orientation.apply(v) for v in (result.probability, result.consolidation, labels)
    )
    for k, (rows, columns) in grid.boxes(probability >= np.float32(threshold)):
        upright[k, rows, columns] = label(
            probability[k, rows, columns], share[k, rows, columns], threshold, result.consolidation_threshold
        )
        if smallest_mm2:
            _drop_small(upright[k, rows, columns], smallest_mm2 / (grid.pixel_mm2 or 1.0))
    unit = "smallest_pixels" if grid.pixel_mm2 is None else "smallest_mm2"
    facts = {k: v for k, v in result.provenance.items() if k not in ("smallest_pixels", "smallest_mm2")}
    facts |= {"threshold": float(threshold), unit: float(smallest_mm2)}
    return replace(result, labels=labels, provenance=facts)


def involvement_range(
    study: Study,
    result: Segmentation,
    thresholds: Sequence[float] = THRESHOLDS,
    flipped: Sequence[NDArray[np.float32]] | NDArray[np.float32] | None = None,
) -> InvolvementRange:
    """How far the involvement moves with the threshold, and with probabilities of mirrored runs.

    flipped: one further probability volume on the study's grid, or several, e.g. of `mirrored`.
    Raises InfNetError for a threshold out of range, GeometryError for volumes on another grid.
    """
    check_same(study, result)
    for threshold in thresholds:
        check_threshold(threshold)
    if flipped is None:
        further: list[NDArray[np.float32]] = []
    else:
        further = [flipped] if isinstance(flipped, np.ndarray) and flipped.ndim == 3 else list(flipped)
    for volume in further:
        if volume.shape != study.pixels.shape:
            raise GeometryError(f"probability {volume.shape} on a study {study.pixels.shape}; give it on the same grid")
    lung = result.lungs > 0
    size = int(np.count_nonzero(lung))
    if not size:
        return InvolvementRange(tuple(thresholds), (), (), None, None)

    def percents(probability: NDArray[np.float32]) -> tuple[float, ...]:
        inside = probability[lung]
        inside = inside[inside >= np.float32(min(thresholds))]
        return tuple(100 * int(np.count_nonzero(inside >= np.float32(t))) / size for t in thresholds)

    own, others = percents(result.probability), tuple(percents(v) for v in further)
    every = [*own, *(p for other in others for p in other)]
    return InvolvementRange(tuple(thresholds), own, others, min(every), max(every))


def mirrored(study: Study, engines: Engines | None = None, progress: Progress | None = None) -> NDArray[np.float32]:
    """Infection probability of the study mirrored left to right, mirrored back: float32 on the study's grid.

    Runs the networks, at the cost of another `segment`; engines and progress as there.
    """
    from infnet.pipeline.run import segment

    across = study.orientation.axes[2]  # the source axis that runs from side to side
    # The geometry stays: to the networks it is another patient, whose right lung has two lobes.
    result = segment(study.with_pixels(np.ascontiguousarray(np.flip(study.pixels, across))), engines, progress=progress)
    return np.ascontiguousarray(np.flip(result.probability, across))


def _drop_small(labels: NDArray[np.uint8], smallest_pixels: float) -> None:
    """Clear lesions of fewer pixels in place."""
    pieces, _ = ndimage.label(labels, _NEIGHBOURS)
    sizes = np.bincount(pieces.ravel())
    small = sizes < smallest_pixels - 1e-9
    small[0] = False
    if small.any():
        labels[small[pieces]] = 0
