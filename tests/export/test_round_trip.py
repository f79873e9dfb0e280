"""Written, read again: the same voxels at the same position in the patient, however the grid is oriented."""

from __future__ import annotations

import numpy as np
import pytest

import infnet
from infnet.export import write_all
from infnet.geometry.orientation import Orientation
from infnet.measure.statistics import measure
from infnet.phantom import write_dicom
from infnet.study import Segmentation, Study
from tests.test_phantom import AFFINES

SHAPE = (4, 6, 5)


def asymmetric() -> np.ndarray:
    """Labels without any symmetry: an L of GGO in one corner, a bar of consolidation beside it."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 1:5, 1] = labels[0, 4, 1:4] = 1
    labels[1, 1, 0:3] = labels[2, 1, 0] = 2
    return labels


def positions(volume: np.ndarray, affine: np.ndarray) -> dict[tuple[float, ...], int]:
    """World millimetres of every non-zero voxel, to a hundredth, with its value."""
    index = np.argwhere(volume)
    world = np.c_[index, np.ones(len(index))] @ affine.T
    return {tuple(np.round(w[:3], 2) + 0.0): int(volume[tuple(i)]) for w, i in zip(world, index, strict=True)}


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_dicom_then_nifti(affine, tmp_path):
    hu = asymmetric().astype(np.int16) * 100
    write_dicom(Study(hu, affine), tmp_path / "series")
    study = infnet.read(tmp_path / "series")
    assert study.is_hu
    assert positions(study.pixels, study.affine) == positions(hu, affine)

    labels = (study.pixels // 100).astype(np.uint8)
    result = Segmentation(labels, labels.astype(np.float32) / 2, np.ones(SHAPE, np.uint8))
    write_all(tmp_path / "out", study, result, measure(study, result), overlays=False)
    mask = infnet.read(tmp_path / "out/mask.nii.gz")
    assert positions(mask.pixels.astype(int), mask.affine) == positions(labels, study.affine)
    upright = [Orientation.of(s.affine).apply(v) for s, v in ((study, labels), (mask, mask.pixels))]
    assert np.array_equal(*upright)


def test_png(tmp_path):
    labels = np.kron(asymmetric()[:1], np.ones((1, 8, 8), np.uint8))
    study = Study(labels * np.uint8(100), None, is_hu=False, source={"format": "picture"})
    result = Segmentation(labels, labels.astype(np.float32) / 2, np.ones_like(labels))
    write_all(tmp_path, study, result, measure(study, result), overlays=False)
    assert np.array_equal(infnet.read(tmp_path / "mask.png").pixels, labels)
    assert np.array_equal(infnet.read(tmp_path / "probability.png").pixels, np.rint(result.probability * 65535))
