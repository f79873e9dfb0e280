"""The phantom: its truth is exact, its HU are those of a chest, and its DICOM series keeps its geometry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from scipy.ndimage import binary_erosion, label

from infnet.errors import GeometryError
from infnet.geometry.affine import axial_affine
from infnet.geometry.orientation import Orientation
from infnet.measure.statistics import measure
from infnet.phantom import chest, write_dicom
from infnet.study import CONSOLIDATION, GGO, LEFT, RIGHT, Segmentation, Study


@pytest.fixture(scope="module")
def phantom():
    return chest()


def test_100_ml_are_20000_voxels_of_5_microlitres():
    phantom = chest(slices=40, spacing=(5.0, 1.0, 1.0), lesion_ml=100.0)
    assert np.count_nonzero(phantom.labels) == 20000
    result = Segmentation(phantom.labels, (phantom.labels > 0).astype(np.float32), phantom.lungs)
    numbers = measure(phantom.study, result).summary()
    assert numbers["lesion_volume_ml"] == pytest.approx(100.0, abs=1e-9)
    assert numbers["by_class"]["consolidation"]["lesion_volume_ml"] == pytest.approx(20.0, abs=1e-9)
    assert numbers["by_class"]["ggo"]["lesion_volume_ml"] == pytest.approx(80.0, abs=1e-9)


@pytest.mark.parametrize("ml", [0.0, 1.0, 37.3])
def test_any_volume_is_met_to_half_a_voxel(ml):
    phantom = chest(slices=12, rows=96, columns=96, spacing=(10.0, 3.0, 3.0), lesion_ml=ml)
    assert np.count_nonzero(phantom.labels) * 0.09 == pytest.approx(ml, abs=0.0450001)


def test_one_seed_one_chest():
    one, same, other = (chest(slices=3, rows=64, columns=64, spacing=(5, 5, 5), seed=s) for s in (1, 1, 2))
    assert np.array_equal(one.study.pixels, same.study.pixels)
    assert np.array_equal(one.labels, same.labels)
    assert not np.array_equal(one.labels, other.labels)


def test_lungs_are_where_the_patient_has_them(phantom):
    columns = np.arange(phantom.lungs.shape[2])
    right, left = ((phantom.lungs == side).any((0, 1)) for side in (RIGHT, LEFT))
    assert columns[right].mean() < phantom.lungs.shape[2] / 2 < columns[left].mean()
    for side in (RIGHT, LEFT):
        parts = label(phantom.lungs == side)[0]
        sizes = np.bincount(parts.ravel())[1:]
        assert sizes.max() / sizes.sum() > 0.99  # one lung is one piece
    volume = np.count_nonzero(phantom.lungs) * phantom.study.voxel_volume_ml
    assert 2500 < volume < 5500


def test_lesions_lie_in_both_lungs_and_low(phantom):
    assert (phantom.lungs[phantom.labels > 0] > 0).all()
    assert all((phantom.labels[phantom.lungs == side] > 0).any() for side in (RIGHT, LEFT))
    load = (phantom.labels > 0).sum((1, 2))
    assert load[:20].sum() > load[20:].sum()


def test_hu_are_those_of_a_chest(phantom):
    hu = phantom.study.pixels
    core = binary_erosion((phantom.lungs > 0) & (phantom.labels == 0), iterations=2)
    assert -900 < np.median(hu[core]) < -800
    assert -680 < np.median(hu[phantom.labels == GGO]) < -520
    assert -50 < np.median(hu[phantom.labels == CONSOLIDATION]) < 50
    assert np.median(hu[:, :20]) == pytest.approx(-1000, abs=15)
    assert (hu > 400).any()  # bone
    front, back = np.array_split(np.where(core, hu, 0), 2, axis=1)
    assert back[back < 0].mean() > front[front < 0].mean() + 15  # gravity


def test_a_healthy_chest_has_no_lesion():
    assert not chest(slices=2, rows=64, columns=64, spacing=(5, 5, 5), healthy=True).labels.any()


@pytest.mark.parametrize(
    "wrong",
    [{"rows": 8}, {"slices": 0}, {"spacing": (0, 1, 1)}, {"lesion_ml": 1e6}, {"lesion_ml": -1.0}],
)
def test_what_cannot_be_made_is_refused(wrong):
    with pytest.raises(GeometryError, match="phantom: "):
        chest(**{"slices": 1, "rows": 64, "columns": 64, "spacing": (5, 5, 5), **wrong})


def test_import_needs_no_pydicom():
    code = "import sys, infnet.phantom; sys.exit(any(m in sys.modules for m in ('torch', 'nibabel', 'pydicom')))"
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def rotation(axis: int, degrees: float) -> np.ndarray:
    a = np.deg2rad(degrees)
    turn = np.eye(4)
    i, j = [k for k in range(3) if k != axis]
    turn[i, i] = turn[j, j] = np.cos(a)
    turn[i, j], turn[j, i] = -np.sin(a), np.sin(a)
    return turn


UPRIGHT = axial_affine((4.0, 0.7, 0.9), (-11.0, 7.5, -300.25))
AFFINES = {
    "identity": UPRIGHT,
    "flipped in plane": UPRIGHT @ np.diag([1.0, -1, -1, 1]),
    "head first in the file": UPRIGHT @ np.diag([-1.0, 1, 1, 1]),
    "rows to the front": np.array([[0, 0.9, 0, 1], [0, 0, -0.7, 2], [4.0, 0, 0, 3], [0, 0, 0, 1]]),
    "oblique in plane": rotation(2, 17) @ UPRIGHT,
    "oblique in space": rotation(0, 23) @ rotation(2, -31) @ rotation(1, 12) @ UPRIGHT,
    "tilted gantry": UPRIGHT + np.array([[0, 0, 0, 0], [1.3, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]),
}


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_a_dicom_series_carries_pixels_and_world(affine, tmp_path):
    rng = np.random.default_rng(0)
    study = Study(rng.integers(-1024, 3071, (3, 5, 4)).astype(np.int16), affine)
    paths = write_dicom(study, tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    for index, path in enumerate(paths):
        ds = pydicom.dcmread(path)
        assert ds.SOPClassUID == pydicom.uid.CTImageStorage
        hu = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
        assert np.array_equal(hu, study.pixels[index])
        # The standard's own equation (C.7.6.2.1-1) for the last voxel of the slice.
        row_mm, column_mm = map(float, ds.PixelSpacing)
        along_row, along_column = np.array(ds.ImageOrientationPatient, float).reshape(2, 3)
        world = np.array(ds.ImagePositionPatient, float) + along_row * column_mm * 3 + along_column * row_mm * 4
        assert world == pytest.approx((affine @ (index, 4, 3, 1))[:3], abs=1e-5)
        assert str(ds.PatientName) == "Phantom^Chest"


def test_dicom_names_tell_no_order_and_one_phantom_gives_one_series(tmp_path):
    study = chest(slices=6, rows=32, columns=32, spacing=(5, 10, 10)).study
    first, again = write_dicom(study, tmp_path / "a"), write_dicom(study, tmp_path / "b")
    assert [p.name for p in first] != sorted(p.name for p in first)
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]
    assert len({pydicom.dcmread(p).SeriesInstanceUID for p in first}) == 1


def test_dicom_in_another_orientation_turns_the_patient(tmp_path):
    study = chest(slices=2, rows=32, columns=32, spacing=(5, 10, 10)).study
    path = write_dicom(study, tmp_path, orientation=(0, -1, 0, 1, 0, 0))[1]
    ds = pydicom.dcmread(path)
    assert [float(v) for v in ds.ImageOrientationPatient] == [0, -1, 0, 1, 0, 0]
    step = np.array(ds.ImagePositionPatient, float) - study.affine[:3, 3]
    assert step == pytest.approx([0, 0, 5])


def test_dicom_refuses_what_a_ct_series_cannot_carry(tmp_path):
    with pytest.raises(GeometryError, match="without HU"):
        write_dicom(Study(np.zeros((1, 4, 4), np.uint8), None, is_hu=False), tmp_path)
    sheared = axial_affine((5.0, 1.0, 1.0))
    sheared[0, 1] = 0.3
    with pytest.raises(GeometryError, match="square"):
        write_dicom(Study(np.zeros((1, 4, 4), np.int16), sheared), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_written_series_is_upright_again_by_its_own_cosines(tmp_path):
    """An asymmetric truth, written with [0,-1,0] cosines and read by the standard, stands upright again."""
    phantom = chest(slices=2, rows=64, columns=64, spacing=(5, 5, 5))
    turned = np.ascontiguousarray(phantom.study.pixels.transpose(0, 2, 1)[:, :, ::-1])  # rows: x; columns: front
    affine = np.zeros((4, 4))
    affine[2, 0], affine[0, 1], affine[1, 2], affine[3, 3] = 5, 5, -5, 1
    paths = write_dicom(Study(turned, affine), tmp_path)
    ds = pydicom.dcmread(paths[0])
    assert [float(v) for v in ds.ImageOrientationPatient] == [0, -1, 0, 1, 0, 0]
    hu = ds.pixel_array[None] + float(ds.RescaleIntercept)
    assert np.array_equal(Orientation.of(affine).apply(hu)[0], phantom.study.pixels[0])
