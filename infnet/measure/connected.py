"""Connected lesions of a mask, numbered. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label


def number_lesions(
    labels: NDArray[np.uint8], volumetric: bool
) -> tuple[NDArray[np.integer], tuple[int, int, int], int]:
    """Number the connected lesions, both classes together: through the slices (26 neighbours) where `volumetric`, else
    within each slice (8 neighbours).

    labels: (slice, row, column). Returns the numbers 1..n (0 elsewhere) in the smallest box that holds them all, the
    first voxel of that box, and n.
    """
    boxes = [box for box in find_objects(labels) if box is not None]  # of each class
    if not boxes:
        return np.zeros((0, 0, 0), np.uint16), (0, 0, 0), 0
    box = tuple(slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in zip(*boxes, strict=True))
    joined = np.ones((3, 3, 3), int)
    if not volumetric:
        joined[0] = joined[2] = 0
    numbered = np.empty(labels[box].shape, np.uint16)
    try:
        count = label(labels[box], joined, output=numbered)
    except RuntimeError:  # more than 65535 lesions
        numbered, count = label(labels[box], joined)
    slices, rows, columns = (int(axis.start) for axis in box)
    return numbered, (slices, rows, columns), int(count)
