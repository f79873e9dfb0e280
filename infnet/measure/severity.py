"""How much of each lung is diseased, in the five steps that readers use. An estimate from the masks, no reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infnet.measure.statistics import Statistics
from infnet.study import LEFT, RIGHT

LABELS = ("none", "below 5 %", "5 to 25 %", "25 to 50 %", "50 to 75 %", "75 % or more")
STEPS = (5.0, 25.0, 50.0, 75.0)  # percent from which the scores 2, 3, 4, 5 begin
HIGHEST = 5


@dataclass(frozen=True)
class Severity:
    """score: 0 to 5. label: the share of the lung that it stands for. percent: the involvement it was read from."""

    score: int
    label: str
    percent: float


@dataclass(frozen=True)
class StudySeverity:
    """Score of each lung (keys RIGHT, LEFT); None where that lung was not found."""

    by_lung: Mapping[int, Severity | None]
    highest: int = 2 * HIGHEST

    @property
    def total(self) -> int | None:
        """Sum of both lungs, 0 to `highest`; None where a lung was not found."""
        scores = [s.score for s in self.by_lung.values() if s is not None]
        return sum(scores) if len(scores) == len(self.by_lung) else None


def severity(involvement_percent: float) -> Severity:
    """Score of one lung: 0 none, 1 below 5 %, 2 below 25 %, 3 below 50 %, 4 below 75 %, 5 from there on.

    The steps are those of Pan et al., Radiology 295(3):715-721, 2020, after Chang et al., Radiology 236(3):1067-1075,
    2005. They leave open to which step 25 % and 75 % belong; here a step begins at its lower limit.
    Raises ValueError outside 0 to 100.
    """
    if not 0 <= involvement_percent <= 100:
        raise ValueError(f"involvement of {involvement_percent} %: a share lies between 0 and 100")
    score = 0 if involvement_percent == 0 else 1 + sum(involvement_percent >= step for step in STEPS)
    return Severity(score, LABELS[score], float(involvement_percent))


def study_severity(statistics: Statistics) -> StudySeverity:
    """Score of the right and left lung, and their sum of 0 to 10.

    The published total (Pan et al. 2020) adds the scores of the five lobes, 0 to 25. Lobes are not segmented here, so
    the same steps are used on whole lungs and added up, as Wong et al., Radiology 296(2):E72-E78, 2020, add up two
    lungs (0 to 4 each) on radiographs. The sum must not be compared with thresholds published for 25 points.
    """
    percents = {lung: statistics.by_lung[lung].lesion.involvement_percent for lung in (RIGHT, LEFT)}
    return StudySeverity({lung: None if p is None else severity(p) for lung, p in percents.items()})
