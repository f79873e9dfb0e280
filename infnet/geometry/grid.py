"""The upright grid of a study: where its voxels lie, how large they are, and which box holds a mask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infnet.errors import GeometryError
from infnet.geometry.box import mask_box
from infnet.geometry.orientation import Orientation

if TYPE_CHECKING:
    from infnet.study import Segmentation, Study


@dataclass(frozen=True, eq=False)
class Grid:
    """A study's grid turned upright: slices to the head, rows to the back, columns to the patient's left.

    shape: (slice, row, column). affine: upright index (slice, row, column, 1) -> LPS mm. pixel_mm2: area of a pixel of
    an upright slice. voxel_ml: None where a volume would be wrong. All three None where there is no geometry.
    stacked: False where the slices do not lie one above the other: loose pictures, or a single slice.
    """

    orientation: Orientation
    shape: tuple[int, int, int]
    affine: NDArray[np.float64] | None
    pixel_mm2: float | None
    voxel_ml: float | None
    stacked: bool

    @classmethod
    def of(cls, study: Study) -> Grid:
        orientation = study.orientation
        shape = orientation.apply(np.broadcast_to(np.uint8(0), study.pixels.shape)).shape
        affine, area = None, None
        if study.affine is not None:
            affine = study.affine.copy()
            for upright, (axis, flip) in enumerate(zip(orientation.axes, orientation.flips, strict=True)):
                step = study.affine[:, axis]
                affine[:, upright] = -step if flip else step
                if flip:
                    affine[:, 3] += step * (shape[upright] - 1)
            area = float(np.linalg.norm(np.cross(affine[:3, 1], affine[:3, 2])))
        stacked = shape[0] > 1 and not study.is_picture
        volume = study.voxel_volume_ml if study.volumetric else None
        return cls(orientation, shape, affine, area, volume, stacked)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres between upright slices, rows and columns; 1, 1, 1 where there is no geometry."""
        if self.affine is None:
            return 1.0, 1.0, 1.0
        down, back, left = (float(v) for v in np.linalg.norm(self.affine[:3, :3], axis=0))
        return down, back, left

    def millimetres(self, index: tuple[float, float, float]) -> tuple[float, float, float] | None:
        """LPS mm of an upright index (slice, row, column); None where there is no geometry."""
        if self.affine is None:
            return None
        x, y, z = (float(v) for v in (self.affine @ [*index, 1.0])[:3])
        return x, y, z

    def along(self, axis: int, index: int) -> int:
        """The index along the source axis of an index along the upright `axis` (0 slice, 1 row, 2 column).

        It is its own undo: given the source index, it returns the upright one.
        """
        return self.shape[axis] - 1 - index if self.orientation.flips[axis] else index

    def source_index(self, index: tuple[int, int, int]) -> tuple[int, int, int]:
        """Index on the study's own grid of an upright index."""
        source = [0, 0, 0]
        for upright, axis in enumerate(self.orientation.axes):
            source[axis] = self.along(upright, index[upright])
        return source[0], source[1], source[2]

    def source_slice(self, index: int, axis: int = 0) -> int | None:
        """The slice of the study's own grid, a row of its table, that slice `index` along the upright `axis` shows.

        None where the slices along that axis cut across the stored ones.
        """
        return self.along(axis, index) if self.orientation.axes[axis] == 0 else None

    @property
    def stored_along(self) -> int:
        """The upright axis that the stored slices lie along."""
        return self.orientation.axes.index(0)

    def slice_number(self, source: int) -> int:
        """What people call a slice of the study's own grid, from 1: from the feet, the front or the patient's right."""
        return self.along(self.stored_along, source) + 1

    def position_mm(self, index: int, axis: int = 0) -> float | None:
        """Where slice `index` along the upright `axis` lies: LPS mm of its centre to the head, the back or the left.

        None where the slices are not evenly spaced, or not known to be.
        """
        if self.voxel_ml is None:
            return None
        middle = [(length - 1) / 2 for length in self.shape]
        middle[axis] = index
        place = self.millimetres((middle[0], middle[1], middle[2]))
        return None if place is None else place[2 - axis]

    def boxes(self, mask: NDArray[Any], margin: int = 0) -> Iterator[tuple[int, tuple[slice, slice]]]:
        """Slices of an upright mask that hold anything: (index, the rows and columns around it)."""
        for index, plane in enumerate(mask):
            box = mask_box(plane, margin=0)
            if box is not None:
                yield index, box.widened(margin, margin, plane.shape).slices


def check_same(study: Study, result: Segmentation) -> None:
    """Check that a result is on the grid of its study. Raises GeometryError where it is not."""
    if result.labels.shape != study.pixels.shape:
        raise GeometryError(
            f"{study.name}: result {result.labels.shape} and study {study.pixels.shape} differ in shape; "
            "use a result with the study it came from"
        )
