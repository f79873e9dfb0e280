"""Order, geometry, HU and series of DICOM: hand-computed on synthetic slices, then on real ones."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

import infnet
from infnet.errors import ReadError, SeveralSeriesError
from infnet.geometry.orientation import Orientation
from infnet.read import find_series
from tests.notices import texts

from .making import AXIAL, ORIGIN, SERIES, SPACING, STEP, along, ct_slice, enhanced, hu_volume, save, save_series

C, S = np.cos(np.radians(20)), np.sin(np.radians(20))
ORIENTATIONS = {
    "axial": AXIAL,
    "rows to the front": (1, 0, 0, 0, -1, 0),
    "columns to the right": (-1, 0, 0, 0, 1, 0),
    "upside down": (-1, 0, 0, 0, -1, 0),
    "turned by 90 degrees": (0, -1, 0, 1, 0, 0),
    "turned and mirrored": (0, -1, 0, -1, 0, 0),
    "transposed": (0, 1, 0, 1, 0, 0),
    "oblique": (C, 0, S, 0, 1, 0),
    "doubly oblique": (C, S, 0, -S * C, C * C, S),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS.keys())
def test_every_orientation_keeps_each_voxel_where_the_patient_has_it(tmp_path, orientation):
    hu = hu_volume()
    positions = along(len(hu), orientation)
    study = infnet.read(save_series(tmp_path / "ct", hu, positions, orientation))
    assert study.is_hu
    assert study.volumetric
    assert study.pixels.dtype == np.int16
    assert np.array_equal(study.pixels, hu)  # ascending along the normal, which is how the slices were made
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    for index in [(0, 0, 0), (5, 0, 0), (2, 23, 0), (3, 7, 31)]:
        expected = positions[index[0]] + column * SPACING[0] * index[1] + row * SPACING[1] * index[2]
        assert study.affine @ [*index, 1] == pytest.approx([*expected, 1], abs=1e-4)
    assert study.spacing == pytest.approx((STEP, *SPACING), abs=1e-5)  # not the slice thickness of 5


def test_slices_written_head_first_are_sorted_feet_first(tmp_path):
    hu = hu_volume()
    positions = along(len(hu))[::-1]
    study = infnet.read(save_series(tmp_path / "ct", hu, positions))
    assert np.array_equal(study.pixels, hu[::-1])
    assert study.affine[:3, 3] == pytest.approx(ORIGIN)
    assert study.orientation == Orientation()


def test_a_list_of_files_and_one_file(tmp_path):
    hu = hu_volume()
    files = sorted(save_series(tmp_path / "ct", hu).iterdir(), reverse=True)
    assert np.array_equal(infnet.read([str(f) for f in files]).pixels, hu)
    one = infnet.read(save(ct_slice(hu[0], SpacingBetweenSlices=3.0), tmp_path / "one"))
    assert np.array_equal(one.pixels, hu[:1])
    assert not one.volumetric
    assert one.affine[:3, 0] == pytest.approx([0, 0, 3])
    assert one.pixel_area_mm2 == pytest.approx(0.56)
    assert any("single slice" in w for w in texts(one))


def test_a_gap_gives_a_warning_and_no_volume(tmp_path):
    hu = hu_volume()
    positions = along(8)[[0, 1, 2, 5, 6, 7]]
    study = infnet.read(save_series(tmp_path / "ct", hu, positions))
    assert not study.volumetric
    assert "2 slices seem to be missing: a gap of 7.5 mm where slices are 2.5 mm apart" in texts(study)[0]


def test_uneven_slices_give_a_warning_and_no_volume(tmp_path):
    hu = hu_volume(4)
    positions = along(4)
    positions[2, 2] += 0.6
    study = infnet.read(save_series(tmp_path / "ct", hu, positions))
    assert not study.volumetric
    assert "unevenly spaced, 1.90 to 3.10 mm" in texts(study)[0]


def test_positions_rounded_to_a_tenth_are_even(tmp_path):
    hu = hu_volume(9)
    positions = along(9, step=0.625).round(1)
    study = infnet.read(save_series(tmp_path / "ct", hu, positions))
    assert study.volumetric
    assert texts(study) == ()
    assert study.spacing[0] == pytest.approx(0.625)


def test_gantry_tilt_shears_the_affine_and_keeps_the_volume(tmp_path):
    hu = hu_volume(4)
    tilt = np.radians(15)
    orientation = (1, 0, 0, 0, np.cos(tilt), np.sin(tilt))  # the slices lean, the table still moves straight up
    positions = np.array(ORIGIN) + np.outer(np.arange(4) * 2.0, [0, 0, 1])
    study = infnet.read(save_series(tmp_path / "ct", hu, positions, orientation))
    assert study.volumetric
    assert any("tilted" in w and "15.0 degrees" in w for w in texts(study))
    assert study.affine[:3, 0] == pytest.approx([0, 0, 2])
    assert study.voxel_volume_ml == pytest.approx(0.7 * 0.8 * 2 * np.cos(tilt) / 1000)


def test_duplicates_are_dropped_and_different_ones_cost_the_volume(tmp_path):
    hu = hu_volume(4)
    folder = save_series(tmp_path / "ct", hu)
    save(ct_slice(hu[1], along(4)[1], number=99), folder / "again")
    study = infnet.read(folder)
    assert np.array_equal(study.pixels, hu)
    assert study.volumetric
    assert texts(study) == ("1 duplicate slice was left out.",)
    save(ct_slice(hu[0], along(4)[1], number=100), folder / "another")
    study = infnet.read(folder)
    assert np.array_equal(study.pixels, hu)
    assert not study.volumetric
    assert any("1 slice was left out: a different one lies at the same place" in w for w in texts(study))


def test_two_acquisitions_in_one_series_become_two(tmp_path):
    hu = hu_volume(4)
    save_series(tmp_path / "ct" / "a", hu, AcquisitionNumber=1)
    save_series(tmp_path / "ct" / "b", hu[::-1], AcquisitionNumber=2)
    found = find_series(tmp_path / "ct")
    assert [s.slices for s in found.series] == [4, 4]
    assert {s.description for s in found.series} == {"Lung 2.5, acquisition 1", "Lung 2.5, acquisition 2"}
    second = next(s for s in found.series if s.description.endswith("2"))
    assert np.array_equal(infnet.read(tmp_path / "ct", series=second.key).pixels, hu[::-1])


def test_several_series_are_listed_and_chosen(tmp_path):
    hu = hu_volume(4)
    save_series(tmp_path / "ct" / "a", hu)
    save_series(tmp_path / "ct" / "b", hu[:3, ::-1], SeriesInstanceUID=SERIES + ".9", SeriesDescription="Soft")
    expected = r"ct: holds 2 series; choose one .*Lung 2.5, 4 slices.*Soft, 3 slices"
    with pytest.raises(SeveralSeriesError, match=expected) as error:
        infnet.read(tmp_path / "ct")
    assert [(s.key, s.slices, s.format, s.modality) for s in error.value.series] == [
        (SERIES, 4, "DICOM", "CT"),
        (SERIES + ".9", 3, "DICOM", "CT"),
    ]
    assert np.array_equal(infnet.read(tmp_path / "ct", series=SERIES + ".9").pixels, hu[:3, ::-1])
    assert np.array_equal(infnet.read(tmp_path / "ct", series="1").pixels, hu)
    with pytest.raises(SeveralSeriesError, match="has no series 'nonsense'"):
        infnet.read(tmp_path / "ct", series="nonsense")


def test_localizer_report_and_notes_are_left_out_and_listed(tmp_path):
    hu = hu_volume(4)
    folder = save_series(tmp_path / "ct", hu)
    save(ct_slice(hu[0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), folder / "scout")
    save(ct_slice(hu[0], Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67"), folder / "dose")
    save(ct_slice(hu[0], orientation=(1, 0, 0, 0, 0, -1), SeriesInstanceUID=SERIES + ".5"), folder / "coronal")
    (folder / "notes.txt").write_text("hello\n" * 60)
    study = infnet.read(folder)
    assert np.array_equal(study.pixels, hu)
    assert study.volumetric
    skipped = dict(study.source["skipped"])
    assert set(skipped) == {"scout", "dose", "coronal", "notes.txt"}
    assert "localizer" in skipped["scout"]
    assert "coronal" in skipped["coronal"]
    assert "4 files were left out" in texts(study)[-1]
    assert dict(find_series(folder).skipped) == skipped


def test_no_patient_name_anywhere(tmp_path):
    folder = save_series(tmp_path / "Doe_Jane", hu_volume(3), SeriesDescription="DOE JANE lung")
    (folder / "jane.txt").write_text("x" * 50)
    study = infnet.read(folder)
    said = f"{study.name} {texts(study)} {dict(study.source)} {find_series(folder).series}".lower()
    assert "series 3" in study.name
    assert "doe" not in said
    assert "jane" not in said
    assert "pid4711" not in said
    assert study.patient
    assert not {"doe", "4711"} & set(study.patient.split())
    assert study.patient not in repr(study)


def test_patients_are_told_apart_by_what_leads_back_to_nobody(tmp_path):
    def token(name, **tags):
        return infnet.read(save_series(tmp_path / name, hu_volume(3), **tags)).patient

    one = token("a", PatientID="PID1")
    assert token("b", PatientID=" pid1", PatientName="Other^Spelling") == one
    assert token("c", PatientID="PID2") not in (one, "")
    assert token("d", PatientID=None, PatientName=None) == ""
    code = "import infnet, sys; print(infnet.read(sys.argv[1]).patient)"
    elsewhere = subprocess.run([sys.executable, "-c", code, tmp_path / "a"], capture_output=True, text=True, check=True)
    assert elsewhere.stdout.strip() not in (one, "")  # another process, another key: nobody can try names on it


def test_missing_positions_fall_back_to_instance_numbers(tmp_path):
    hu = hu_volume()
    study = infnet.read(save_series(tmp_path / "ct", hu, ImagePositionPatient=None))
    assert np.array_equal(study.pixels, hu)
    assert study.spacing == pytest.approx((1.0, *SPACING))
    assert not study.volumetric
    assert "does not say where the slices lie" in texts(study)[0]
    bare = infnet.read(save_series(tmp_path / "bare", hu, ImagePositionPatient=None, PixelSpacing=None))
    assert bare.affine is None
    assert "no pixel spacing" in texts(bare)[0]


def test_padding_becomes_air(tmp_path):
    hu = hu_volume(2)
    stored = hu.astype(np.int16)
    stored[:, :3] = -2000
    tags = {"PixelRepresentation": 1, "BitsStored": 16, "HighBit": 15, "RescaleIntercept": 0}
    for name, more in {"by range": {}, "by tag": {"PixelPaddingValue": -2000}}.items():
        folder = tmp_path / name
        folder.mkdir()
        for i in range(2):
            ds = ct_slice(hu[i], along(2)[i], **tags)
            ds.PixelData = stored[i].astype("<i2").tobytes()
            if more:
                ds.add_new("PixelPaddingValue", "SS", -2000)
            save(ds, folder / str(i))
        study = infnet.read(folder)
        assert study.pixels.dtype == np.int16
        assert (study.pixels[:, :3] == -1024).all()
        assert np.array_equal(study.pixels[:, 3:], hu[:, 3:])


def test_padding_above_the_stored_bits_does_not_turn_into_bone(tmp_path):
    hu = hu_volume(1)[0]
    ds = ct_slice(hu)
    stored = (hu.astype(np.int32) + 1024).astype(np.uint16)
    stored[:2] = 63536
    ds.PixelData = stored.tobytes()
    ds.add_new("PixelPaddingValue", "US", 63536)
    pixels = infnet.read(save(ds, tmp_path / "x")).pixels[0]
    assert (pixels[:2] == -1024).all()
    assert np.array_equal(pixels[2:], hu[2:])


def test_leftovers_in_unused_bits_are_cleared(tmp_path):
    hu = hu_volume(1)[0]
    ds = ct_slice(hu)
    ds.PixelData = ((hu.astype(np.int32) + 1024).astype(np.uint16) | 0x4000).tobytes()
    assert np.array_equal(infnet.read(save(ds, tmp_path / "x")).pixels[0], hu)


def test_rescale_by_slice_fractional_and_missing(tmp_path):
    hu = hu_volume(2)
    folder = tmp_path / "each"
    folder.mkdir()
    save(ct_slice(hu[0], along(2)[0]), folder / "a")
    save(ct_slice(hu[1], along(2)[1], RescaleIntercept=-1000), folder / "b")
    study = infnet.read(folder)
    assert np.array_equal(study.pixels[1], hu[1] + 24)
    half = infnet.read(save(ct_slice(hu[0], RescaleSlope="0.25"), tmp_path / "half"))
    assert half.pixels.dtype == np.float32
    assert half.pixels[0] == pytest.approx((hu[0].astype(float) + 1024) / 4 - 1024)
    none = infnet.read(save(ct_slice(hu[0], RescaleSlope=None, RescaleIntercept=None), tmp_path / "none"))
    assert not none.is_hu
    assert none.pixels.dtype == np.uint16
    assert "no rescale" in texts(none)[0]


def test_padding_does_not_make_grey_look_like_hu(tmp_path):
    hu = hu_volume(1)[0]
    tags = {"PixelRepresentation": 1, "BitsStored": 16, "RescaleSlope": None, "RescaleIntercept": None}
    ds = ct_slice(hu, **tags)
    grey = (hu + 1000).astype("<i2")
    grey[:2] = -2000
    ds.PixelData = grey.tobytes()
    ds.add_new("PixelPaddingValue", "SS", -2000)
    study = infnet.read(save(ds, tmp_path / "grey"))
    assert not study.is_hu
    assert np.array_equal(study.pixels[0, 2:], hu[2:] + 1000)
    assert (study.pixels[0, :2] == (hu[2:] + 1000).min()).all()
    ds = ct_slice(hu, **tags)
    ds.PixelData = hu.astype("<i2").tobytes()
    study = infnet.read(save(ds, tmp_path / "hu"))
    assert study.is_hu
    assert np.array_equal(study.pixels[0], hu)
    assert "look like HU" in texts(study)[0]


def test_a_rescale_that_changes_nothing_is_ignored_where_no_value_is_air(tmp_path):
    hu = hu_volume(1)[0]
    study = infnet.read(save(ct_slice(hu, RescaleIntercept=0), tmp_path / "x"))
    assert not study.is_hu
    assert np.array_equal(study.pixels[0], hu + 1024)
    assert "no value is below 0" in texts(study)[0]


def test_modality_lut_and_monochrome1(tmp_path):
    hu = hu_volume(1)[0]
    lut = Dataset()
    lut.LUTDescriptor, lut.ModalityLUTType = [2048, 0, 16], "HU"
    lut.LUTData = (np.arange(2048) * 2).astype("<u2").tobytes()
    lut["LUTData"].VR = "OW"
    ds = ct_slice(hu, RescaleSlope=None, RescaleIntercept=None, ModalityLUTSequence=[lut])
    study = infnet.read(save(ds, tmp_path / "lut"))
    assert np.array_equal(study.pixels[0], 2 * (hu.astype(np.int32) + 1024))
    inverted = infnet.read(save(ct_slice(hu, PhotometricInterpretation="MONOCHROME1"), tmp_path / "mono"))
    assert np.array_equal(inverted.pixels[0], hu)
    assert any("MONOCHROME1" in w for w in texts(inverted))


def test_enhanced_multi_frame_uses_each_frames_position_and_rescale(tmp_path):
    hu = hu_volume(5)
    order = [3, 0, 4, 1, 2]
    positions = along(5)
    ds = enhanced(hu[order], positions[order], [-1024, -1000, -1024, -1010, -1024])
    study = infnet.read(save(ds, tmp_path / "enhanced"))
    assert np.array_equal(study.pixels, hu)
    assert study.volumetric
    assert study.spacing == pytest.approx((STEP, *SPACING))
    assert study.affine[:3, 3] == pytest.approx(ORIGIN)


@pytest.mark.parametrize("also", ["slices of another size", "another direction"])
def test_a_series_of_two_kinds_is_taken_apart(tmp_path, also):
    hu = hu_volume(4)
    save_series(tmp_path / "ct" / "a", hu)
    if also == "another direction":
        save_series(tmp_path / "ct" / "b", hu[:2], orientation=(C, 0, S, 0, 1, 0))
    else:
        save_series(tmp_path / "ct" / "b", hu[:2, :12])
    found = find_series(tmp_path / "ct")
    assert [(s.key, s.slices) for s in found.series] == [(SERIES + "#1", 4), (SERIES + "#2", 2)]


def test_a_coronal_series_is_refused(tmp_path):
    folder = save_series(tmp_path / "ct", hu_volume(3), orientation=(1, 0, 0, 0, 0, -1))
    with pytest.raises(ReadError, match=r"coronal or sagittal slices, not axial ones; give"):
        infnet.read(folder)


def test_a_script_without_main_guard_can_read_compressed_slices(tmp_path):
    hu = hu_volume(1)[0]
    ds = ct_slice(hu)
    ds.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    save(ds, tmp_path / "x")
    script = tmp_path / "script.py"
    path = str(tmp_path / "x")
    lines = [f"import sys; sys.path[:0] = {sys.path!r}", "import infnet", f"study = infnet.read({path!r})"]
    script.write_text("\n".join([*lines, "print(study.pixels.sum())"]))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout.strip() == str(int(hu.sum())), done.stderr


def test_reading_imports_nothing_heavy():
    code = f"import sys; sys.path[:0] = {sys.path!r}\nimport infnet\n"
    code += "print([m for m in ('pydicom', 'nibabel', 'PIL', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.data
def test_covid_p001_reads_whole_and_quickly(data):
    start = time.perf_counter()
    study = infnet.read(data / "covid-p001")
    seconds = time.perf_counter() - start
    assert study.pixels.shape == (74, 512, 512)
    assert (study.pixels.dtype, study.is_hu, study.volumetric, texts(study)) == (np.int16, True, True, ())
    assert study.spacing == pytest.approx((4.0, 0.748046875, 0.748046875))
    assert -1024 <= study.pixels.min() < -900
    assert study.orientation == Orientation()
    assert seconds < 20  # about 2.5 s on a quiet machine; the tests may run on a busy one


@pytest.mark.data
def test_lidc_0001_reads_whole_without_its_padding(data):
    study = infnet.read(data / "lidc-0001")
    assert study.pixels.shape == (45, 512, 512)
    assert study.spacing == pytest.approx((7.5, 0.703125, 0.703125))
    assert study.pixels.dtype == np.int16
    assert (study.pixels.min(), study.pixels[0, 0, 0]) == (-1024, -1024)  # a corner lies outside the field of view
    assert study.volumetric


@pytest.mark.parametrize(("tag", "kept"), [("YES", "YES"), ("NO", None), (None, None)])
def test_text_burned_into_the_picture_is_passed_on(tmp_path, tag, kept):
    tags = {"BurnedInAnnotation": tag} if tag else {}
    study = infnet.read(save_series(tmp_path, hu_volume(), **tags))
    assert study.source.get("burned_in_annotation") == kept
