"""What the browser holds of a study: values and marks of the upright grid, packed slice by slice.

Packed on demand and in parts, so that a study of any size takes the server no second copy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import infnet
from infnet.geometry.grid import Grid
from infnet.study import CONSOLIDATION, LOWEST_THRESHOLD

MOST_BYTES = 320 << 20  # what a browser is asked to hold of one study, marks included
MARGIN = 8  # voxels that stay round the lungs where a study is cropped
COARSE_STEP = 8  # HU of one step where a byte must do
COARSE_LOWEST = -1024
DENSE_BIT, SIDE_BIT = 5, 6

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Frame:
    """The part of the upright grid that the browser holds, and how its values are packed.

    box: slices, rows, columns. kind: "int16", "uint16" or "uint8"; a value is `offset + step * packed`.
    """

    box: Box
    kind: str
    offset: float = 0.0
    step: float = 1.0

    @classmethod
    def of(cls, study: infnet.Study, lungs: NDArray[np.uint8] | None = None, most: int = MOST_BYTES) -> Frame | None:
        """The frame that takes at most `most` bytes: the whole study, else the box round its lungs, else that box in
        steps of 8 HU. None where that is not enough, or where there are no `lungs` (on the study's grid) to crop to.
        """
        upright = study.orientation.apply(study.pixels)
        whole = tuple(slice(0, length) for length in upright.shape)
        boxes = [whole] if lungs is None else [whole, lung_box(study.orientation.apply(lungs))]
        for box in boxes:
            frame = cls._packed(study, box)  # type: ignore[arg-type]  # of the three lengths of a shape
            if frame.size <= most:
                return frame
        coarse = cls(boxes[-1], "uint8", COARSE_LOWEST, COARSE_STEP)  # type: ignore[arg-type]
        return coarse if study.is_hu and lungs is not None and coarse.size <= most else None

    @classmethod
    def _packed(cls, study: infnet.Study, box: Box) -> Frame:
        if study.is_hu:
            return cls(box, "int16")
        if study.pixels.dtype == np.uint8:
            return cls(box, "uint8")
        low, high = float(np.nanmin(study.pixels)), float(np.nanmax(study.pixels))
        whole = np.issubdtype(study.pixels.dtype, np.integer)
        return cls(box, "uint16", 0.0 if whole else low, 1.0 if whole else max(high - low, 1e-6) / 65535)

    @property
    def shape(self) -> tuple[int, int, int]:
        slices, rows, columns = (side.stop - side.start for side in self.box)
        return slices, rows, columns

    @property
    def size(self) -> int:
        """What values and marks take in the browser."""
        return math.prod(self.shape) * (np.dtype(self.kind).itemsize + 1)

    def values(self, study: infnet.Study, slices: Iterable[int]) -> bytes:
        """The values of slices of the frame, one after the other, little-endian."""
        upright = study.orientation.apply(study.pixels)[self.box]
        limits = np.iinfo(self.kind)
        packed = []
        for index in slices:
            plane = upright[index]
            if plane.dtype != self.kind or self.step != 1 or self.offset:
                scaled = (np.nan_to_num(plane.astype(np.float32)) - self.offset) / self.step
                plane = np.clip(np.rint(scaled), limits.min, limits.max).astype(self.kind)
            packed.append(plane.tobytes())
        return b"".join(packed)

    def marks(self, study: infnet.Study, result: infnet.Segmentation, levels: Levels, slices: Iterable[int]) -> bytes:
        """The marks of slices of the frame, one byte a voxel: bits 0 to 4 how many of the levels the probability
        reaches, bit 5 consolidation, bits 6 and 7 the lung. Lesions that were left out as too small reach none.
        """
        turned = [study.orientation.apply(v)[self.box] for v in (result.labels, result.probability, result.lungs)]
        share = None if result.consolidation is None else study.orientation.apply(result.consolidation)[self.box]
        packed = []
        for index in slices:
            labels, probability, lungs = (volume[index] for volume in turned)
            marks = lungs << SIDE_BIT
            seen = (probability >= levels.values[0]) & ~((probability >= np.float32(levels.threshold)) & (labels == 0))
            marks[seen] |= np.searchsorted(levels.values, probability[seen], side="right").astype(np.uint8)
            if share is None:
                dense = labels == CONSOLIDATION
            else:
                dense = seen & (share[index] >= math.ceil(255 * result.consolidation_threshold))
            marks[dense] |= 1 << DENSE_BIT
            packed.append(marks.tobytes())
        return b"".join(packed)


class Levels:
    """The thresholds that can be chosen in the browser: every 0.05 from the lowest on, the networks' own, the current.

    shown: rising. values: the same as float32, as probabilities are compared with them. threshold: the current one.
    """

    def __init__(self, own: float, threshold: float) -> None:
        steps = [round(LOWEST_THRESHOLD + 0.05 * step, 2) for step in range(16)]
        alike = {np.float32(level): level for level in (threshold, own, *steps)}
        self.shown = [alike[level] for level in sorted(alike)]
        self.values: NDArray[np.float32] = np.array(self.shown, np.float32)
        self.threshold = alike[np.float32(threshold)]


def lung_box(lungs: NDArray[np.uint8]) -> Box:
    """The box round upright lungs (slice, row, column) with its margin; everything where there are none."""
    sides = []
    for axis, length in enumerate(lungs.shape):
        hit = np.flatnonzero(lungs.any(axis=tuple(a for a in range(3) if a != axis)))
        first, last = (int(hit[0]), int(hit[-1])) if len(hit) else (0, length - 1)
        sides.append(slice(max(0, first - MARGIN), min(length, last + 1 + MARGIN)))
    return sides[0], sides[1], sides[2]


def geometry(study: infnet.Study, frame: Frame) -> dict[str, Any]:
    """Where the frame lies, as the browser needs it: shape, start on the upright grid, spacing, affine to LPS mm."""
    grid = Grid.of(study)
    affine = None
    if grid.affine is not None:
        affine = grid.affine.copy()
        affine[:, 3] = grid.affine @ [*(side.start for side in frame.box), 1.0]
    return {
        "shape": frame.shape,
        "start": [side.start for side in frame.box],
        "full": grid.shape,
        "spacing": grid.spacing,
        "affine": None if affine is None else affine.tolist(),
        "volumetric": grid.voxel_ml is not None,
        "picture": not grid.stacked,
        "letters": not study.is_picture,
        "pixelMm2": grid.pixel_mm2,
        "voxelMl": grid.voxel_ml,
        "kind": frame.kind,
        "offset": frame.offset,
        "step": frame.step,
    }
