"""Every lesion by itself: how large, how dense, where. Arrays in, numbers out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from infnet.geometry.grid import Grid, check_same
from infnet.measure.connected import number_lesions
from infnet.study import CONSOLIDATION, LEFT, RIGHT, Segmentation, Study

SIDES = ("outside", "right", "left")  # by the code in `Segmentation.lungs`


@dataclass(frozen=True)
class Lesion:
    """One connected lesion, both classes together.

    number: 1 for the largest. voxels; ml: None where there is no volume. largest_pixels, largest_mm2: its largest
    cross-section with an upright slice (mm2 None without geometry). mean_hu: None where the pixels are not HU.
    consolidation_percent: share of its voxels. lung: "right", "left" or "outside", where most of it lies.
    centre: the voxel of the lesion that is nearest its centre of mass, (slice, row, column) on the study's own grid;
    position_mm: the same in LPS, None without geometry. display_slice: the upright slice (as `overlay.display` takes
    it) of the largest cross-section.
    """

    number: int
    voxels: int
    ml: float | None
    largest_pixels: int
    largest_mm2: float | None
    mean_hu: float | None
    consolidation_percent: float
    lung: str
    centre: tuple[int, int, int]
    position_mm: tuple[float, float, float] | None
    display_slice: int


def lesions(study: Study, result: Segmentation) -> tuple[Lesion, ...]:
    """All lesions, the largest first: connected through slices (26 neighbours) where the study is volumetric, else
    within each slice (8 neighbours), so that their count is `Statistics.lesion_count`.

    Raises GeometryError where the result is on another grid.
    """
    check_same(study, result)
    grid = Grid.of(study)
    numbered, corner, count = number_lesions(result.labels, study.volumetric)
    if not count:
        return ()
    box = tuple(slice(c, c + n) for c, n in zip(corner, numbered.shape, strict=True))
    volumes = [v[box] for v in (result.labels, result.lungs, study.pixels)]
    # Slice by slice: counting takes numbers of 64 bits.
    sizes = sum((np.bincount(plane.ravel(), minlength=count + 1) for plane in numbered), np.zeros(count + 1, np.int64))
    order = np.argsort(-sizes[1:], kind="stable") + 1
    boxes = ndimage.find_objects(numbered)
    largest_first = []
    for rank, code in enumerate(order.tolist(), start=1):
        lesion_box = boxes[code - 1]
        mask = numbered[lesion_box] == code
        start = np.array([c + s.start for c, s in zip(corner, lesion_box, strict=True)])
        largest_first.append(_lesion(rank, mask, start, [v[lesion_box] for v in volumes], study, grid))
    return tuple(largest_first)


def _lesion(
    number: int,
    mask: NDArray[np.bool_],
    start: NDArray[np.int64],
    volumes: list[NDArray[Any]],
    study: Study,
    grid: Grid,
) -> Lesion:
    """One lesion from its own box; `start`: the box's first voxel on the study's grid."""
    labels, lungs, pixels = (v[mask] for v in volumes)
    voxels = len(labels)
    index = np.argwhere(mask)
    centre = index[np.argmin(((index - index.mean(0)) ** 2).sum(1))] + start
    head = grid.orientation.axes[0]  # the source axis that runs from slice to slice when upright
    areas = np.count_nonzero(mask, axis=tuple(a for a in range(3) if a != head))
    largest = int(np.argmax(areas))
    sides = np.bincount(lungs, minlength=3)
    side = int(np.argmax(sides[[RIGHT, LEFT]])) + 1 if sides[[RIGHT, LEFT]].sum() > sides[0] else 0
    voxel = (int(centre[0]), int(centre[1]), int(centre[2]))
    position = None if study.affine is None else [float(v) for v in (study.affine @ [*voxel, 1])[:3]]
    return Lesion(
        number=number,
        voxels=voxels,
        ml=None if grid.voxel_ml is None else voxels * grid.voxel_ml,
        largest_pixels=int(areas[largest]),
        largest_mm2=None if grid.pixel_mm2 is None else int(areas[largest]) * grid.pixel_mm2,
        mean_hu=float(pixels.mean(dtype=np.float64)) if study.is_hu else None,
        consolidation_percent=100 * int(np.count_nonzero(labels == CONSOLIDATION)) / voxels,
        lung=SIDES[side],
        centre=voxel,
        position_mm=None if position is None else (position[0], position[1], position[2]),
        display_slice=grid.along(0, int(start[head]) + largest),
    )
