"""A synthetic chest CT in HU with known lungs and lesions: for tests, the demo and benchmarks. Nobody's data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from infnet.errors import GeometryError
from infnet.geometry.affine import axial_affine
from infnet.phantom import lesions
from infnet.phantom.anatomy import AIR, AIRWAYS, BLOOD, GREAT_VESSELS, HEIGHT, Build, Tube, inside_lung
from infnet.phantom.body import paint
from infnet.phantom.dicom import write_dicom
from infnet.phantom.texture import Texture, ct_noise
from infnet.phantom.vessels import Tree, Window, draw, grow
from infnet.study import CONSOLIDATION, GGO, LEFT, RIGHT, Study

__all__ = ["Phantom", "chest", "write_dicom"]

USUAL_SHARE = 0.06  # of the lungs that is diseased where no volume is asked for
SIDES = {RIGHT: -1, LEFT: 1}


@dataclass(frozen=True, eq=False)
class Phantom:
    """A study and its truth on one grid (slice, row, column).

    lungs: uint8, 0 none, 1 right, 2 left. labels: uint8, 0 background, 1 GGO, 2 consolidation.
    """

    study: Study
    lungs: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class _Canvas:
    """The volume in work: HU and lungs, and its axes in mm of the reference body."""

    hu: NDArray[np.float32]
    lungs: NDArray[np.uint8]
    z: NDArray[np.float32]
    y: NDArray[np.float32]
    x: NDArray[np.float32]
    pixel: float


def chest(
    slices: int = 40,
    rows: int = 256,
    columns: int = 256,
    spacing: tuple[float, float, float] = (5.0, 1.4, 1.4),
    seed: int = 0,
    lesion_ml: float | None = None,
    *,
    healthy: bool = False,
    consolidation: float = 0.2,
    noise_hu: float = 20.0,
) -> Phantom:
    """Make an upright axial chest from the upper abdomen to the shoulders that fills the grid; one seed, one chest.

    spacing: mm between slices, rows, columns. lesion_ml: GGO and consolidation together, met by the nearest whole
    number of voxels; None takes 6 % of the lungs. consolidation: its share of the lesion voxels. noise_hu: spread of
    the noise in soft tissue, HU. Raises GeometryError where the grid is too small or the lesions do not fit.
    """
    if min(slices, rows, columns) < 1 or min(rows, columns) < 32 or not min(spacing) > 0:
        raise GeometryError(f"phantom: {slices} x {rows} x {columns} voxels of {spacing} mm; give at least 1 x 32 x 32")
    rng = np.random.default_rng(seed)
    build = Build.draw(rng)
    canvas = _canvas(slices, rows, columns, spacing)
    trees = _trees(rng, build)
    spots = lesions.spots(rng, build)
    textures = {
        name: Texture(rng, step, canvas.x, canvas.y)
        for name, step in (("planes", 20.0), ("bulk", 14.0), ("rough", 13.0), ("fine", 5.0), ("grain", 3.0))
    }
    _paint_chest(canvas, build, textures)
    labels = np.zeros(canvas.lungs.shape, np.uint8)
    if not healthy:
        voxel = float(np.prod(spacing)) / 1000
        lung_voxels = int(np.count_nonzero(canvas.lungs))
        count = round(USUAL_SHARE * lung_voxels) if lesion_ml is None else round(lesion_ml / voxel)
        if not 0 <= count <= lung_voxels // 2:
            raise GeometryError(
                f"phantom: {lesion_ml} ml of lesion do not fit {lung_voxels * voxel:.0f} ml of lung; "
                "give at most half of the lung, or a larger grid"
            )
        _paint_lesions(canvas, spots, textures, labels, count, round(consolidation * count))
    _paint_vessels(canvas, trees, labels)
    pixels = _scan(canvas, rng, noise_hu)
    origin = (-spacing[2] * (columns - 1) / 2, -spacing[1] * (rows - 1) / 2, 0.0)
    study = Study(
        pixels,
        axial_affine(spacing, origin),
        name=f"phantom-{seed}",
        volumetric=slices > 1,
        source={"format": "phantom", "modality": "CT", "seed": seed},
    )
    return Phantom(study, canvas.lungs, labels)


def _canvas(slices: int, rows: int, columns: int, spacing: tuple[float, float, float]) -> _Canvas:
    # The body is scaled to the field of view, up to a large adult, so that every grid shows a whole chest.
    scale = min(columns * spacing[2] / 358, rows * spacing[1] / 300, 1.15)
    x = (np.arange(columns, dtype=np.float32) - (columns - 1) / 2) * (spacing[2] / scale)
    y = (np.arange(rows, dtype=np.float32) - (rows - 1) / 2) * (spacing[1] / scale) + 8
    z = (np.arange(slices, dtype=np.float32) + 0.5) * (HEIGHT / slices)
    shape = (slices, rows, columns)
    return _Canvas(np.empty(shape, np.float32), np.zeros(shape, np.uint8), z, y, x, min(spacing[1:]) / scale)


def _trees(rng: np.random.Generator, build: Build) -> list[tuple[Tree, Tree]]:
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


def _paint_chest(canvas: _Canvas, build: Build, textures: dict[str, Texture]) -> None:
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


def _paint_lesions(
    canvas: _Canvas,
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


def _paint_vessels(canvas: _Canvas, trees: list[tuple[Tree, Tree]], labels: NDArray[np.uint8]) -> None:
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


def _scan(canvas: _Canvas, rng: np.random.Generator, noise_hu: float) -> NDArray[np.int16]:
    """Blur as a scanner does, add its noise, and round to whole HU."""
    pixels = np.empty(canvas.hu.shape, np.int16)
    middle = np.exp(-((canvas.x[None, :] / 130) ** 2) - (canvas.y[:, None] / 100) ** 2)
    for k in range(len(canvas.z)):
        image = gaussian_filter(canvas.hu[k], max(0.55 / canvas.pixel, 0.5), truncate=3)
        grain = ct_noise(rng, image.shape, canvas.pixel)
        spread = noise_hu * np.clip(0.55 + 0.6 * middle, 0, None) * (0.85 + 0.15 * (image > -500))
        pixels[k] = np.clip(np.rint(image + spread * grain), -1024, 3071).astype(np.int16)
    return pixels
