"""The upright grid of a study: what lies where, how large a pixel is, and in which box there is anything at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infnet.errors import GeometryError
from infnet.geometry.box import Box, mask_box
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
            for place, (axis, flip) in enumerate(zip(orientation.axes, orientation.flips, strict=True)):
                step = study.affine[:, axis]
                affine[:, place] = -step if flip else step
                if flip:
                    affine[:, 3] += step * (shape[place] - 1)
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

    def along(self, place: int, index: int) -> int:
        """An upright index along the upright axis `place` (0 slice, 1 row, 2 column) as the index along the source axis
        that it came from; and the way back, which is the same."""
        return self.shape[place] - 1 - index if self.orientation.flips[place] else index

    def source_index(self, index: tuple[int, int, int]) -> tuple[int, int, int]:
        """Index on the study's own grid of an upright index."""
        source = [0, 0, 0]
        for place, axis in enumerate(self.orientation.axes):
            source[axis] = self.along(place, index[place])
        return source[0], source[1], source[2]

    def source_slice(self, index: int) -> int | None:
        """Slice of the study's own grid, as in its table, that upright slice `index` shows; None where upright slices
        cut across it."""
        return self.along(0, index) if self.orientation.axes[0] == 0 else None

    def boxes(self, mask: NDArray[Any], margin: int = 0) -> Iterator[tuple[int, tuple[slice, slice]]]:
        """Slices of an upright mask that hold anything: (index, the rows and columns around it)."""
        for index, plane in enumerate(mask):
            box = mask_box(plane, margin=0)
            if box is not None:
                yield index, _wider(box, margin, plane.shape).slices


def _wider(box: Box, margin: int, shape: tuple[int, ...]) -> Box:
    return Box(
        max(box.top - margin, 0),
        max(box.left - margin, 0),
        min(box.bottom + margin, shape[0]),
        min(box.right + margin, shape[1]),
    )


def check_same(study: Study, result: Segmentation) -> None:
    """Raises GeometryError where a result is on another grid than its study."""
    if result.labels.shape != study.pixels.shape:
        raise GeometryError(
            f"{study.name}: result {result.labels.shape} and study {study.pixels.shape} differ in shape; "
            "use a result with the study it came from"
        )
