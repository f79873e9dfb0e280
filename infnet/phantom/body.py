"""Paint one slice of the healthy chest: wall, bones, abdomen, mediastinum, table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.phantom.anatomy import (
    AIR,
    BLOOD,
    CORTEX,
    FAT,
    HEIGHT,
    LIVER,
    MARROW,
    MUSCLE,
    Build,
    cage,
    dome,
    ellipse,
    heart,
    mediastinum,
    rod,
    spine_y,
    taper,
)

Slice = NDArray[np.float32]


def outline(x: NDArray[Any], y: NDArray[Any], t: float) -> Slice:
    """Depth under the skin in mm along the ray from the middle; negative outside."""
    shoulder = np.clip((t - 0.66) / 0.3, 0, 1)
    shoulder = shoulder * shoulder * (3 - 2 * shoulder)
    a, b, middle = 159 + 17 * shoulder, 120 - 34 * shoulder + 3 * np.clip(0.2 - t, 0, 1), -4 + 14 * shoulder
    v = y - middle
    power = 2.25
    level = ((np.abs(x) / a) ** power + (np.abs(v) / b) ** power) ** (1 / power)
    furrow = np.where(v > 0, 5 * np.exp(-((x / 16) ** 2)), 3 * np.exp(-((x / 22) ** 2)))
    r = np.hypot(x, v)
    depth: Slice = r / np.maximum(level, 1e-3) - r - furrow
    return depth


def bone(hu: Slice, level: NDArray[Any], marrow: float, cortex: float, rim: float) -> None:
    """Fill level < 1 with marrow and its outer `rim` (in level) with cortex."""
    hu[level < 1] = cortex
    hu[level < 1 - rim] = marrow


def wall(hu: Slice, x: NDArray[Any], y: NDArray[Any], t: float, depth: Slice, planes: Slice, bulk: Slice) -> None:
    """Skin, fat and the muscles with the fat between them."""
    hu[depth > 0] = 5
    hu[depth > 2.2] = FAT - 5
    flank = np.clip(np.abs(x) / 150, 0, 1) ** 2
    muscle = depth > 8 + 7 * flank + 3.5 * bulk + 5 * np.clip(0.25 - t, 0, 1) / 0.25
    hu[muscle] = MUSCLE
    hu[muscle & (np.abs(planes) < 0.16)] = FAT + 30


def shoulder_girdle(hu: Slice, x: NDArray[Any], y: NDArray[Any], t: float) -> None:
    """Scapulae, collar bones and the heads of the upper arms."""
    side = np.abs(x)
    if t > 0.5:
        rise = min((t - 0.5) / 0.4, 1.0)
        blade = rod(side, y, (72 + 8 * rise, 84 - 12 * rise), (112 + 12 * rise, 62 - 24 * rise))
        bone(hu, blade / (2.6 + 2.2 * rise), MARROW + 150, CORTEX, 0.45)
        if t > 0.66:
            bone(hu, rod(side, y, (112, 54), (132, 62 - 24 * rise)) / 3.6, MARROW + 100, CORTEX, 0.4)
    if t > 0.86:
        slope = (t - 0.86) / 0.14
        inner, outer = (20 + 40 * slope, -56 + 6 * slope), (60 + 60 * slope, -50 + 14 * slope)
        bone(hu, rod(side, y, inner, outer) / 6, MARROW, CORTEX, 0.3)
    if t > 0.9:
        bone(hu, np.sqrt(ellipse(side, y, 146, 14, 20, 21)), MARROW + 60, CORTEX, 0.14)


def ribs(hu: Slice, x: NDArray[Any], y: NDArray[Any], t: float, build: Build) -> None:
    """Ribs run down from the spine to the front, so a slice cuts several of each side, at a slant."""
    s = float(taper(t))
    middle = -4 + 14 * (1 - s)
    level = cage(x, y, t, build)
    r = np.hypot(x, y - middle)
    out = r - r / np.maximum(level, 1e-3)
    intercostal = (out > 0) & (out < 10)
    hu[intercostal] = MUSCLE - 4
    hu[(out > 0) & (out < 1.4)] = FAT + 70
    turn = np.arctan2(np.abs(x), y - middle) / np.pi  # 0 at the spine, 1 at the breastbone
    drop = 128 * np.clip(turn, 0, 0.8) ** 1.1 - 60 * np.clip(turn - 0.8, 0, 1)
    along = np.mod(t * HEIGHT + drop + np.where(x > 0, 1.5, 0), 25.0) - 12.5
    core = np.sqrt(((out - 5.6) / 3.9) ** 2 + (along / 6.8) ** 2)
    core = np.where((turn < 0.09) & (np.abs(x) < 26), 2.0, core)
    bony = turn < 0.80
    bone(hu, np.where(bony, core, 2), MARROW + 30, CORTEX, 0.30)
    hu[(core < 0.95) & ~bony & (t < 0.8)] = 110


def spine(hu: Slice, x: NDArray[Any], y: NDArray[Any], t: float, build: Build, grain: Slice) -> None:
    """A vertebra or a disc, the canal, the arch with its processes, and the muscles beside them."""
    z = t * HEIGHT
    cx, cy = build.sway * np.sin(3 * t), float(spine_y(t))
    u = x - cx
    side = np.abs(u)
    erector = ellipse(side, y, 25, cy + 31, 23, 12.5) < 1
    hu[erector] = MUSCLE + 4
    phase = np.mod(z, 25.0)
    size = 1.0 - 0.12 * t
    body = np.sqrt(ellipse(u, y, 0, cy, 18.5 * size, 15 * size))
    # The back of a vertebral body is hollowed by the canal.
    body = np.maximum(body, 1 - (np.hypot(u, y - cy - 23.5) - 10.5) / 20)
    if phase < 5:
        hu[body < 1] = 95
    else:
        bone(hu, body, MARROW - 10, CORTEX - 260, 0.10)
        hu[body < 0.9] += 28 * grain[body < 0.9]
    if phase > 7:
        pedicle = rod(side, y, (11, cy + 8), (12.5, cy + 24)) / (4.6 if phase < 19 else 3.0)
        bone(hu, pedicle, MARROW + 80, CORTEX - 150, 0.35)
        wing = rod(side, y, (12, cy + 23), (31, cy + 29)) / 4.6
        if phase < 20:
            bone(hu, wing, MARROW + 40, CORTEX - 150, 0.32)
    lamina = rod(side, y, (12, cy + 26), (1, cy + 35)) / 3.4
    bone(hu, lamina, MARROW + 120, CORTEX - 80, 0.4)
    bone(hu, rod(u, y, (0, cy + 35), (0, cy + (43 if phase > 10 else 39))) / 2.9, MARROW + 100, CORTEX - 120, 0.4)
    hu[ellipse(u, y, 0, cy + 23.5, 8.6, 7.6) < 1] = 22
    hu[ellipse(u, y, 0, cy + 23.5, 5.2, 4.4) < 1] = 38


def breastbone(hu: Slice, x: NDArray[Any], y: NDArray[Any], t: float, build: Build) -> None:
    """Sternum: narrow below, wide at the manubrium."""
    if not 0.24 < t < 0.88:
        return
    s = float(taper(t))
    front = -4 + 14 * (1 - s) - 96 * build.depth * (0.35 + 0.65 * s) - 5
    width = 13 + 9 * np.clip((t - 0.62) / 0.12, 0, 1)
    level = (np.abs(x / width) ** 3 + np.abs((y - front - 0.006 * x * x) / 5.2) ** 3) ** (1 / 3)
    bone(hu, level, MARROW - 70, CORTEX - 300, 0.2)


def abdomen(
    hu: Slice, x: NDArray[Any], y: NDArray[Any], t: float, build: Build, planes: Slice, bulk: Slice, grain: Slice
) -> None:
    """Liver, stomach with its gas, and spleen, each below its dome."""
    within = cage(x, y, t, build) < 0.985
    right, left = dome(x, y, -1, build), dome(x, y, 1, build)
    under = within & (t < np.maximum(np.maximum(right, left), 0.12))
    if not under.any():
        return
    hu[under] = FAT - 4
    reach = 22 + 30 * np.clip(-(y + 5) / 70, 0, 1) ** 1.5 - 0.010 * np.clip(y + 5, 0, None) ** 2 + 4 * bulk
    liver = under & (x < reach)
    hu[liver] = LIVER
    hu[liver & (np.abs(planes) < 0.10) & (bulk > -0.6)] = LIVER - 16  # hepatic veins
    stomach = ellipse(x, y, 62, -16, 42, 40, 0.5)
    hu[under & (stomach < 1.0) & ~liver] = 40
    content = under & (stomach < 0.84) & ~liver
    hu[content] = 22 + 14 * grain[content]
    hu[content & (y < -34)] = AIR + 60
    spleen = under & (ellipse(x, y, 88, 36, 34, 26, -0.9) < 1) & (stomach > 1.06)
    hu[spleen] = 52


def inside(hu: Slice, x: NDArray[Any], y: NDArray[Any], t: float, build: Build, planes: Slice, bulk: Slice) -> None:
    """Fill the cage, then the mediastinal fat and the heart."""
    within = cage(x, y, t, build) < 1
    hu[within] = FAT + 100 + 45 * np.clip(bulk[within], -1.5, 1.2)
    between = within & mediastinum(x, y, t, build)
    hu[between] = FAT + 12 + 22 * np.clip(bulk[between], -1, 1)
    hu[between & (planes > 1.1) & (t > 0.45)] = MUSCLE - 25  # lymph nodes, thymus
    level = heart(x, y, t, build)
    hu[level < 1] = BLOOD
    groove = (np.abs(level - 0.93) < 0.035) & (bulk > 0.5)
    hu[groove] = FAT + 40


def table(hu: Slice, x: NDArray[Any], y: NDArray[Any]) -> None:
    """The couch: a hollow shell that bends up at its sides, and the thin mat on it."""
    top = 118 - x * x / 900
    hu[np.abs(y - top - 2.5) < 2.2] = -880
    for sink, hardness in ((6.5, -120.0), (28.0, -60.0)):
        hu[np.abs(y - (118 + sink - x * x / (900 + 12 * sink))) < 1.3] = hardness


def paint(
    x: NDArray[Any], y: NDArray[Any], t: float, build: Build, planes: Slice, bulk: Slice, grain: Slice
) -> tuple[Slice, NDArray[np.bool_]]:
    """One slice (row, column) in HU without lungs and great vessels; and where the body is."""
    hu = np.full(np.broadcast_shapes(x.shape, y.shape), AIR, np.float32)
    table(hu, x, y)
    depth = outline(x, y, t)
    wall(hu, x, y, t, depth, planes, bulk)
    shoulder_girdle(hu, x, y, t)
    inside(hu, x, y, t, build, planes, bulk)
    abdomen(hu, x, y, t, build, planes, bulk, grain)
    ribs(hu, x, y, t, build)
    breastbone(hu, x, y, t, build)
    spine(hu, x, y, t, build, grain)
    return hu, depth > 0
