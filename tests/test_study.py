"""The values that travel: geometry, and the errors that name the next action."""

from __future__ import annotations

import numpy as np
import pytest

from infnet.errors import GeometryError
from infnet.geometry.affine import axial_affine
from infnet.notices import warn
from infnet.study import CONSOLIDATION, GGO, Segmentation, Study, label

PIXELS = np.zeros((2, 3, 4), np.int16)
FIRST, SECOND = warn("first", "First."), warn("second", "Second.")


def test_spacing_area_and_volume_of_an_upright_grid_are_exact():
    study = Study(PIXELS, axial_affine((5.0, 0.7, 0.8)))
    assert study.spacing == (5.0, 0.7, 0.8)
    assert study.pixel_area_mm2 == pytest.approx(0.56, rel=1e-15)
    assert Study(PIXELS, axial_affine((5.0, 1.0, 1.0))).voxel_volume_ml == 0.005


def test_spacing_and_volume_do_not_change_when_the_grid_is_turned():
    angle = 0.3
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    study = Study(PIXELS, turn @ axial_affine((5.0, 0.7, 0.8), (10, -20, 30)))
    assert study.spacing == pytest.approx((5.0, 0.7, 0.8))
    assert study.voxel_volume_ml == pytest.approx(5 * 0.7 * 0.8 / 1000)


def test_a_tilted_gantry_has_the_volume_between_its_slices():
    tilted = axial_affine((5.0, 1.0, 1.0))
    tilted[1, 0] = 3.0  # each slice shifted 3 mm back: same height, same volume
    assert Study(PIXELS, tilted).voxel_volume_ml == pytest.approx(0.005)


def test_a_picture_has_no_millimetres():
    study = Study(PIXELS.astype(np.uint8), None, is_hu=False)
    assert not study.volumetric
    with pytest.raises(GeometryError, match="with_spacing"):
        _ = study.spacing
    with pytest.raises(GeometryError, match="no volume"):
        _ = study.voxel_volume_ml


def test_with_spacing_gives_areas_but_never_volumes():
    study = Study(PIXELS.astype(np.uint8), None, is_hu=False).with_spacing(0.5, 0.25)
    assert study.pixel_area_mm2 == 0.125
    assert not study.volumetric


@pytest.mark.parametrize("spacing", [(0, 1), (-1, 1), (np.nan, 1), (np.inf, 1)])
def test_with_spacing_refuses_what_is_no_length(spacing):
    with pytest.raises(GeometryError, match="above 0"):
        Study(PIXELS, None, is_hu=False).with_spacing(*spacing)


def test_uneven_slices_have_no_volume():
    study = Study(PIXELS, axial_affine((5.0, 1.0, 1.0)), volumetric=False)
    with pytest.raises(GeometryError, match="areas"):
        _ = study.voxel_volume_ml


@pytest.mark.parametrize("shape", [(3, 4), (0, 3, 4), (1, 2, 3, 4)])
def test_pixels_are_slice_row_column(shape):
    with pytest.raises(GeometryError, match="slice, row, column"):
        Study(np.zeros(shape))


@pytest.mark.parametrize("affine", [np.eye(3), np.zeros((4, 4)), np.full((4, 4), np.nan)])
def test_an_affine_is_invertible(affine):
    with pytest.raises(GeometryError, match="invertible"):
        Study(PIXELS, affine)


def test_with_pixels_keeps_geometry_and_refuses_another_grid():
    study = Study(PIXELS, axial_affine((5.0, 1.0, 1.0)), name="a", notices=(FIRST,))
    other = study.with_pixels(PIXELS + 1)
    assert other.affine is study.affine
    assert other.notices == (FIRST,)
    assert other.pixels[0, 0, 0] == 1
    with pytest.raises(GeometryError, match="keep the grid"):
        study.with_pixels(PIXELS[:1])


def test_warnings_are_added_to_a_copy():
    study = Study(PIXELS, None, notices=(FIRST,))
    assert study.with_notices(SECOND).notices == (FIRST, SECOND)
    assert study.notices == (FIRST,)


def test_a_segmentation_has_one_grid():
    with pytest.raises(GeometryError, match="one grid"):
        Segmentation(PIXELS.astype(np.uint8), np.zeros((2, 3, 5), np.float32), PIXELS.astype(np.uint8))


def test_labels_by_the_threshold_of_infection_and_that_of_consolidation():
    probability = np.array([0.49, 0.5, 0.9, 0.9], np.float32)
    share = np.array([255, 127, 128, 191], np.uint8)
    assert label(probability, share, 0.5).tolist() == [0, GGO, CONSOLIDATION, CONSOLIDATION]
    assert label(probability, share, 0.5, 0.75).tolist() == [0, GGO, GGO, GGO]  # 191 of 255 is just below 75 %
    assert label(probability, share, 0.4, 0.7).tolist() == [CONSOLIDATION, GGO, GGO, CONSOLIDATION]


def test_only_facts_of_the_allow_list_are_shown():
    source = {"description": "Miller chest", "transfer_syntax": "raw", "format": "DICOM"}
    assert Study(PIXELS, None, source=source).shown_source == {"format": "DICOM", "transfer_syntax": "raw"}
