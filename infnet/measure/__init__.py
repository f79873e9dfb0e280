"""Numbers of a segmented study. Arrays in, numbers out: no paths, no logging."""

from infnet.measure.statistics import Statistics, measure

__all__ = ["Statistics", "measure"]
