"""A mask written as NIfTI lies where it lay in the patient."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from infnet.export import write_nifti
from infnet.geometry.affine import axial_affine
from tests.test_phantom import AFFINES

MASK = np.zeros((3, 5, 4), np.uint8)
MASK[0, 4, 1], MASK[2, 0, 3], MASK[2, 1, 3] = 1, 2, 2


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_marked_voxels_keep_their_position_in_the_patient(affine, tmp_path):
    image = nibabel.load(write_nifti(tmp_path / "mask.nii.gz", MASK, affine))
    assert image.shape == (4, 5, 3)
    assert image.get_data_dtype() == np.uint8
    data = np.asarray(image.dataobj)
    for code, k, j, i in ((1, 0, 4, 1), (2, 2, 0, 3), (2, 2, 1, 3)):
        assert data[i, j, k] == code
        lps = (affine @ (k, j, i, 1))[:3]
        assert (image.affine @ (i, j, k, 1))[:3] == pytest.approx(lps * (-1, -1, 1), abs=1e-4)
    assert np.count_nonzero(data) == 3


def test_header_says_millimetres_and_both_codes(tmp_path):
    image = nibabel.load(write_nifti(tmp_path / "a.nii.gz", MASK, axial_affine((5.0, 0.7, 0.8))))
    assert image.header.get_xyzt_units()[0] == "mm"
    assert int(image.header["sform_code"]) == int(image.header["qform_code"]) == 1
    assert image.header.get_zooms() == pytest.approx((0.8, 0.7, 5.0))
    assert image.get_qform() == pytest.approx(image.get_sform(), abs=1e-4)


def test_a_tilted_gantry_goes_into_the_sform_alone(tmp_path):
    image = nibabel.load(write_nifti(tmp_path / "a.nii.gz", MASK, AFFINES["tilted gantry"]))
    assert int(image.header["qform_code"]) == 0
    assert int(image.header["sform_code"]) == 1


def test_probability_keeps_its_values(tmp_path):
    values = np.random.default_rng(0).random((3, 5, 4), np.float32)
    image = nibabel.load(write_nifti(tmp_path / "p.nii.gz", values, axial_affine((1.0, 1.0, 1.0))))
    assert np.array_equal(np.asarray(image.dataobj), values.transpose(2, 1, 0))


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_the_file_does_not_depend_on_how_the_volume_lies_in_memory(affine, suffix, tmp_path):
    values = np.random.default_rng(0).random((3, 5, 4), np.float32)
    layouts = {"rows": values, "columns": np.asfortranarray(values), "reversed": values[::-1].copy()[::-1]}
    written = {name: write_nifti(tmp_path / f"{name}.{suffix}", v, affine).read_bytes() for name, v in layouts.items()}
    whole = np.ascontiguousarray(values.transpose(2, 1, 0)).tobytes(order="F")
    if suffix == "nii":
        assert written["rows"][352:] == whole
    assert written["rows"] == written["columns"] == written["reversed"]
