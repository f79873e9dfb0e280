"""From NIfTI's geometry to ours and back: (i, j, k) -> RAS mm, and (slice, row, column) -> LPS mm.

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
