"""How a result is read: at which thresholds, with which millimetres, and the numbers that follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

import infnet
from app.core import units
from infnet import weights
from infnet.measure.correct import Corrections, corrected
from infnet.measure.statistics import Statistics, measure
from infnet.measure.thresholds import reread
from infnet.notices import NO_MILLIMETRES, without
from infnet.study import CLASS_NAMES

PLANES = ("Axial", "Coronal", "Sagittal")


@dataclass(frozen=True)
class Settings:
    """What the user may set about the reading of a result.

    threshold: the probability from which a pixel is lesion; None for the network's own. smallest: the smallest lesion
    of a slice that counts, mm2 or pixels. mm: millimetres per pixel of a loose picture; None where nobody gave them.
    name: what the study is called in files; None for its neutral name.
    """

    threshold: float | None = None
    smallest: float = 0
    mm: float | None = None
    name: str | None = None


@dataclass(frozen=True, eq=False)
class Reading:
    """A study with its millimetres, its result at `threshold`, and the numbers of both.

    result: as a person has corrected it, at any threshold. token: the run that made it (`Job.token`); with `settings`
    and `revision`, that of the corrections, it tells one reading from every other.
    """

    study: infnet.Study
    result: infnet.Segmentation
    statistics: Statistics
    threshold: float
    settings: Settings = Settings()
    token: int = 0
    revision: int = 0

    @property
    def key(self) -> tuple[int, Settings, int]:
        """What caches know it by."""
        return self.token, self.settings, self.revision

    @property
    def network(self) -> infnet.Segmentation:
        """The result without anybody's corrections."""
        return self.result.before or self.result

    @property
    def corrected(self) -> str:
        """What a person has changed, beside what the networks found; "" where nobody has."""
        change, own = self.statistics.corrected, self.statistics.network
        if change is None or own is None:
            return ""
        return f"Corrected {change.text}. The network's own: {units.amount(own)}, {units.percent(own)}."

    @property
    def slices(self) -> int:
        """How many upright slices there are."""
        return len(self.study.orientation.apply(self.result.labels))

    @cached_property
    def worst(self) -> int | None:
        """The upright slice with the most lesion, from 0; None without any lesion."""
        return worst_slice(lesion_loads(self.study, self.result.labels))


def read(
    study: infnet.Study,
    result: infnet.Segmentation,
    settings: Settings | None = None,
    token: int = 0,
    corrections: tuple[Corrections, int] | None = None,
) -> Reading:
    """The result of a study as `settings` want it read, with corrections of this revision; no network runs."""
    settings = settings or Settings()
    default = default_threshold(result)
    threshold = default if settings.threshold is None else settings.threshold
    if settings.name is not None:
        study = replace(study, name=settings.name)
    if settings.mm:
        study = study.with_spacing(settings.mm, settings.mm)
        # The result still says what was true when it was made.
        result = replace(result, notices=without(result.notices, NO_MILLIMETRES))
    if threshold != default or settings.smallest:
        result = reread(study, result, threshold, settings.smallest)
    by_hand, revision = corrections or (Corrections(), 0)
    result = corrected(study, result, by_hand)
    return Reading(study, result, measure(study, result), threshold, settings, token, revision)


def lesion_loads(study: infnet.Study, labels: NDArray[np.uint8], plane: str = "Axial") -> NDArray[np.int64]:
    """Lesion pixels of each upright slice of a plane, (slice, class)."""
    upright = study.orientation.apply(labels)
    across = tuple(axis for axis in range(3) if axis != PLANES.index(plane))
    return np.stack([np.count_nonzero(upright == code, axis=across) for code in CLASS_NAMES], axis=1)


def worst_slice(loads: NDArray[np.int64]) -> int | None:
    """The slice with the most lesion, from 0, of loads (slice, class); None without any lesion."""
    return int(loads.sum(1).argmax()) if loads.any() else None


def default_threshold(result: infnet.Segmentation) -> float:
    """The probability from which the networks that made a result call a pixel lesion."""
    return float(result.provenance.get("threshold", 0.5))


def infection_network(result: infnet.Segmentation) -> str | None:
    """The name of the infection network that made a result."""
    name = result.provenance.get("models", {}).get("infection", {}).get("name")
    return None if name is None else str(name)


def other_networks(result: infnet.Segmentation) -> list[str]:
    """Infection networks of the registry, but for the one that made this result."""
    own = infection_network(result)
    return [name for name, entry in weights.registry().items() if entry.role == "infection" and name != own]
