"""Write a volume as NIfTI, the undo of the NIfTI reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.geometry.affine import to_ras

SCANNER = 1  # NIfTI's code for coordinates of the scanner
SHEAR_TOLERANCE = 1e-4


def write_nifti(path: str | Path, volume: NDArray[Any], affine: NDArray[np.float64]) -> Path:
    """Write `volume` (slice, row, column) with its affine (index -> LPS mm) as .nii or .nii.gz in RAS, mm.

    sform and qform both hold the affine; a sheared affine (tilted gantry) goes into the sform alone, since a qform
    cannot carry it.
    """
    import nibabel

    ras = to_ras(affine)
    make: Any = nibabel.Nifti1Image  # the library has no types
    image = make(volume.transpose(2, 1, 0), ras)  # a view: nibabel writes it slice by slice
    image.header.set_xyzt_units("mm")
    image.set_sform(ras, SCANNER)
    axes = ras[:3, :3] / np.linalg.norm(ras[:3, :3], axis=0)
    sheared = not np.allclose(axes.T @ axes, np.eye(3), atol=SHEAR_TOLERANCE)
    image.set_qform(ras, 0 if sheared else SCANNER, strip_shears=True)
    nibabel.save(image, path)
    return Path(path)
