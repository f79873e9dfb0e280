"""The phantom's volume painted step by step: chest, lesions, vessels, and what a scanner makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from infnet.phantom import lesions
from infnet.phantom.anatomy import AIR, AIRWAYS, BLOOD, GREAT_VESSELS, HEIGHT, Build, Tube, inside_lung
from infnet.phantom.body import paint
from infnet.phantom.texture import Texture, ct_noise
from infnet.phantom.vessels import Tree, Window, draw, grow
from infnet.study import CONSOLIDATION, GGO, LEFT, RIGHT

SIDES = {RIGHT: -1, LEFT: 1}


@dataclass(frozen=True, eq=False)
class Canvas:
    """The volume in work: HU and lungs, and its axes in mm of the reference body."""

    hu: NDArray[np.float32]
    lungs: NDArray[np.uint8]
    z: NDArray[np.float32]
    y: NDArray[np.float32]
    x: NDArray[np.float32]
    pixel: float


def empty_canvas(slices: int, rows: int, columns: int, spacing: tuple[float, float, float]) -> Canvas:
    # The body is scaled to the field of view, up to a large adult, so that every grid shows a whole chest.
    scale = min(columns * spacing[2] / 358, rows * spacing[1] / 300, 1.15)
    x = (np.arange(columns, dtype=np.float32) - (columns - 1) / 2) * (spacing[2] / scale)
    y = (np.arange(rows, dtype=np.float32) - (rows - 1) / 2) * (spacing[1] / scale) + 8
    z = (np.arange(slices, dtype=np.float32) + 0.5) * (HEIGHT / slices)
    shape = (slices, rows, columns)
    return Canvas(np.empty(shape, np.float32), np.zeros(shape, np.uint8), z, y, x, min(spacing[1:]) / scale)


def grow_trees(rng: np.random.Generator, build: Build) -> list[tuple[Tree, Tree]]:
    """Artery and vein tree of each lung."""
    pairs = []
    for side in SIDES.values():
        grown = []
        for count, root in ((600, (44.0 * side, 0.0, 0.55)), (420, (36.0 * side, 6.0, 0.46))):
            points = rng.uniform((0, -110, 0.03), (134, 95, 0.97), (9000, 3)) * (side, 1, 1)
            free = inside_lung(points[:, 0], points[:, 1], points[:, 2], side, build, level=0.95)
            grown.append(grow(rng, (root[0], root[1], root[2] * HEIGHT), points[free][:count] * (1, 1, HEIGHT)))
        pairs.append((grown[0], grown[1]))
    return pairs


def _segments(tubes: tuple[Tube, ...]) -> list[tuple[NDArray[Any], NDArray[Any], float, float]]:
    scale = np.array([1, 1, HEIGHT])
    return [
        (np.array(a) * scale, np.array(b) * scale, radius, hu)
        for points, radius, hu in tubes
        for a, b in pairwise(points)
    ]


def paint_chest(canvas: Canvas, build: Build, textures: dict[str, Texture]) -> None:
    """Wall, organs and great vessels, then the lungs in what is left."""
    x, y = canvas.x[None, :], canvas.y[:, None]
    taken = np.zeros(canvas.hu.shape, bool)
    for k, z in enumerate(canvas.z):
        planes, bulk, grain = (textures[n].slice(float(z)) for n in ("planes", "bulk", "grain"))
        canvas.hu[k], _ = paint(x, y, float(z) / HEIGHT, build, planes, bulk, grain)
    for start, end, radius, hu in _segments(GREAT_VESSELS + AIRWAYS):

        def fill(window: Window, distance: NDArray[Any], hu: float = hu) -> None:
            local = canvas.hu[window]
            local[(distance < (1.6 if hu < -500 else 0)) & (local < 100)] = 35 if hu < -500 else hu
            taken[window] |= distance < 2.5

        draw(canvas.z, canvas.y, canvas.x, start, end, radius, 3.0, 0.1, fill)
    for start, end, radius, hu in _segments(AIRWAYS):

        def hollow(window: Window, distance: NDArray[Any], hu: float = hu) -> None:
            canvas.hu[window][distance < 0] = hu

        draw(canvas.z, canvas.y, canvas.x, start, end, radius, 1.0, 0.1, hollow)
    for k, z in enumerate(canvas.z):
        t = float(z) / HEIGHT
        rough, fine, grain = (textures[n].slice(float(z)) for n in ("rough", "fine", "grain"))
        tissue = -888 + 0.36 * (y + 90) + 8 * rough + 9 * fine + 13 * grain
        # The oblique fissures: a faint sheet that rises toward the back.
        fissure = np.abs(y - 10 + 150 * (0.52 - t) + 0.002 * x * x + 2 * rough)
        tissue = tissue + 80 * np.exp(-((fissure / 1.1) ** 2))
        for code, side in SIDES.items():
            lung = inside_lung(x, y, t, side, build) & ~taken[k]
            canvas.lungs[k][lung] = code
        lung = canvas.lungs[k] > 0
        canvas.hu[k][lung] = tissue[lung]


def paint_lesions(
    canvas: Canvas,
    spots: list[lesions.Spot],
    textures: dict[str, Texture],
    labels: NDArray[np.uint8],
    count: int,
    dense: int,
) -> None:
    """Mark exactly `count` voxels, `dense` of them consolidation, and cloud the lung there with soft edges."""
    lung = canvas.lungs > 0
    disease, consolidated, speckle, web = [], [], [], []
    for k, z in enumerate(canvas.z):
        row, column = np.nonzero(lung[k])
        rough, fine, grain = (textures[n].slice(float(z))[row, column] for n in ("rough", "fine", "grain"))
        both, dense_only = lesions.fields(spots, canvas.x[column], canvas.y[row], float(z), rough, fine)
        disease.append(both)
        consolidated.append(dense_only)
        speckle.append(0.6 * fine + 0.8 * grain)
        web.append(np.exp(-((grain / 0.22) ** 2)))
    field, inner = np.concatenate(disease), np.concatenate(consolidated)
    lesion, threshold = lesions.highest(field, count)
    solid = np.zeros(len(field), bool)
    solid[np.flatnonzero(lesion)[lesions.highest(inner[lesion], dense)[0]]] = True
    labels[lung] = np.where(solid, CONSOLIDATION, np.where(lesion, GGO, 0)).astype(np.uint8)
    if not count:
        return
    hu = canvas.hu[lung]
    cloud = lesions.edge(field, threshold, 0.13)
    glass = -725 + 125 * np.clip(field - threshold, 0, 1.6) + 70 * np.concatenate(speckle) + 105 * np.concatenate(web)
    hu = hu + cloud * (glass - hu)
    if dense:
        limit = float(inner[solid].min())
        firm = lesions.edge(inner, limit, 0.2) * np.clip(2 * cloud - 0.6, 0, 1)
        firm = np.where(solid, np.maximum(firm, 0.9), np.minimum(firm, 0.4)).astype(np.float32)
        hu = hu + firm * (30 + 14 * np.concatenate(speckle) - hu)
    canvas.hu[lung] = hu


def paint_vessels(canvas: Canvas, trees: list[tuple[Tree, Tree]], labels: NDArray[np.uint8]) -> None:
    """Arteries and veins, and beside the arteries the bronchi, which stay open inside consolidation."""
    soft = max(canvas.pixel, 0.6)

    def vessel(window: Window, distance: NDArray[Any], bright: float) -> None:
        local = canvas.hu[window]
        cover = bright * np.clip(0.5 - distance / soft, 0, 1) * ((local < BLOOD) & (canvas.lungs[window] > 0))
        local += cover * (BLOOD - local)

    def bronchus(window: Window, distance: NDArray[Any]) -> None:
        local = canvas.hu[window]
        within = canvas.lungs[window] > 0
        rim = np.clip(0.5 - (distance - 0.8) / soft, 0, 1) * (within & (local < -300))
        local += rim * (-350 - local)
        local += np.clip(0.5 - distance / soft, 0, 1) * within * (AIR + 40 - local)

    def open_airway(window: Window, distance: NDArray[Any]) -> None:
        local = canvas.hu[window]
        cover = np.clip(0.5 - distance / soft, 0, 1) * (labels[window] == CONSOLIDATION)
        local += cover * (AIR + 120 - local)

    for artery, vein in trees:
        for tree in (artery, vein):
            for start, end, radius in zip(tree.start, tree.end, tree.radius, strict=True):
                # A twig fills only part of a voxel.
                bright = min(0.12 + float(radius) / 2.0, 1.0)
                draw(canvas.z, canvas.y, canvas.x, start, end, float(radius), soft, 0.3, partial(vessel, bright=bright))
        for start, end, radius in zip(artery.start, artery.end, artery.radius, strict=True):
            if radius < 0.95:
                continue
            shift = np.array([0.7, -0.7, 0]) * (1.75 * radius + 0.6)
            wide = radius > 1.9
            draw(
                canvas.z,
                canvas.y,
                canvas.x,
                start + shift,
                end + shift,
                float(0.75 * radius if wide else 0.9),
                1.5,
                0.15,
                bronchus if wide else open_airway,
            )


def scan(canvas: Canvas, rng: np.random.Generator, noise_hu: float) -> NDArray[np.int16]:
    """Blur as a scanner does, add its noise, and round to whole HU."""
    pixels = np.empty(canvas.hu.shape, np.int16)
    middle = np.exp(-((canvas.x[None, :] / 130) ** 2) - (canvas.y[:, None] / 100) ** 2)
    for k in range(len(canvas.z)):
        image = gaussian_filter(canvas.hu[k], max(0.55 / canvas.pixel, 0.5), truncate=3)
        grain = ct_noise(rng, image.shape, canvas.pixel)
        spread = noise_hu * np.clip(0.55 + 0.6 * middle, 0, None) * (0.85 + 0.15 * (image > -500))
        pixels[k] = np.clip(np.rint(image + spread * grain), -1024, 3071).astype(np.int16)
    return pixels
