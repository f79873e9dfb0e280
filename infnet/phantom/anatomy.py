"""The healthy chest, slice by slice: shapes in millimetres of a reference body, painted in HU.

x runs to the patient's left, y to the back, t along the body from 0 (upper abdomen) to 1 (shoulders).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEIGHT = 240.0  # mm of the reference body between t = 0 and t = 1
AIR, FAT, MUSCLE, BLOOD, LIVER, MARROW, CORTEX = -1000.0, -100.0, 52.0, 42.0, 60.0, 190.0, 820.0

Tube = tuple[tuple[tuple[float, float, float], ...], float, float]  # points (x, y, t), radius mm, HU

GREAT_VESSELS: tuple[Tube, ...] = (
    (((-8, -30, 0.42), (-18, -28, 0.56), (-16, -24, 0.70)), 15, BLOOD),  # ascending aorta
    (((-16, -24, 0.70), (2, -10, 0.745), (20, 10, 0.735), (27, 24, 0.69)), 12.5, BLOOD),  # arch
    (((27, 24, 0.69), (27, 30, 0.5), (22, 30, 0.2), (8, 24, -0.1)), 11.5, BLOOD),  # descending aorta
    (((16, -42, 0.46), (19, -36, 0.56), (26, -16, 0.60), (46, -4, 0.585)), 12, BLOOD),  # pulmonary trunk, left
    (((14, -22, 0.575), (-20, -10, 0.565), (-48, -6, 0.555)), 10, BLOOD),  # right pulmonary artery
    (((-32, -20, 0.42), (-28, -18, 0.72), (-28, -16, 0.95)), 8.5, BLOOD),  # superior vena cava
    (((-28, -24, 0.75), (10, -34, 0.80), (30, -22, 0.95)), 6, BLOOD),  # left brachiocephalic vein
    (((-6, -16, 0.74), (-18, -8, 1.05)), 6.5, BLOOD),  # brachiocephalic artery
    (((8, -6, 0.74), (20, -6, 1.05)), 4.2, BLOOD),  # left carotid
    (((19, 8, 0.74), (34, 4, 1.05)), 5, BLOOD),  # left subclavian
    (((-24, 0, 0.45), (26, 2, 0.45)), 15, BLOOD),  # left atrium
    (((-26, 2, -0.1), (-26, -4, 0.30)), 11, BLOOD),  # inferior vena cava
    (((5, 20, 1.05), (3, 22, 0.6), (10, 18, 0.2), (22, 0, 0.1)), 6.5, 35),  # oesophagus
)
AIRWAYS: tuple[Tube, ...] = (
    (((1, 3, 0.625), (0, 2, 0.8), (0, -8, 1.05)), 9, AIR + 10),  # trachea
    (((-3, 4, 0.635), (-20, 5, 0.575), (-38, 7, 0.54)), 6.2, AIR + 10),  # right main bronchus
    (((-38, 7, 0.545), (-42, 14, 0.42)), 5, AIR + 15),  # intermediate bronchus
    (((-30, 5, 0.565), (-54, 0, 0.60)), 3.8, AIR + 20),  # right upper lobe
    (((4, 4, 0.635), (24, 8, 0.575), (45, 10, 0.53)), 5.6, AIR + 10),  # left main bronchus
    (((46, 10, 0.535), (50, 22, 0.42)), 4.4, AIR + 15),  # left lower lobe
    (((44, 9, 0.54), (58, -8, 0.57)), 3.6, AIR + 20),  # left upper lobe
)


@dataclass(frozen=True)
class Build:
    """What differs from person to person: the chest's girth and depth, heart, domes, and the curve of the spine."""

    girth: float
    depth: float
    heart: tuple[float, float, float]
    domes: tuple[float, float]
    sway: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Build:
        u = rng.uniform(-1, 1, 8)
        return cls(
            1 + 0.02 * u[0],
            1 + 0.03 * u[1],
            (19 + 4 * u[2], -31 + 2 * u[3], 0.36 + 0.01 * u[4]),
            (0.37 + 0.02 * u[5], 0.32 + 0.02 * u[6]),
            3 * u[7],
        )


def ellipse(
    x: NDArray[Any], y: NDArray[Any], cx: float, cy: NDArray[Any] | float, a: float, b: float, turn: float = 0.0
) -> NDArray[Any]:
    """Level of an ellipse: below 1 inside. `turn`: radians from x toward y."""
    u, v = x - cx, y - cy
    if turn:
        u, v = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
    return (u / a) ** 2 + (v / b) ** 2


def rod(x: NDArray[Any], y: NDArray[Any], start: tuple[float, float], end: tuple[float, float]) -> NDArray[Any]:
    """Distance in mm to a straight line between two points of a slice."""
    along = (end[0] - start[0], end[1] - start[1])
    s = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / (along[0] ** 2 + along[1] ** 2), 0, 1)
    return np.hypot(x - start[0] - s * along[0], y - start[1] - s * along[1])


