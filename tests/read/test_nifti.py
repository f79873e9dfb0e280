"""NIfTI: RAS (i, j, k) becomes LPS (k, j, i); written by nibabel, geometry computed by hand."""

from __future__ import annotations

import gzip

import nibabel
import numpy as np
import pytest

import infnet
from infnet.errors import ReadError, SeveralSeriesError
from infnet.geometry.affine import from_ras, to_ras
from infnet.geometry.orientation import Orientation
from infnet.read import memory
from infnet.read import packed as packing
from tests.notices import texts

from .making import hu_volume

RAS = np.array([[-0.8, 0, 0, 100], [0, -0.7, 0, 90], [0, 0, 2.5, -300], [0, 0, 0, 1.0]])  # columns left, rows back
OBLIQUE = np.array([[0.7, 0.2, 0.1, 5], [-0.2, 0.9, 0.3, 6], [0.1, -0.3, 2.4, 7], [0, 0, 0, 1.0]])


def save(path, array, affine=RAS, **header):
    image = nibabel.Nifti1Image(array, affine)
    for key, value in header.items():
        image.header[key] = value
    image.to_filename(path)
    return path


def test_geometry_by_hand():
    assert from_ras(RAS) == pytest.approx(
        np.array([[0, 0, 0.8, -100], [0, 0.7, 0, -90], [2.5, 0, 0, -300], [0, 0, 0, 1]])
    )


@pytest.mark.parametrize("affine", [RAS, OBLIQUE, np.diag([1, 2, 3, 1.0])[[1, 2, 0, 3]]])
def test_geometry_goes_there_and_back(affine):
    assert to_ras(from_ras(affine)) == pytest.approx(affine)
    i, j, k = 3, 5, 7
    ras = affine @ [i, j, k, 1]
    assert from_ras(affine) @ [k, j, i, 1] == pytest.approx([-ras[0], -ras[1], ras[2], 1])


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_hu_volume(tmp_path, name):
    hu = hu_volume()
    study = infnet.read(save(tmp_path / name, hu.transpose()))
    assert np.array_equal(study.pixels, hu)
    assert (study.pixels.dtype, study.is_hu, study.volumetric, texts(study)) == (np.int16, True, True, ())
    assert study.affine == pytest.approx(from_ras(RAS))
    assert study.spacing == pytest.approx((2.5, 0.7, 0.8))
    assert study.orientation == Orientation()
    assert study.name == "ct"


@pytest.mark.parametrize(
    ("real", "shown"), [("a.nii", "a.dcm"), ("a.nii.gz", "a.nii"), ("a.nii.gz", "a"), ("a.nii", "a.nii.gz")]
)
def test_the_name_does_not_matter(tmp_path, real, shown):
    hu = hu_volume()
    data = save(tmp_path / real, hu.transpose()).read_bytes()
    (tmp_path / "other").mkdir()
    path = tmp_path / "other" / shown
    path.write_bytes(data)
    assert np.array_equal(infnet.read(path).pixels, hu)


def test_nifti_2_big_endian_and_one_volume_in_four_dimensions(tmp_path):
    hu = hu_volume()
    nibabel.Nifti2Image(hu.transpose()[..., None], RAS).to_filename(tmp_path / "two.nii")
    assert np.array_equal(infnet.read(tmp_path / "two.nii").pixels, hu)
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nibabel.Nifti1Image(hu.transpose(), RAS, header).to_filename(tmp_path / "big.nii")
    assert (tmp_path / "big.nii").read_bytes()[:4] == b"\0\0\x01\x5c"
    study = infnet.read(tmp_path / "big.nii")
    assert np.array_equal(study.pixels, hu)
    assert study.pixels.dtype == np.dtype("=i2")
    assert study.affine == pytest.approx(from_ras(RAS))


def test_slope_and_intercept_of_the_header(tmp_path):
    hu = hu_volume()
    path = tmp_path / "x.nii"
    save(path, (hu + 1024).astype(np.uint16).transpose())
    data = bytearray(path.read_bytes())
    data[112:120] = np.array([1, -1024], "<f4").tobytes()
    path.write_bytes(data)
    study = infnet.read(path)
    assert np.array_equal(study.pixels, hu)
    assert study.pixels.dtype == np.int16
    data[112:120] = np.array([0.5, -1024], "<f4").tobytes()
    path.write_bytes(data)
    assert infnet.read(path).pixels == pytest.approx((hu + 1024.0) / 2 - 1024)


