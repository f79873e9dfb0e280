"""Boxes on a slice and resampling of a slice, each with its way back. Arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class Box:
    """Half-open pixel box [top, bottom) x [left, right) on a slice."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def widened(self, rows: int, columns: int, shape: tuple[int, ...]) -> Box:
        """The box with `rows` more above and below and `columns` more on either side, cut to a slice of `shape`."""
        return Box(
            max(self.top - rows, 0),
            max(self.left - columns, 0),
            min(self.bottom + rows, shape[0]),
            min(self.right + columns, shape[1]),
        )


def extent(mask: NDArray[Any]) -> tuple[slice, ...] | None:
    """The smallest box that holds all of a mask, a slice for each of its axes; None where the mask is empty."""
    box = []
    for axis in range(mask.ndim):
        indices = np.flatnonzero(mask.any(tuple(other for other in range(mask.ndim) if other != axis)))
        if not len(indices):
            return None
        box.append(slice(int(indices[0]), int(indices[-1]) + 1))
    return tuple(box)


def mask_box(lungs: NDArray[Any], margin: float = 0.04, smallest: int = 0) -> Box | None:
    """The box round the lungs of one slice (row, column), widened by `margin` of its sides; None without lung.

    `smallest`: sides in pixels below which the box is widened, so that an apex is not enlarged to a whole chest.
    """
    box = extent(lungs)
    if box is None:
        return None

    def extra(side: int, limit: int) -> int:
        return max(int(np.ceil(margin * side)), (min(smallest, limit) - side + 1) // 2, 0)

    rows, columns = box
    tight = Box(rows.start, columns.start, rows.stop, columns.stop)
    height, width = tight.shape
    widths = extra(height, lungs.shape[0]), extra(width, lungs.shape[1])  # nosec B610  # no query of a database
    return tight.widened(*widths, lungs.shape)


def crop(image: NDArray[Any], box: Box) -> NDArray[Any]:
    """Cut `box` out of the last two axes."""
    return image[(..., *box.slices)]


def paste(cropped: NDArray[Any], box: Box, shape: tuple[int, int]) -> NDArray[Any]:
    """The undo of `crop`: put it back on a slice of `shape` rows and columns, zero outside the box."""
    image = np.zeros((*cropped.shape[:-2], *shape), cropped.dtype)
    image[(..., *box.slices)] = cropped
    return image


def resize(image: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Resize one slice (row, column), uint8 or float32, to `shape` bilinearly; antialiased when it shrinks."""
    if image.shape == shape:
        return image
    picture = Image.fromarray(np.ascontiguousarray(image, np.uint8 if image.dtype == np.uint8 else np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def resize_nearest(labels: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize one slice of codes (row, column) uint8 to `shape`: each pixel takes the code of the nearest."""
    if labels.shape == shape:
        return np.ascontiguousarray(labels)
    picture = Image.fromarray(np.ascontiguousarray(labels))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.NEAREST))


def restore(probability: NDArray[np.float32], box: Box, shape: tuple[int, int]) -> NDArray[np.float32]:
    """The undo of crop and resize: a square probability map back on its slice of `shape`, zero outside the box."""
    return paste(resize(probability.astype(np.float32), box.shape), box, shape)
