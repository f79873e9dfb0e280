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


def mask_box(lungs: NDArray[Any], margin: float = 0.04, smallest: int = 0) -> Box | None:
    """The box round the lungs of one slice (row, column), widened by `margin` of its sides; None without lung.

    `smallest`: sides in pixels below which the box is widened, so that an apex is not blown up to a whole chest.
    """
    rows, columns = np.flatnonzero(lungs.any(1)), np.flatnonzero(lungs.any(0))
    if not len(rows):
        return None

    def widen(first: int, last: int, limit: int) -> tuple[int, int]:
        side = last + 1 - first
        extra = max(int(np.ceil(margin * side)), (min(smallest, limit) - side + 1) // 2, 0)
        return max(first - extra, 0), min(last + 1 + extra, limit)

    top, bottom = widen(int(rows[0]), int(rows[-1]), lungs.shape[0])
    left, right = widen(int(columns[0]), int(columns[-1]), lungs.shape[1])
    return Box(top, left, bottom, right)


def crop(image: NDArray[Any], box: Box) -> NDArray[Any]:
    """Cut `box` out of the last two axes."""
    return image[(..., *box.slices)]


def paste(part: NDArray[Any], box: Box, shape: tuple[int, int]) -> NDArray[Any]:
    """The undo of `crop`: put `part` back on a slice of `shape` rows and columns, zero outside the box."""
    whole = np.zeros((*part.shape[:-2], *shape), part.dtype)
    whole[(..., *box.slices)] = part
    return whole


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
