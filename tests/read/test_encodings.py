"""Transfer syntaxes: every compressed twin has exactly the pixels of the uncompressed one."""

from __future__ import annotations

import warnings

import numpy as np
import openjpeg.utils
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

import infnet
from infnet.errors import ReadError
from tests.notices import texts

from .making import along, ct_slice, enhanced, hu_volume, save

NATIVE = [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
COMPRESSED = [RLELossless, JPEGLSLossless, JPEG2000Lossless]


def compress(ds, syntax):
    if syntax == JPEG2000Lossless:
        frames = np.frombuffer(ds.PixelData, "<i2" if ds.PixelRepresentation else "<u2")
        frames = frames.reshape(-1, ds.Rows, ds.Columns)
        ds.PixelData = encapsulate([openjpeg.utils.encode(f, bits_stored=ds.BitsStored) for f in frames])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = syntax
    elif syntax.is_encapsulated:
        ds.compress(syntax, generate_instance_uid=False)
    else:
        ds.file_meta.TransferSyntaxUID = syntax
    return ds


@pytest.mark.parametrize("syntax", NATIVE + COMPRESSED, ids=lambda s: s.name)
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_twins_have_the_same_pixels(tmp_path, syntax, signed):
    hu = hu_volume(1, 64, 72)[0]
    ds = ct_slice(hu)
    if signed:
        ds.PixelRepresentation, ds.BitsStored, ds.HighBit, ds.RescaleIntercept = 1, 16, 15, 0
        ds.PixelData = hu.astype("<i2").tobytes()
    study = infnet.read(save(compress(ds, syntax), tmp_path / "x"))
    assert np.array_equal(study.pixels[0], hu)
    assert study.pixels.dtype == np.int16
    assert study.source["transfer_syntax"] == syntax.name


@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda s: s.name)
def test_compressed_multi_frame(tmp_path, syntax):
    hu = hu_volume(4, 64, 72)
    order = [2, 0, 3, 1]
    ds = enhanced(hu[order], along(4)[order], [-1024] * 4)
    study = infnet.read(save(compress(ds, syntax), tmp_path / "x"))
    assert np.array_equal(study.pixels, hu)


def test_a_series_of_mixed_syntaxes_over_two_workers(tmp_path):
    hu = hu_volume(20, 64, 72)
    for i in range(20):
        ds = ct_slice(hu[i], along(20)[i])
        save(ds if i == 7 else compress(ds, COMPRESSED[i % 3]), tmp_path / f"{19 - i}")
    study = infnet.read(tmp_path)
    assert np.array_equal(study.pixels, hu)
    assert study.volumetric


def test_raw_pixels_under_the_name_of_a_compressed_syntax(tmp_path):
    hu = hu_volume(1, 64, 72)[0]
    ds = ct_slice(hu)
    ds["PixelData"].VR = "OW"
    path = save(ds, tmp_path / "x")
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"))
    assert np.array_equal(infnet.read(path).pixels[0], hu)


def test_no_preamble(tmp_path):
    hu = hu_volume(1, 64, 72)[0]
    ds = compress(ct_slice(hu), ImplicitVRLittleEndian)
    del ds.file_meta
    pydicom.dcmwrite(tmp_path / "x", ds, implicit_vr=True, little_endian=True, enforce_file_format=False)
    assert (tmp_path / "x").read_bytes()[128:132] != b"DICM"
    assert np.array_equal(infnet.read(tmp_path / "x").pixels[0], hu)


@pytest.mark.data
def test_the_four_real_twins_are_identical(data):
    twins = [infnet.read(data / "encodings" / f"wg04_CT1_{name}.dcm") for name in ("UNC", "RLE", "J2KR", "JPLL")]
    assert twins[0].pixels.shape == (1, 512, 512)
    assert (twins[0].pixels.min(), twins[0].pixels.max()) == (-1024, 1254)
    for twin in twins[1:]:
        assert np.array_equal(twin.pixels, twins[0].pixels)
        assert np.array_equal(twin.affine, twins[0].affine)


@pytest.mark.data
def test_twins_in_one_folder_count_once(data):
    names = [data / "encodings" / f"wg04_CT1_{name}.dcm" for name in ("UNC", "J2KR", "JPLL")]
    one_series = {pydicom.dcmread(n, stop_before_pixels=True).SeriesInstanceUID for n in names}
    assert len(one_series) == 1
    study = infnet.read(names)
    assert study.pixels.shape == (1, 512, 512)
    assert any("2 duplicate slices" in w for w in texts(study))


REFUSED = {
    "CTImage.dcm_JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53.dcm": "cannot decode JPEG Spectral Selection",
    "notzaki_chest_scout_JPEG70.dcm": "a localizer",
    "pyd_MR_truncated.dcm": "MR, not CT",
    "pyd_badVR.dcm": "a dose map",
    "pyd_no_meta.dcm": "not an image this program knows",
    "pyd_rtstruct.dcm": "a structure set",
    "pydata_eCT_Supplemental.dcm": "a perfusion map",
}


@pytest.mark.data
@pytest.mark.parametrize("name", REFUSED)
def test_files_that_cannot_be_read_give_one_line(data, name):
    with pytest.raises(ReadError) as error:
        infnet.read(data / "encodings" / name)
    assert str(error.value).startswith(f"{name}: ")
    assert REFUSED[name] in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("20-wrong-transfer-syntax.dcm", -1024, 1254),
        ("54-implicit-file-meta-info.dcm", -1024, 2825),
        ("notzaki_CT_headless.dcm", -949, 1132),
        ("pyd_CT_small.dcm", -896, 1167),
    ],
)
def test_nonstandard_files_are_read(data, name, low, high):
    study = infnet.read(data / "encodings" / name)
    assert (study.pixels.min(), study.pixels.max(), study.is_hu) == (low, high, True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = pydicom.dcmread(data / "encodings" / name, force=True)
    stored = np.frombuffer(raw.PixelData, "<i2")[: study.pixels.size]
    expected = stored.reshape(raw.Rows, raw.Columns).astype(int) - 1024
    assert np.array_equal(study.pixels[0], np.maximum(expected, -1024))
