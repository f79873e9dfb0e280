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
        """The orientation of an affine (index -> LPS mm), by the nearest axes; upright where there is no geometry."""
        if affine is None:
            return cls()
        directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        # Pick the assignment of patient axes (S, P, L) to source axes that is nearest over all, so an oblique
        # study never uses one axis twice.
        best = max(
            permutations(range(3)), key=lambda p: sum(abs(directions[w, a]) for w, a in zip((2, 1, 0), p, strict=True))
        )
        flips = tuple(bool(directions[w, a] < 0) for w, a in zip((2, 1, 0), best, strict=True))
        return cls(best, flips)  # type: ignore[arg-type]  # permutations have no length for mypy

    def apply(self, volume: NDArray[Any]) -> NDArray[Any]:
        """A view of `volume` (slice, row, column of the source) turned upright."""
        return volume.transpose(self.axes)[self._flipped]

    def undo(self, volume: NDArray[Any]) -> NDArray[Any]:
        """The undo of `apply`: a view of the upright `volume` on its source grid."""
        return volume[self._flipped].transpose(tuple(int(a) for a in np.argsort(self.axes)))

    @property
    def _flipped(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)

    def spacing(self, spacing: tuple[float, float, float]) -> tuple[float, float, float]:
        """Source spacing (slice, row, column) in the upright order."""
        return spacing[self.axes[0]], spacing[self.axes[1]], spacing[self.axes[2]]