def test_types_and_padding(tmp_path):
    hu = hu_volume()
    floating = infnet.read(save(tmp_path / "f.nii", hu.transpose().astype(np.float64) + 0.25))
    assert floating.pixels.dtype == np.float32
    assert floating.pixels == pytest.approx(hu + 0.25)
    padded = hu.copy()
    padded[:, 0] = -3024
    study = infnet.read(save(tmp_path / "p.nii", padded.transpose().astype(np.int32)))
    assert study.pixels.dtype == np.int16
    assert (study.pixels[:, 0] == -1024).all()
    assert np.array_equal(study.pixels[:, 1:], hu[:, 1:])


@pytest.mark.parametrize(("scale", "dtype"), [(255, np.uint8), (1000, np.uint16), (1.0, np.float32)])
def test_values_without_air_are_grey(tmp_path, scale, dtype):
    grey = ((hu_volume() + 1000) / 1600 * scale).astype(dtype)
    study = infnet.read(save(tmp_path / "x.nii", grey.transpose()))
    assert np.array_equal(study.pixels, grey)
    assert study.pixels.dtype == dtype
    assert not study.is_hu
    assert any("grey, not HU" in w for w in texts(study))


def test_two_dimensions_are_one_slice(tmp_path):
    hu = hu_volume(1)
    study = infnet.read(save(tmp_path / "x.nii", hu[0].transpose()))
    assert np.array_equal(study.pixels, hu)
    assert not study.volumetric
    assert study.pixel_area_mm2 == pytest.approx(0.56)


def test_no_orientation_falls_back_to_the_voxel_size(tmp_path):
    path = save(tmp_path / "x.nii", hu_volume().transpose())
    data = bytearray(path.read_bytes())
    data[252:256] = bytes(4)  # qform and sform code
    path.write_bytes(data)
    study = infnet.read(path)
    assert study.spacing == pytest.approx((2.5, 0.7, 0.8))
    assert any("how it is oriented" in w for w in texts(study))


def test_metres_become_millimetres(tmp_path):
    path = save(tmp_path / "x.nii", hu_volume().transpose(), np.diag([1e-3, 1e-3, 1e-3, 1]) @ RAS, xyzt_units=1)
    assert infnet.read(path).spacing == pytest.approx((2.5, 0.7, 0.8), rel=1e-5)


def test_several_files_are_several_series(tmp_path):
    hu = hu_volume()
    save(tmp_path / "a.nii", hu.transpose())
    save(tmp_path / "b.nii.gz", hu[::-1].transpose())
    with pytest.raises(SeveralSeriesError, match=r"a.nii .*b.nii.gz"):
        infnet.read(tmp_path)
    assert np.array_equal(infnet.read(tmp_path, series="b.nii.gz").pixels, hu[::-1])


def nan(array):
    array = array.astype(np.float32)
    array[1, 2, 3] = np.nan
    array[2, 2, 3] = np.inf
    return array


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda hu: nan(hu), "2 voxels are not numbers"),
        (lambda hu: np.stack([hu, hu], -1), "4-D"),
        (lambda hu: hu.astype(np.complex64), "complex"),
        (lambda hu: np.zeros(hu.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")]), "colour"),
    ],
)
def test_volumes_that_are_no_ct_are_refused(tmp_path, make, reason):
    path = save(tmp_path / "x.nii.gz", make(hu_volume().transpose()))
    with pytest.raises(ReadError, match=rf"^x.nii.gz: .*{reason}.*; "):
        infnet.read(path)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
def test_cut_short(tmp_path, packed, share):
    data = save(tmp_path / "whole.nii", hu_volume().transpose()).read_bytes()
    data = gzip.compress(data) if packed else data
    path = tmp_path / "x"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ReadError, match=r"^x: (cut short|a damaged gzip).*; export or copy it again$"):
        infnet.read(path)


def test_a_header_that_asks_for_too_much(tmp_path):
    path = save(tmp_path / "x.nii", hu_volume().transpose())
    data = bytearray(path.read_bytes())
    data[42:48] = np.array([32767] * 3, "<i2").tobytes()
    path.write_bytes(gzip.compress(bytes(data)))
    with pytest.raises(ReadError, match=r"^x.nii: 65530.0 GiB of voxels; "):
        infnet.read(path)


def packed(path, array, flaw=lambda data: data, level=6):
    """A .nii.gz of `array` with a flaw put into its packed bytes."""
    data = save(path.with_name("plain.nii"), array).read_bytes()
    path.write_bytes(flaw(bytearray(gzip.compress(data, level, mtime=0))))
    path.with_name("plain.nii").unlink()
    return path


def flipped(at):
    def flaw(data):
        data[at] ^= 4
        return data

    return flaw


