"""Tables as the pages and the demo show them: columns of text."""

from __future__ import annotations

from collections.abc import Callable

from app.core import units
from infnet.measure.statistics import Load, Region, SliceStatistics, Statistics
from infnet.study import LUNG_NAMES


def regions(statistics: Statistics | SliceStatistics) -> dict[str, Region]:
    """The lungs and the total, by heading."""
    return {LUNG_NAMES[side].capitalize(): region for side, region in statistics.by_lung.items()} | {
        "Total": statistics.total
    }


def loads(region: Region) -> dict[str, Load]:
    """The load of each class and of both in a region, by heading."""
    return {heading: region.by_class[code] for code, heading in units.SHORT.items()} | {"Both": region.lesion}


def by_lung(statistics: Statistics | SliceStatistics, amount: Callable[[Load], str]) -> dict[str, list[str]]:
    """Columns by heading: the lungs and the total, then the load of each class and of both, with its share."""
    rows = [loads(region) for region in regions(statistics).values()]
    cells = {h: [f"{amount(row[h])} ({units.percent(row[h])})" for row in rows] for h in rows[0]}
    return {"": list(regions(statistics)), **cells}
