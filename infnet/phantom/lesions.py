"""Ground-glass opacity and consolidation of a given number of voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.phantom.anatomy import HEIGHT, Build, inside_lung, lung, taper


@dataclass(frozen=True)
class Spot:
    """One patch: middle in mm (x, y, z), the direction of the pleura, radii along normal, pleura and body."""

    centre: tuple[float, float, float]
    normal: float
    radii: tuple[float, float, float]
    strength: float
    core: float

    def level(self, x: NDArray[Any], y: NDArray[Any], z: float) -> NDArray[Any]:
        """Squared distance in radii."""
        u, v = x - self.centre[0], y - self.centre[1]
        n, p = u * np.cos(self.normal) + v * np.sin(self.normal), v * np.cos(self.normal) - u * np.sin(self.normal)
        # A patch follows the curve of the pleura.
        n = n + p * p / 150
        across, along, up = self.radii
        squared: NDArray[Any] = (n / across) ** 2 + (p / along) ** 2 + ((z - self.centre[2]) / up) ** 2
        return squared


def spots(rng: np.random.Generator, build: Build, count: int = 9) -> list[Spot]:
    """Patches as COVID-19 places them: in both lungs, near the pleura, mostly low and at the back."""
    chosen: list[Spot] = []
    while len(chosen) < count:
        side = 1 if len(chosen) % 2 else -1
        low = len(chosen) < count - 2
        t = rng.uniform(0.2, 0.52) if low else rng.uniform(0.45, 0.75)
        turn = rng.uniform(0.05, 1.25) if low else rng.uniform(-1.0, 0.9)  # 0 lateral, pi / 2 toward the back
        s = float(taper(t))
        middle = np.array([side * (58 - 14 * (1 - s)), -6 + 18 * (1 - s)])
        ray = np.array([side * np.cos(turn), np.sin(turn)])
        out = np.arange(0, 110, 1.0)
        points = middle[None] + out[:, None] * ray[None]
        reach = out[lung(points[:, 0], points[:, 1], t, side, build) < 1]
        if not len(reach):
            continue
        at = middle + (reach.max() - rng.uniform(3, 9)) * ray
        if not inside_lung(np.array([at[0]]), np.array([at[1]]), np.array([t]), side, build).all():
            continue
        radii = (rng.uniform(8, 16), rng.uniform(12, 27), rng.uniform(10, 18))
        chosen.append(
            Spot(
                (float(at[0]), float(at[1]), t * HEIGHT),
                float(np.arctan2(ray[1], ray[0])),
                radii,
                rng.uniform(0.0, 0.7),
                rng.uniform(-0.8, 0.5),
            )
        )
    return chosen


def fields(
    where: list[Spot], x: NDArray[Any], y: NDArray[Any], z: float, rough: NDArray[Any], fine: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Log strength of disease and of consolidation at points (n,) of one slice: higher is more diseased."""
    best = np.full(x.shape, -60.0, np.float32)
    core = best.copy()
    for spot in where:
        level = spot.level(x, y, z)
        reach = spot.strength - 0.5 * level
        np.maximum(best, reach, out=best)
        np.maximum(core, spot.core + 0.8 * spot.strength - 0.8 * level, out=core)
    disease = best + 0.40 * rough + 0.22 * fine
    consolidated = core + 0.5 * rough - 0.55 * fine
    return disease.astype(np.float32), consolidated.astype(np.float32)


def highest(field: NDArray[np.float32], count: int) -> tuple[NDArray[np.bool_], float]:
    """Mark the `count` highest values of a flat field, exactly; and the value of the lowest of them."""
    chosen = np.zeros(field.shape, bool)
    if not count:
        return chosen, np.inf
    index = np.argpartition(field, len(field) - count)[len(field) - count :]
    chosen[index] = True
    return chosen, float(field[index].min())


def edge(field: NDArray[np.float32], threshold: float, width: float) -> NDArray[np.float32]:
    """1 well inside a lesion, 0.5 at its border, 0 outside."""
    share: NDArray[Any] = 1 / (1 + np.exp(np.clip((threshold - field) / width, -30, 30)))
    return share.astype(np.float32, copy=False)