@pytest.mark.parametrize(
    ("flaw", "level", "reason"),
    [
        (flipped(-6), 6, "a damaged gzip file: its checksum is another"),
        (flipped(2000), 0, "a damaged gzip file: its checksum is another"),  # level 0 stores blocks as they are
        (lambda data: data[:-8], 6, "cut short: the end of the gzip file is missing"),
    ],
)
def test_a_packed_file_is_checked_to_its_end(tmp_path, flaw, level, reason):
    path = packed(tmp_path / "x.nii.gz", hu_volume().transpose(), flaw, level)
    with pytest.raises(ReadError, match=f"^x.nii.gz: {reason}; export or copy it again$"):
        infnet.read(path)


def test_a_packed_file_that_is_a_bomb_is_refused_unread(tmp_path, monkeypatch):
    path = packed(tmp_path / "x.nii.gz", np.zeros((512, 512, 64), np.int16))
    monkeypatch.setattr(packing, "RATIO_MATTERS", 1 << 20)
    with pytest.raises(ReadError, match=r"^x.nii.gz: unpacks from \d+\.\d KiB to 32.0 MiB, far more than a chest CT"):
        infnet.read(path)


def test_a_volume_larger_than_the_free_memory_is_refused_unread(tmp_path, monkeypatch):
    path = save(tmp_path / "x.nii", hu_volume().transpose())
    monkeypatch.setattr(memory, "available", lambda: 10_000)
    with pytest.raises(ReadError, match=r"^x.nii: needs 18.0 KiB of memory where 9.8 KiB are free; close other"):
        infnet.read(path)


def edited(path, fields):
    """A NIfTI whose header fields, by their offset, are overwritten."""
    data = bytearray(save(path, hu_volume().transpose()).read_bytes())
    for at, values in fields.items():
        data[at : at + len(values)] = values
    path.write_bytes(data)
    return path


def floats(*values):
    return np.array(values, "<f4").tobytes()


SLOPE, SFORM, ZOOMS, CODES = 112, 280, 80, 252
WRONG = {
    "slope NaN": ({SLOPE: floats(np.nan, 0)}, "scl_slope nan"),
    "slope infinite": ({SLOPE: floats(np.inf, 0)}, "scl_slope inf"),
    "slope huge": ({SLOPE: floats(1e30, 0)}, r"scl_slope 1e\+30"),
    "intercept NaN": ({SLOPE: floats(1, np.nan)}, "scl_inter nan"),
    "sform singular": ({SFORM: floats(*[0] * 12)}, r"a damaged geometry in its header \(sform\)"),
    "sform NaN": ({SFORM: floats(np.nan)}, r"a damaged geometry in its header \(sform\)"),
    "qform NaN": ({CODES: b"\1\0\0\0", 256: floats(np.nan)}, r"a damaged geometry in its header \(qform\)"),
    "no zoom": ({CODES: bytes(4), ZOOMS: floats(0, 0)}, "no usable voxel size"),
    "huge": ({SFORM: floats(1e9, 0, 0, 0, 0, 1e9, 0, 0, 0, 0, 1e9, 0)}, r"voxels of 1e\+09 x 1e\+09 x 1e\+09 mm"),
    "unit": ({123: b"\x07"}, "an unknown unit"),
}


@pytest.mark.parametrize(("fields", "reason"), WRONG.values(), ids=WRONG)
def test_a_header_with_damaged_numbers_is_refused(tmp_path, fields, reason):
    with pytest.raises(ReadError, match=rf"^x.nii: .*{reason}.*; save it again as one 3-D NIfTI$"):
        infnet.read(edited(tmp_path / "x.nii", fields))


def test_slices_without_a_distance_give_no_volumes(tmp_path):
    study = infnet.read(edited(tmp_path / "x.nii", {CODES: bytes(4), ZOOMS + 8: floats(0)}))
    assert not study.volumetric
    assert study.pixel_area_mm2 == pytest.approx(0.56)
    assert any("how far apart its slices are" in w for w in texts(study))


def test_a_single_slice_needs_no_distance(tmp_path):
    path = save(tmp_path / "x.nii", hu_volume(1)[0].transpose())
    data = bytearray(path.read_bytes())
    data[SFORM : SFORM + 48] = floats(-0.8, 0, 0, 0, 0, -0.7, 0, 0, 0, 0, 0, 0)
    path.write_bytes(data)
    assert infnet.read(path).pixel_area_mm2 == pytest.approx(0.56)


def test_values_beyond_all_reason_are_refused(tmp_path):
    values = hu_volume().transpose().astype(np.float32)
    values[0, 0, 0] = 1e30
    with pytest.raises(ReadError, match=r"holds the value 1e\+30, which is neither HU nor grey"):
        infnet.read(save(tmp_path / "x.nii", values))
