"""What is drawn, and that it stands upright."""

from __future__ import annotations

import numpy as np
import pytest

from infnet.errors import GeometryError
from infnet.geometry.affine import axial_affine
from infnet.overlay import (
    COLOURS,
    DIFFERENCE_COLOURS,
    LUNG_COLOUR,
    cut,
    difference,
    display,
    heat,
    heat_scale,
    overlay,
    plane,
)
from infnet.study import CONSOLIDATION, GGO, Segmentation, Study
from tests.orders import ORDERS, stored


def marked(affine: np.ndarray | None) -> tuple[Study, tuple[int, int, int]]:
    """A volume with one bright voxel at the patient's right, front, head corner."""
    pixels = np.full((3, 4, 5), -1350, np.int16)
    corner = [0, 0, 0]
    if affine is not None:
        # The corner that maps to least x, least y, greatest z.
        index = np.stack([g.ravel() for g in np.indices(pixels.shape)] + [np.ones(pixels.size)])
        world = affine @ index
        corner = [int(v) for v in index[:3, int(np.argmax(world[2] - world[0] - world[1]))]]
    pixels[tuple(corner)] = 150
    return Study(pixels, affine), (corner[0], corner[1], corner[2])


RAS = np.zeros((4, 4))
RAS[0, 2], RAS[1, 1], RAS[2, 0], RAS[3, 3] = -1, -1, 1, 1  # what a NIfTI in RAS becomes
COSINES = np.zeros((4, 4))
COSINES[2, 0], COSINES[0, 1], COSINES[1, 2], COSINES[3, 3] = 1, 1, -1, 1  # rows [0,-1,0]
SAGITTAL = np.zeros((4, 4))
SAGITTAL[0, 0], SAGITTAL[2, 1], SAGITTAL[1, 2], SAGITTAL[3, 3] = 1, -1, 1, 1


@pytest.mark.parametrize(
    "affine", [axial_affine((1.0, 1.0, 1.0)), RAS, COSINES, SAGITTAL], ids=["upright", "RAS", "[0,-1,0]", "sagittal"]
)
def test_right_is_left_on_the_picture_and_front_on_top(affine):
    study, corner = marked(affine)
    turned = study.orientation.apply(study.pixels)
    top = display(study, len(turned) - 1)  # the slice nearest to the head
    assert top[0, 0] == 255
    assert np.count_nonzero(top) == 1
    labels = np.zeros(study.pixels.shape, np.uint8)
    labels[corner] = GGO
    drawn = overlay(top, study.orientation.apply(labels)[-1], opacity=1)
    assert tuple(drawn[0, 0]) == COLOURS[GGO]


def test_hu_are_windowed():
    study = Study(np.array([[[-1350, -600, 150, 2000]]], np.int16), None)
    assert display(study, 0).tolist() == [[0, 128, 255, 255]]
    assert display(study, 0, (-160, 240)).tolist() == [[0, 0, 198, 255]]


def test_grey_of_8_bits_is_shown_as_it_is():
    study = Study(np.array([[[3, 7, 9]]], np.uint8), None, is_hu=False)
    assert display(study, 0).tolist() == [[3, 7, 9]]


def test_grey_of_16_bits_is_shown_by_the_range_of_the_whole_study():
    study = Study(np.array([[[1000, 2000]], [[1000, 5000]]], np.uint16), None, is_hu=False)
    assert display(study, 0).tolist() == [[0, 64]]
    assert display(study, 1).tolist() == [[0, 255]]


def test_flat_float_grey_is_no_error():
    assert display(Study(np.full((1, 2, 2), 0.5, np.float32), None, is_hu=False), 0).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("index", [-1, 3])
def test_a_slice_out_of_range_is_refused(index):
    with pytest.raises(GeometryError, match="give 0 to 2"):
        display(Study(np.zeros((3, 2, 2), np.int16), None), index)


def test_colours_are_mixed_by_opacity_and_the_rest_keeps_its_grey():
    grey = np.full((2, 2), 100, np.uint8)
    labels = np.array([[GGO, CONSOLIDATION], [0, 0]], np.uint8)
    picture = overlay(grey, labels, opacity=0.5)
    assert tuple(picture[0, 0]) == (165, 130, 50)  # halfway from 100 to (230, 159, 0); halves round to even
    assert tuple(picture[0, 1]) == (93, 140, 166)
    assert (picture[1] == 100).all()
    assert np.array_equal(overlay(grey, labels, opacity=0), np.repeat(grey[..., None], 3, 2))


def test_outline_leaves_the_inside_free():
    grey = np.full((7, 7), 50, np.uint8)
    labels = np.zeros((7, 7), np.uint8)
    labels[1:6, 1:6] = GGO
    picture = overlay(grey, labels, opacity=1, outline=True)
    assert (picture[2:5, 2:5] == 50).all()
    assert tuple(picture[1, 3]) == COLOURS[GGO]
    assert np.count_nonzero((picture != 50).any(2)) == 16


