"""Upright indices, whatever the order of storage."""

from __future__ import annotations

import numpy as np
import pytest

from infnet.errors import GeometryError
from infnet.geometry.affine import axial_affine
from infnet.geometry.grid import Grid, check_same
from infnet.study import Segmentation, Study
from tests.measure.test_statistics import tiny
from tests.orders import ORDERS, signed_permutations, stored


@pytest.mark.parametrize(("axes", "flips"), ORDERS)
def test_an_upright_index_is_the_same_place_in_any_storage(axes, flips):
    upright = Study(np.arange(24, dtype=np.int16).reshape(2, 3, 4), axial_affine((5.0, 0.5, 0.8), (1.0, 2.0, 3.0)))
    empty = np.zeros((2, 3, 4), np.uint8)
    study, _ = stored(upright, Segmentation(empty, empty.astype(np.float32), empty), axes, flips)
    grid = Grid.of(study)
    assert grid.shape == (2, 3, 4)
    assert grid.spacing == pytest.approx((5.0, 0.5, 0.8))
    assert grid.pixel_mm2 == pytest.approx(0.4)
    assert grid.voxel_ml == pytest.approx(0.002)
    assert grid.millimetres((1, 2, 3)) == pytest.approx((1 + 3 * 0.8, 2 + 2 * 0.5, 3 + 5.0))
    assert np.array_equal(grid.orientation.apply(study.pixels), upright.pixels)
    assert study.pixels[grid.source_index((1, 2, 3))] == upright.pixels[1, 2, 3] == 23


def corner_mask() -> np.ndarray:
    """A mask (slice, row, column) of different sides that no turn and no flip leaves as it is."""
    mask = np.zeros((3, 4, 5), bool)
    mask[0, 1, 3] = mask[0, 1, 4] = mask[2, 0, 2] = True
    return mask


@pytest.mark.parametrize("affine", signed_permutations())
def test_an_upright_index_and_its_voxel_in_all_48_orientations(affine):
    mask = corner_mask()
    study = Study(mask.astype(np.int16), affine)
    grid = Grid.of(study)
    upright = grid.orientation.apply(mask)
    back = np.zeros_like(mask)
    for index in np.argwhere(upright).tolist():
        source = grid.source_index(tuple(index))
        back[source] = True
        assert grid.millimetres(tuple(index)) == pytest.approx((affine @ [*source, 1.0])[:3])
    assert np.array_equal(back, mask)


@pytest.mark.parametrize("affine", signed_permutations())
def test_along_is_its_own_undo_and_source_slice_names_the_stored_slice(affine):
    mask = corner_mask()
    grid = Grid.of(Study(mask.astype(np.int16), affine))
    upright = grid.orientation.apply(mask)
    for axis, length in enumerate(grid.shape):
        assert [grid.along(axis, grid.along(axis, i)) for i in range(length)] == list(range(length))
        source_axis = grid.orientation.axes[axis]
        for i in range(length):
            stored_plane = np.take(mask, grid.along(axis, i), source_axis)
            assert stored_plane.sum() == np.take(upright, i, axis).sum()
    for i in range(grid.shape[0]):
        if grid.orientation.axes[0] == 0:  # stored in slices from foot to head, or from head to foot
            index = grid.source_slice(i)
            assert index is not None
            assert mask[index].sum() == upright[i].sum()
        else:
            assert grid.source_slice(i) is None


@pytest.mark.parametrize("affine", signed_permutations())
def test_a_slice_has_one_number_and_one_position_however_it_is_stored(affine):
    study = Study(corner_mask().astype(np.int16), affine)
    grid = Grid.of(study)
    axis = grid.stored_along
    numbers = [grid.slice_number(k) for k in range(len(study.pixels))]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    middle = (np.array(study.pixels.shape) - 1) / 2
    for place_in_file, number in enumerate(numbers):
        assert grid.source_slice(number - 1, axis) == place_in_file
        place = (affine @ [place_in_file, middle[1], middle[2], 1.0])[2 - axis]
        assert grid.position_mm(number - 1, axis) == pytest.approx(place)
    positions = [grid.position_mm(k, axis) for k in range(len(numbers))]
    assert positions == sorted(positions), "numbers run to the head, the back and the left"


def test_slices_that_are_not_evenly_spaced_have_no_position():
    uneven = Study(np.zeros((3, 4, 4), np.int16), np.eye(4), volumetric=False)
    assert Grid.of(uneven).position_mm(0) is None


def test_a_picture_has_no_millimetres_and_is_not_stacked_even_when_told_its_pixels():
    picture = Study(np.zeros((3, 4, 4), np.uint8), None, is_hu=False, source={"format": "picture"})
    grid = Grid.of(picture)
    assert (grid.affine, grid.pixel_mm2, grid.voxel_ml, grid.stacked) == (None, None, None, False)
    assert grid.millimetres((0, 0, 0)) is None
    assert grid.spacing == (1.0, 1.0, 1.0)
    known = Grid.of(picture.with_spacing(0.5, 0.8))
    assert (known.pixel_mm2, known.voxel_ml, known.stacked) == (pytest.approx(0.4), None, False)


def test_boxes_hold_what_is_there():
    mask = np.zeros((3, 6, 7), bool)
    mask[1, 2, 3] = mask[1, 4, 5] = True
    grid = Grid.of(Study(mask.astype(np.int16), None))
    assert list(grid.boxes(mask)) == [(1, (slice(2, 5), slice(3, 6)))]
    assert list(grid.boxes(mask, margin=2)) == [(1, (slice(0, 6), slice(1, 7)))]


def test_a_result_of_another_grid_is_refused():
    study, result = tiny()
    with pytest.raises(GeometryError, match="use a result with the study it came from"):
        check_same(Study(study.pixels[:1], study.affine), result)
