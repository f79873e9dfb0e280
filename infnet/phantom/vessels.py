"""Branching trees that fill a lung: arteries with their bronchi, and veins; and how a tube is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEP = 7.0  # mm between the nodes of a branch
TWIG, MURRAY, TRUNK = 0.48, 2.45, 5.5  # radius of a twig in mm, exponent of its growth to the root, largest radius

Window = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Tree:
    """Segments start -> end, (n, 3) as x, y, z in mm of the body, and their radii (n,) in mm."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    radius: NDArray[np.float64]


def grow(rng: np.random.Generator, root: tuple[float, float, float], targets: NDArray[np.float64]) -> Tree:
    """Join `targets` (n, 3) to `root`, nearest first, each to the node that it prolongs best."""
    order = np.argsort(((targets - root) ** 2).sum(1))
    room = 1 + sum(int(np.linalg.norm(t - root) / STEP) + 2 for t in targets)
    nodes, headings = np.zeros((room, 3)), np.zeros((room, 3))
    parents, leaves = np.full(room, -1), np.zeros(room)
    nodes[0], used = root, 1
    for target in targets[order]:
        step = target - nodes[:used]
        length = np.linalg.norm(step, axis=1) + 1e-6
        forward = (step * headings[:used]).sum(1) / length
        at = int(np.argmin(length * (1.5 - 0.6 * forward)))
        pieces = max(int(length[at] / STEP), 1)
        # A branch leaves along its stem and bends toward its target.
        bend = nodes[at] + 0.45 * length[at] * (0.5 * headings[at] + 0.5 * step[at] / length[at])
        bend = bend + rng.normal(0, 0.05 * length[at], 3)
        for piece in range(1, pieces + 1):
            s = piece / pieces
            nodes[used] = (1 - s) ** 2 * nodes[at] + 2 * s * (1 - s) * bend + s * s * target
            parents[used] = at if piece == 1 else used - 1
            heading = nodes[used] - nodes[parents[used]]
            headings[used] = heading / (np.linalg.norm(heading) + 1e-6)
            used += 1
        leaves[used - 1] = 1
    for node in range(used - 1, 0, -1):
        leaves[parents[node]] += leaves[node]
    joined = parents[1:used]
    radius = np.minimum(TWIG * leaves[1:used] ** (1 / MURRAY), TRUNK)
    return Tree(nodes[joined], nodes[1:used], radius)


def draw(
    z: NDArray[Any],
    y: NDArray[Any],
    x: NDArray[Any],
    start: NDArray[Any],
    end: NDArray[Any],
    radius: float,
    reach: float,
    slab: float,
    paint: Callable[[Window, NDArray[np.float32]], None],
) -> None:
    """Call `paint(window, distance)` with the distance in mm to the segment's surface, negative inside.

    z, y, x: mm of slices, rows, columns, each rising. `reach`: mm round the surface that is wanted. `slab`: share of
    the slice's thickness over which a tube beside the slice's centre still shows.
    """
    thick = min(float(z[1] - z[0]), 6.0) * slab if len(z) > 1 else 3 * slab
    pad = radius + reach
    window, axes = [], []
    for values, axis, extra in ((z, 2, thick), (y, 1, 0.0), (x, 0, 0.0)):
        low, high = min(start[axis], end[axis]) - pad - extra, max(start[axis], end[axis]) + pad + extra
        first, last = int(np.searchsorted(values, low)), int(np.searchsorted(values, high))
        if first >= last:
            return
        window.append(slice(first, last))
        axes.append(values[first:last])
    dz, dy, dx = axes[0][:, None, None] - start[2], axes[1][:, None] - start[1], axes[2] - start[0]
    along = end - start
    s = np.clip((dz * along[2] + dy * along[1] + dx * along[0]) / max(float(along @ along), 1e-6), 0, 1)
    off = np.abs(dz - s * along[2])
    off = np.maximum(off - thick, 0)
    distance = np.sqrt(off**2 + (dy - s * along[1]) ** 2 + (dx - s * along[0]) ** 2)
    paint((window[0], window[1], window[2]), (distance - radius).astype(np.float32))