def taper(t: NDArray[Any] | float) -> NDArray[Any]:
    """Width of the chest's inside along the body: 1 below the hilum, 0 above the apex."""
    return np.sqrt(np.clip(1 - np.clip((np.asarray(t) - 0.42) / 0.55, 0, 1) ** 2.7, 1e-6, 1))


def cage(x: NDArray[Any], y: NDArray[Any], t: NDArray[Any] | float, build: Build) -> NDArray[Any]:
    """Level of the inside of the ribs: below 1 inside; distances along a ray scale with it."""
    s = taper(t)
    a, b = 130 * build.girth * (0.35 + 0.65 * s), 96 * build.depth * (0.35 + 0.65 * s)
    middle = -4 + 14 * (1 - s)
    level: NDArray[Any] = ((np.abs(x) / a) ** 2.35 + (np.abs(y - middle) / b) ** 2.35) ** (1 / 2.35)
    return level


def lung(x: NDArray[Any], y: NDArray[Any], t: NDArray[Any] | float, side: int, build: Build) -> NDArray[Any]:
    """Level of one pleural space (side -1 right, +1 left) before heart, vessels and diaphragm are taken out."""
    s = taper(t)
    across = side * x - (58 - 14 * (1 - s))
    back = y - (-6 + 18 * (1 - s))
    a = np.where(across > 0, 75, 56) * s
    b = np.where(back > 0, 95, 100) * s * build.depth
    level: NDArray[Any] = ((np.abs(across) / a) ** 2.2 + (np.abs(back) / b) ** 2.2) ** (1 / 2.2)
    level = np.maximum(level, cage(x, y, t, build))
    return level


def dome(x: NDArray[Any], y: NDArray[Any], side: int, build: Build) -> NDArray[Any]:
    """Height t of the diaphragm under one lung: a dome with a deep recess at the back."""
    u, v = (side * x - 50) / (76 if side < 0 else 72), (y + 16) / 86
    rim = 0.03 + 0.16 * np.clip(-v, 0, 1) + 0.10 * np.clip(-u, 0, 1)
    peak = build.domes[0 if side < 0 else 1]
    height: NDArray[Any] = rim + (peak - rim) * np.sqrt(np.clip(1 - u * u - v * v, 0, 1))
    return height


def heart(x: NDArray[Any], y: NDArray[Any], t: NDArray[Any] | float, build: Build) -> NDArray[Any]:
    """Level of the heart: an ellipsoid with its apex to the left and to the front."""
    cx, cy, ct = build.heart
    u, v = x - cx - 60 * (ct - t), y - cy
    turn = -0.55
    u, v = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
    level: NDArray[Any] = np.sqrt((u / 61) ** 2 + (v / 48) ** 2 + ((t - ct) / 0.21) ** 2)
    return level


def mediastinum(x: NDArray[Any], y: NDArray[Any], t: NDArray[Any] | float, build: Build) -> NDArray[np.bool_]:
    """Everything between the lungs but the great vessels: band, heart with its fat, hila, vertebrae."""
    s = taper(t)
    front = np.clip((y + 52) / 34, 0, 1)
    behind = np.clip((y - 8) / 30, 0, 1)
    low = np.clip((0.40 - t) / 0.2, 0, 1) * np.clip((-y - 20) / 40, 0, 1)
    wedge = 13 * np.clip((-y - 66) / 22, 0, 1) ** 1.5  # fat behind the breastbone
    half = 3 + 18 * front * front * (3 - 2 * front) - 9 * behind + wedge + 26 * low + 8 * (1 - s)
    band = np.abs(x - 3 - 0.10 * (y + 20)) < half
    hila = np.minimum(
        ellipse(x, y, -41, 2, 13, 17) + ((t - 0.53) / 0.10) ** 2,
        ellipse(x, y, 45, 4, 12, 16) + ((t - 0.54) / 0.09) ** 2,
    )
    spine = np.minimum(ellipse(x, y, 0, spine_y(t), 23, 19), ellipse(x, y, 0, spine_y(t) + 30, 20, 24))
    within: NDArray[np.bool_] = band | (hila < 1) | (heart(x, y, t, build) < 1.10) | (spine < 1)
    return within


def spine_y(t: NDArray[Any] | float) -> NDArray[Any]:
    """How far back the vertebral bodies lie, mm: the thoracic curve."""
    return 51 + 7 * np.sin(np.pi * np.clip((np.asarray(t) - 0.1) / 0.9, 0, 1))


def inside_lung(
    x: NDArray[Any], y: NDArray[Any], t: NDArray[Any] | float, side: int, build: Build, level: float = 1.0
) -> NDArray[np.bool_]:
    """Whether points lie in one lung, great vessels aside. `level` below 1 keeps away from the pleura."""
    within: NDArray[np.bool_] = (lung(x, y, t, side, build) < level) & (side * x > 0)
    above: NDArray[np.bool_] = t > dome(x, y, side, build) + 0.02 * (level < 1)
    return within & above & ~mediastinum(x, y, t, build)
