"""Affines of studies, (slice, row, column) -> LPS mm, and of NIfTI, (i, j, k) -> RAS mm.

A NIfTI array is indexed (i, j, k), which is (column, row, slice), and its millimetres grow to the patient's right,
front and head: RAS. Ours is the transposed array, and its millimetres are DICOM's: left, back and head.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])  # RAS <-> LPS: left is minus right, back is minus front
_REVERSE = [2, 1, 0, 3]  # (i, j, k) <-> (k, j, i); the origin stays


def from_ras(ras_affine: NDArray[np.floating]) -> NDArray[np.float64]:
    """Affine of NIfTI, (i, j, k, 1) -> RAS mm, to that of the transposed array, (k, j, i, 1) -> LPS mm.

    ras_affine: 4 x 4. Returns 4 x 4 float64; the inverse is `to_ras`.
    """
    return (_FLIP @ np.asarray(ras_affine, np.float64))[:, _REVERSE] + 0.0  # + 0.0: no minus zeros


def to_ras(lps_affine: NDArray[np.floating]) -> NDArray[np.float64]:
    """Affine of a study, (slice, row, column, 1) -> LPS mm, to that of the transposed array, (i, j, k, 1) -> RAS mm.

    lps_affine: 4 x 4. Returns 4 x 4 float64; the inverse is `from_ras`.
    """
    return (_FLIP @ np.asarray(lps_affine, np.float64))[:, _REVERSE] + 0.0


def axial_affine(
    spacing: tuple[float, float, float], origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> NDArray[np.float64]:
    """Index (slice, row, column) -> LPS mm, upright axial: columns to the left, rows to the back, slices up."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2] = spacing
    affine[:3, 3] = origin
    affine[3, 3] = 1
    return affine