def test_each_lung_gets_a_line_and_lesions_lie_over_it():
    grey = np.zeros((5, 8), np.uint8)
    lungs = np.zeros((5, 8), np.uint8)
    lungs[:, 0:4], lungs[:, 4:8] = 1, 2  # touching: each keeps its own line
    labels = np.zeros((5, 8), np.uint8)
    labels[0, 0] = CONSOLIDATION
    picture = overlay(grey, labels, opacity=1, lungs=lungs)
    assert tuple(picture[0, 0]) == COLOURS[CONSOLIDATION]
    assert tuple(picture[2, 3]) == tuple(picture[2, 4]) == LUNG_COLOUR
    assert (picture[2, 1:3] == 0).all()


def test_masks_of_another_slice_are_refused():
    with pytest.raises(GeometryError, match="labels"):
        overlay(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8))
    with pytest.raises(GeometryError, match="lungs"):
        overlay(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8), lungs=np.zeros((3, 2), np.uint8))


def body() -> tuple[Study, Segmentation]:
    """3 slices of 4 x 5 voxels of 4 x 1 x 2 mm; GGO at the patient's right, front, head corner, a lung voxel behind."""
    pixels = np.full((3, 4, 5), -1350, np.int16)
    pixels[2, 0, 0] = 150
    labels = np.zeros(pixels.shape, np.uint8)
    labels[2, 0, 0], labels[0, 3, 4] = GGO, CONSOLIDATION
    lungs = np.zeros(pixels.shape, np.uint8)
    lungs[2, 1, 0] = 1
    study = Study(pixels, axial_affine((4.0, 1.0, 2.0)))
    return study, Segmentation(labels, np.zeros(pixels.shape, np.float32), lungs)


@pytest.mark.parametrize(("axes", "flips"), ORDERS)
def test_head_on_top_right_on_the_left_front_on_the_left(axes, flips):
    study, result = stored(*body(), axes, flips)
    coronal, sagittal = cut(study, result.labels, "coronal", 0), cut(study, result.labels, "sagittal", 0)
    assert coronal.tolist() == [[GGO, 0, 0, 0, 0], [0] * 5, [0] * 5]
    assert sagittal.tolist() == [[GGO, 0, 0, 0], [0] * 4, [0] * 4]
    assert cut(study, result.labels, "coronal", 3).tolist() == [[0] * 5, [0] * 5, [0, 0, 0, 0, CONSOLIDATION]]
    assert cut(study, result.labels, "axial", 2)[0, 0] == GGO


def test_planes_have_square_millimetres_and_sharp_labels():
    study, result = body()
    assert plane(study, result, "axial", 2).shape == (4, 10, 3)  # 4 x 10 mm at 1 mm
    coronal = plane(study, result, "coronal", 0, opacity=1)
    assert coronal.shape == (6, 5, 3)  # 12 x 10 mm at 2 mm
    coloured = (coronal == COLOURS[GGO]).all(2)
    assert coloured.tolist() == [[True] + [False] * 4] * 2 + [[False] * 5] * 4
    assert plane(study, result, "sagittal", 0).shape == (12, 4, 3)


def test_classes_and_lungs_can_be_switched_off():
    study, result = body()
    bare = plane(study, None, "sagittal", 0)
    assert np.array_equal(plane(study, result, "sagittal", 0, classes=(CONSOLIDATION,), lungs=False), bare)
    lined = plane(study, result, "sagittal", 0, classes=(), opacity=1)
    assert (lined == LUNG_COLOUR).all(2).sum() == 4  # one voxel of 4 x 1 mm
    assert not np.array_equal(plane(study, result, "sagittal", 0, classes=(GGO,), lungs=False), bare)


def test_what_has_no_such_plane_is_refused():
    study, result = body()
    with pytest.raises(GeometryError, match="coronal plane 4 of 4; give 0 to 3"):
        plane(study, result, "coronal", 4)
    picture = Study(np.zeros((3, 4, 5), np.uint8), None, is_hu=False)
    assert plane(picture, result, "axial", 0).shape == (4, 5, 3)
    with pytest.raises(GeometryError, match="loose pictures have no sagittal view"):
        plane(picture, result, "sagittal", 0)


def test_heat_fades_below_a_fifth_and_follows_the_scale():
    grey = np.full((1, 4), 100, np.uint8)
    picture = heat(grey, np.array([[0, 0.1, 0.2, 1.0]], np.float32), opacity=1)
    scale = heat_scale()
    assert picture[0, 0].tolist() == [100, 100, 100]
    assert picture[0, 1].tolist() == pytest.approx((100 + scale[26].astype(float)) / 2, abs=1.5)
    assert picture[0, 2].tolist() == scale[51].tolist()
    assert picture[0, 3].tolist() == scale[255].tolist() == [253, 231, 37]
    with pytest.raises(GeometryError, match="probability"):
        heat(grey, np.zeros((2, 2), np.float32))


def test_the_heat_scale_grows_brighter_all_along():
    light = heat_scale() @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(light) > -0.5).all()
    assert light[255] - light[0] > 150


def test_difference_has_three_colours():
    picture = difference(np.zeros((1, 4), np.uint8), np.array([[0, 1, 2, 3]], np.uint8), opacity=1)
    assert picture[0].tolist() == [[0, 0, 0], *(list(DIFFERENCE_COLOURS[code]) for code in (1, 2, 3))]
