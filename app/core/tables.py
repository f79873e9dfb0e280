"""Tables as the pages and the demo show them: columns of text."""

from __future__ import annotations

from collections.abc import Callable

from app.core import units
from infnet.measure.statistics import Load, SliceStatistics, Statistics
from infnet.study import LUNG_NAMES


def by_lung(statistics: Statistics | SliceStatistics, amount: Callable[[Load], str]) -> dict[str, list[str]]:
    """Columns by heading: the lungs and the total, then the load of each class and of both, with its share."""
    regions = {LUNG_NAMES[side].capitalize(): region for side, region in statistics.by_lung.items()}
    regions["Total"] = statistics.total
    loads = {
        heading: [region.by_class[code] for region in regions.values()] for code, heading in units.SHORT.items()
    } | {"Both": [region.lesion for region in regions.values()]}
    cells = {
        heading: [f"{amount(load)} ({units.percent(load)})" for load in column] for heading, column in loads.items()
    }
    return {"": list(regions), **cells}
