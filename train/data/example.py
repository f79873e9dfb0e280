"""One training slice, and how a slice and its mask become one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infnet.geometry.box import Box, crop, mask_box, resize, resize_nearest
from infnet.grey import window_grey
from train.data.files import Grey

STORED = 384  # side of the slices kept in memory
SURROUND = 0.15  # how much more than the lung box is kept, where there is more, for random crops


@dataclass(frozen=True)
class Example:
    """One training slice: `image` and `mask` are uint8 (STORED, STORED).

    `mask` holds infection 0..255 (soft where it is a pseudo label) or the classes 0, 1, 2. `box` is the lung box as
    fractions (top, left, bottom, right) of the stored slice. `shape`: rows and columns before storing.
    """

    name: str
    group: str
    image: Grey
    mask: Grey
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    shape: tuple[int, int] = (STORED, STORED)


def store(image: Grey) -> Grey:
    """A slice, or a mask of 0..255, at the stored size."""
    return np.ascontiguousarray(resize(image, (STORED, STORED)))


def store_mask(mask: NDArray[np.bool_]) -> Grey:
    """A mask of true and false at the stored size, as 0..255."""
    return store((mask * 255).astype(np.uint8))


def store_classes(mask: Grey) -> Grey:
    """Class codes at the stored size."""
    return resize_nearest(mask, (STORED, STORED))


def windowed(image: Grey) -> Grey:
    """A slice of unknown window in the grey of the convention."""
    return window_grey(np.ascontiguousarray(image))[0]


def fractions(inner: Box, outer: Box) -> tuple[float, float, float, float]:
    """A box as fractions (top, left, bottom, right) of the box round it."""
    rows, columns = outer.shape
    return (
        (inner.top - outer.top) / rows,
        (inner.left - outer.left) / columns,
        (inner.bottom - outer.top) / rows,
        (inner.right - outer.left) / columns,
    )


def cropped(plain: Example, lungs: NDArray[np.bool_], classes: bool = False) -> Example:
    """A full-field slice cut a little wider than its `lungs`, at the stored size, with the lung box inside.

    `plain` holds image and mask (row, column) as they are; `lungs` has their shape and is not empty.
    """
    tight, box = mask_box(lungs, margin=0.0), mask_box(lungs, margin=SURROUND)
    assert tight is not None
    assert box is not None
    keep = store_classes if classes else store
    image, mask = store(crop(plain.image, box)), keep(crop(plain.mask, box))
    return Example(plain.name, plain.group, image, mask, fractions(tight, box), box.shape)
