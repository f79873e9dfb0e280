"""A synthetic chest CT in HU with known lungs and lesions: for tests, the demo and benchmarks. Nobody's data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infnet.errors import GeometryError
from infnet.geometry.affine import axial_affine
from infnet.phantom import lesions
from infnet.phantom.anatomy import Build
from infnet.phantom.dicom import write_dicom
from infnet.phantom.painting import empty_canvas, grow_trees, paint_chest, paint_lesions, paint_vessels, scan
from infnet.phantom.texture import Texture
from infnet.study import Study

__all__ = ["Phantom", "chest", "write_dicom"]

USUAL_SHARE = 0.06  # of the lungs that is diseased where no volume is asked for


@dataclass(frozen=True, eq=False)
class Phantom:
    """A study and its truth on one grid (slice, row, column).

    lungs: uint8, 0 none, 1 right, 2 left. labels: uint8, 0 background, 1 GGO, 2 consolidation.
    """

    study: Study
    lungs: NDArray[np.uint8]
    labels: NDArray[np.uint8]


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
    canvas = empty_canvas(slices, rows, columns, spacing)
    trees = grow_trees(rng, build)
    spots = lesions.spots(rng, build)
    textures = {
        name: Texture(rng, step, canvas.x, canvas.y)
        for name, step in (("planes", 20.0), ("bulk", 14.0), ("rough", 13.0), ("fine", 5.0), ("grain", 3.0))
    }
    paint_chest(canvas, build, textures)
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
        paint_lesions(canvas, spots, textures, labels, count, round(consolidation * count))
    paint_vessels(canvas, trees, labels)
    pixels = scan(canvas, rng, noise_hu)
    origin = (-spacing[2] * (columns - 1) / 2, -spacing[1] * (rows - 1) / 2, 0.0)
    study = Study(
        pixels,
        axial_affine(spacing, origin),
        name=f"phantom-{seed}",
        volumetric=slices > 1,
        source={"format": "phantom", "modality": "CT", "seed": seed},
    )
    return Phantom(study, canvas.lungs, labels)
