"""Smooth random fields in millimetres, and the noise of a CT image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array

SPLINE_SPREAD = 0.33  # standard deviation of white noise after cubic B-spline smoothing along three axes


def _spline_weights(position: NDArray[Any], count: int) -> NDArray[np.float32]:
    """Cubic B-spline weights (position, lattice) of positions in lattice units, 1 <= position < count - 2."""
    distance = np.abs(position[:, None] - np.arange(count)[None])
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    return np.where(distance < 1, near, far).astype(np.float32)


class Texture:
    """A smooth random field of zero mean and about unit spread, sampled slice by slice.

    The lattice is fixed in millimetres of the body, so one seed shows the same field on every grid.
    """

    def __init__(
        self, rng: np.random.Generator, step: float, x: NDArray[Any], y: NDArray[Any], height: float = 240.0
    ) -> None:
        """`step`: mm between independent values; `x`, `y`: mm of columns and rows; `height`: mm along the body."""
        half = 200.0
        count, deep = int(2 * half / step) + 5, int(height / step) + 6
        self.lattice = rng.standard_normal((deep, count, count), np.float32) / SPLINE_SPREAD
        self.step = step
        # Four weights a pixel: sparse products are quicker here than dense ones, and take one core.
        self.across = csr_array(_spline_weights(np.clip((x.ravel() + half) / step + 1, 1, count - 2.01), count))
        self.down = csr_array(_spline_weights(np.clip((y.ravel() + half) / step + 1, 1, count - 2.01), count))

    def slice(self, z: float) -> NDArray[np.float32]:
        """The field (row, column) at height `z` mm."""
        deep = len(self.lattice)
        weights = _spline_weights(np.array([np.clip(z / self.step + 1, 1, deep - 2.01)]), deep)[0]
        used = np.flatnonzero(weights)
        plane = sum(weights[k] * self.lattice[k] for k in used)
        field: NDArray[np.float32] = self.down @ np.ascontiguousarray((self.across @ plane.T).T)
        return field


def ct_noise(rng: np.random.Generator, shape: tuple[int, int], pixel_mm: float) -> NDArray[np.float32]:
    """Noise (row, column) of unit spread with the grain of filtered back-projection: little at low frequencies."""
    white = rng.standard_normal(shape, np.float32)
    fine = max(0.55 / pixel_mm, 0.45)
    grain = gaussian_filter(white, fine, truncate=3) - gaussian_filter(white, 3 * fine, truncate=2)
    noise: NDArray[np.float32] = grain / max(float(grain.std()), 1e-6)
    return noise
