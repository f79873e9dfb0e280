"""How a stored volume is turned upright, and back."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Orientation:
    """How a volume (slice, row, column) is turned upright: slices to the head, rows to the back, columns to the left.

    `axes`: which source axis becomes slice, row, column; `flips`: which of these then run backward.
    """

    axes: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)

    @classmethod
    def of(cls, affine: NDArray[np.float64] | None) -> Orientation:
        """The turn for an affine (index -> LPS mm), by the nearest axes; none where there is no geometry."""
        if affine is None:
            return cls()
        directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        # Pick the assignment of patient axes (S, P, L) to source axes that is nearest over all, so an oblique
        # study never uses one axis twice.
        best = max(
            permutations(range(3)), key=lambda p: sum(abs(directions[w, a]) for w, a in zip((2, 1, 0), p, strict=True))
        )
        flips = tuple(bool(directions[w, a] < 0) for w, a in zip((2, 1, 0), best, strict=True))
        return cls(best, flips)  # type: ignore[arg-type]

    def apply(self, volume: NDArray[Any]) -> NDArray[Any]:
        """A view of `volume` turned upright."""
        turned = volume.transpose(self.axes)
        return turned[tuple(slice(None, None, -1) if f else slice(None) for f in self.flips)]

    def undo(self, volume: NDArray[Any]) -> NDArray[Any]:
        """The upright `volume` back on its source grid."""
        unflipped = volume[tuple(slice(None, None, -1) if f else slice(None) for f in self.flips)]
        return unflipped.transpose(tuple(int(a) for a in np.argsort(self.axes)))

    def spacing(self, spacing: tuple[float, float, float]) -> tuple[float, float, float]:
        """Source spacing (slice, row, column) in the upright order."""
        return spacing[self.axes[0]], spacing[self.axes[1]], spacing[self.axes[2]]
