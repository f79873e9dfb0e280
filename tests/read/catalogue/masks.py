"""Masks from elsewhere, laid on a study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

import infnet
from infnet.geometry.affine import to_ras
from infnet.measure.check import difference, placed
from infnet.study import Segmentation
from tests.fakes import fake_engines
from tests.read.catalogue.kind import Makers, chest


def mask() -> Any:
    values = np.zeros(chest().pixels.shape, np.uint8)
    values[1:3, 20:30, 10:20] = 1
    return values


def checked(
    values: Callable[[Any], Any] = lambda m: m, move: Any = (0, 0, 0), code: int = 1, step: float = 1
) -> Callable[[Path], None]:
    """Write a mask as NIfTI, read it, lay it on the study, compare."""

    def make(folder: Path) -> None:
        study = replace(chest(), source={"format": "DICOM"})
        affine = to_ras(study.affine)
        affine[:3, 3] += move
        affine[:3, :3] *= step
        image = nibabel.Nifti1Image(values(mask()).transpose(2, 1, 0), affine)
        image.set_sform(affine, code)
        image.set_qform(affine, code)
        nibabel.save(image, folder / "mask.nii.gz")
        result = Segmentation(mask(), mask().astype(np.float32), mask())
        difference(result, placed(study, infnet.read(folder / "mask.nii.gz")))

    return make


def lungs(values: Callable[[Any], Any]) -> Callable[[Path], None]:
    return lambda folder: infnet.segment(chest(), fake_engines(), known_lungs=values(mask())) and None


MAKERS: Makers = {
    "a mask on the grid of the study": checked(),
    "0 and 255": checked(lambda m: m * 255),
    "one slice too few": checked(lambda m: m[1:]),
    "rows too few": checked(lambda m: m[:, 8:]),
    "a mask 3 m away": checked(move=(0, 0, 3000)),
    "a mask 600 mm to the side": checked(move=(600, 0, 0)),
    "a mask that does not say where it lies": checked(code=0),
    "the values 0 and 7": checked(lambda m: m * 7),
    "a probability": checked(lambda m: m * np.float32(0.3)),
    "known lungs of another grid": lungs(lambda m: m[1:]),
    "known lungs with 255": lungs(lambda m: m * 255),
    "known lungs, one of the two": lungs(lambda m: m),
}
