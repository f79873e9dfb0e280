"""Two dates of one patient: which slices belong together, and what has changed. Arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from infnet.geometry.box import extent
from infnet.geometry.grid import Grid, check_same
from infnet.measure.statistics import Load, Region, Statistics
from infnet.notices import Notice, warn
from infnet.study import CLASS_NAMES, LUNG_NAMES, Segmentation, Study

EDGE_SHARE = 0.02  # of the largest slice of lung, below which a slice counts as beside the lungs
TOTAL, LESION = "both lungs", "all lesion"
TWO_PATIENTS = warn(
    "two-patients",
    "The headers name two patients: a change from one to the other means nothing, unless one person goes by both.",
)


@dataclass(frozen=True)
class Extent:
    """Where the lungs of one study lie along its upright slices.

    slices: how many there are. low, high: the lower border of the lowest and the upper border of the highest slice
    with lung, in slices (slice k reaches from k - 0.5 to k + 0.5). step_mm: from slice to slice. centre_mm: centre of
    the box round the lungs, LPS. Both None where there is no geometry.
    """

    slices: int
    low: float
    high: float
    step_mm: float | None
    centre_mm: tuple[float, float, float] | None


@dataclass(frozen=True)
class Alignment:
    """Slices of a first study matched with those of a second by the boxes round the lungs.

    Only a shift and a scale along the body's axis. The scale allows for a deeper breath; it is wrong where one of the
    scans stops within the lungs.
    scale: height of the second lungs over that of the first, in mm, or in slices where `in_mm` is False. shift_mm: from
    the centre of the first lungs to that of the second, LPS; None where there are no millimetres.
    """

    first: Extent
    second: Extent
    scale: float
    in_mm: bool
    shift_mm: tuple[float, float, float] | None

    def slice_at(self, display_slice_of_first: int) -> int:
        """The upright slice of the second study that shows what this one of the first shows."""
        return _matched(display_slice_of_first, self.first, self.second)

    def slice_back(self, display_slice_of_second: int) -> int:
        """The upright slice of the first study that shows what this one of the second shows."""
        return _matched(display_slice_of_second, self.second, self.first)


@dataclass(frozen=True)
class Change:
    """One region and class at two dates. points: percentage points. None where ml or shares are not known."""

    region: str
    kind: str
    first_ml: float | None
    second_ml: float | None
    first_percent: float | None
    second_percent: float | None

    @property
    def ml(self) -> float | None:
        return None if self.first_ml is None or self.second_ml is None else self.second_ml - self.first_ml

    @property
    def points(self) -> float | None:
        if self.first_percent is None or self.second_percent is None:
            return None
        return self.second_percent - self.first_percent


@dataclass(frozen=True)
class TrendRow:
    """One region and class at one date. percent: of that region's lung."""

    label: str
    region: str
    kind: str
    ml: float | None
    percent: float | None


def align(first: tuple[Study, Segmentation], second: tuple[Study, Segmentation]) -> Alignment:
    """Match the slices of two studies by the lowest and highest slice with lung of each.

    Where a study has no lung, all its slices are taken. Raises GeometryError where a result is not its study's.
    """
    before, after = _extent(*first), _extent(*second)
    in_mm = before.step_mm is not None and after.step_mm is not None
    scale = (after.high - after.low) / (before.high - before.low)
    if before.step_mm is not None and after.step_mm is not None:
        scale *= after.step_mm / before.step_mm
    shift = None
    if before.centre_mm is not None and after.centre_mm is not None:
        x, y, z = (b - a for a, b in zip(before.centre_mm, after.centre_mm, strict=True))
        shift = (x, y, z)
    return Alignment(before, after, scale, in_mm, shift)


def two_patients(first: Study, second: Study) -> tuple[Notice, ...]:
    """A warning where both studies say whom they show and it is not the same; nothing where one does not say."""
    return (TWO_PATIENTS,) if first.patient and second.patient and first.patient != second.patient else ()


def change(first: Statistics, second: Statistics) -> tuple[Change, ...]:
    """What changed from the first date to the second: both lungs, right and left, each by all lesion and by class."""
    return tuple(
        Change(region, kind, before.lesion_ml, after.lesion_ml, before.involvement_percent, after.involvement_percent)
        for (region, kind, before), (_, _, after) in zip(_loads(first), _loads(second), strict=True)
    )


def trend(dates: Sequence[tuple[str, Statistics]]) -> tuple[TrendRow, ...]:
    """One row for each date (by its label, in the order given), region and class; for lines over time."""
    return tuple(
        TrendRow(label, region, kind, load.lesion_ml, load.involvement_percent)
        for label, statistics in dates
        for region, kind, load in _loads(statistics)
    )


def _loads(statistics: Statistics) -> list[tuple[str, str, Load]]:
    regions: dict[str, Region] = {TOTAL: statistics.total}
    regions |= {LUNG_NAMES[lung]: region for lung, region in statistics.by_lung.items()}
    return [
        (name, kind, load)
        for name, region in regions.items()
        for kind, load in ((LESION, region.lesion), *((CLASS_NAMES[c], load) for c, load in region.by_class.items()))
    ]


def _extent(study: Study, result: Segmentation) -> Extent:
    check_same(study, result)
    grid = Grid.of(study)
    lungs = grid.orientation.apply(result.lungs) > 0
    areas = lungs.sum((1, 2))
    inside = np.flatnonzero(areas > EDGE_SHARE * areas.max()) if areas.any() else np.arange(len(areas))
    centre = (len(lungs) - 1) / 2, (lungs.shape[1] - 1) / 2, (lungs.shape[2] - 1) / 2
    if (box := extent(lungs)) is not None:
        row, column = ((float(side.start) + float(side.stop - 1)) / 2 for side in box[1:])
        centre = (inside[0] + inside[-1]) / 2, row, column
    return Extent(
        slices=len(areas),
        low=float(inside[0]) - 0.5,
        high=float(inside[-1]) + 0.5,
        step_mm=grid.spacing[0] if grid.stacked else None,
        centre_mm=grid.millimetres(centre) if grid.stacked else None,
    )


def _matched(index: int, of: Extent, to: Extent) -> int:
    share = (index - of.low) / (of.high - of.low)
    matched = to.low + share * (to.high - to.low)
    return int(np.clip(np.floor(matched + 0.5), 0, to.slices - 1))
