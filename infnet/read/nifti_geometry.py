"""Where the voxels of a NIfTI lie in the patient, by its header."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.geometry.affine import from_ras
from infnet.notices import Notice, warn
from infnet.read.files import NotUsed
from infnet.read.stack import PIXEL_MM, SLICE_MM, plausible

_MM = {"meter": 1000.0, "micron": 0.001}
_AGAIN = "save it again as one 3-D NIfTI"
_SINGULAR = 1e-9


def affine_of(header: Any, slices: int, notices: list[Notice]) -> tuple[NDArray[np.float64], bool]:
    """The affine, index (k, j, i, 1) -> LPS mm, and whether volumes can be trusted; `notices` of what was assumed.

    header: nibabel's. slices: how many. Raises NotUsed where the header gives a geometry that cannot be.
    """
    scale = _scale(header)
    if int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0:
        ras, known = _given(header, slices), True
    else:
        ras, known = _assumed(header, slices, scale, notices)
    affine = from_ras(np.diag([scale, scale, scale, 1.0]) @ ras)
    k, j, i = np.linalg.norm(affine[:3, :3], axis=0)
    if not (plausible(i, PIXEL_MM) and plausible(j, PIXEL_MM) and (slices == 1 or plausible(k, SLICE_MM))):
        raise NotUsed(f"voxels of {i:.3g} x {j:.3g} x {k:.3g} mm are no chest CT", _AGAIN)
    return affine, known and slices > 1


def _scale(header: Any) -> float:
    try:
        return _MM.get(header.get_xyzt_units()[0], 1.0)
    except KeyError:
        raise NotUsed("an unknown unit in its header (xyzt_units)", _AGAIN) from None


def _given(header: Any, slices: int) -> NDArray[np.float64]:
    """The affine in RAS that the header gives."""
    name = "sform" if int(header["sform_code"]) > 0 else "qform"
    try:
        affine = np.array(header.get_sform() if name == "sform" else header.get_qform(), np.float64)
    except Exception:  # nibabel lets damaged quaternions raise what they like
        affine = np.full((4, 4), np.nan)
    if slices == 1 and np.isfinite(affine).all():
        affine = _with_thickness(affine)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < _SINGULAR:
        raise NotUsed(f"a damaged geometry in its header ({name})", _AGAIN)
    return affine


def _with_thickness(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """The affine of a single slice with 1 mm to the next where it has none: no volume is computed from it."""
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    if (length := float(np.linalg.norm(normal))) > 0 and not affine[:3, 2].any():
        affine[:3, 2] = normal / length
    return affine


def _assumed(header: Any, slices: int, scale: float, notices: list[Notice]) -> tuple[NDArray[np.float64], bool]:
    """nibabel's reading of a file that says voxel sizes only; False where the distance of its slices is missing."""
    zooms = [abs(float(z)) for z in header["pixdim"][1:4]]
    if not all(plausible(z * scale, PIXEL_MM) for z in zooms[:2]):
        raise NotUsed("no usable voxel size in its header (pixdim)", _AGAIN)
    text = "The file does not say how it is oriented: left and right, front and back were assumed."
    notices.append(warn("orientation-assumed", text))
    usable = plausible(zooms[2] * scale, SLICE_MM)
    if not usable and slices > 1:
        text = "The file does not say how far apart its slices are: 1 mm was assumed. No volumes are given."
        notices.append(warn("no-slice-distance", text))
    return np.diag([-zooms[0], zooms[1], zooms[2] if usable else 1.0 / scale, 1.0]), usable
