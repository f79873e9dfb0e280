"""Where the body is on an upright slice in the grey of the convention."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from infnet.geometry.box import resize_nearest

BODY_GREY = 110  # about -550 HU in the convention
OUTER_AIR_GREY = 60  # about -820 HU
FINEST = 256  # pixels across in which the outline of the body is sought


def _largest(body: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """The largest piece of a mask (row, column); None of an empty one."""
    labels, count = ndimage.label(body)
    if not count:
        return None
    largest: NDArray[np.bool_] = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return largest


def middle_and_width(grey: NDArray[np.uint8]) -> tuple[float, float]:
    """Middle column and width of the body on a slice; of the whole picture where no body is seen."""
    body = _largest(grey > BODY_GREY)
    if body is None:
        return grey.shape[1] / 2, float(grey.shape[1])
    columns = np.flatnonzero(body.any(0))
    return (columns[0] + columns[-1] + 1) / 2, float(columns[-1] + 1 - columns[0])


def enclosed(grey: NDArray[np.uint8], lungs: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Pixels (row, column) of a slice with the body above, below, to the right and to the left; None where the rim of
    the picture is not mostly air outside the `lungs`, so that it may be cut to the chest.

    Shells thinner than three pixels of FINEST, such as those of the table, are not body.
    """
    air = (grey < OUTER_AIR_GREY) & ~lungs
    rim = np.concatenate([air[0], air[-1], air[:, 0], air[:, -1]])
    step = max(min(grey.shape) // FINEST, 1)
    body = _largest(ndimage.binary_opening(grey[::step, ::step] > BODY_GREY, np.ones((3, 3), bool)))
    if body is None or rim.mean() < 0.5:
        return None
    inside = np.ones_like(body)
    for axis in (0, 1):
        for turn in (slice(None), slice(None, None, -1)):
            way = (turn, slice(None)) if axis == 0 else (slice(None), turn)
            inside &= np.maximum.accumulate(body[way], axis)[way]
    return resize_nearest(inside.astype(np.uint8), grey.shape) > 0
