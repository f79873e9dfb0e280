"""Every step of the preprocessing and its way back, on masks without any symmetry."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from infnet.geometry.affine import axial_affine
from infnet.geometry.box import Box, crop, mask_box, paste, resize, restore
from infnet.geometry.orientation import Orientation
from infnet.grey import window_grey, window_hu
from infnet.phantom import chest
from infnet.pipeline.inputs import normalise

SHAPE = (3, 4, 5)
MASK = np.arange(60).reshape(SHAPE)


def signed_permutations() -> list[np.ndarray]:
    """All 48 ways to lay a grid's axes along the patient's."""
    affines = []
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        affine = np.eye(4)
        affine[:3, :3] = 0
        for axis, (world, sign) in enumerate(zip(axes, signs, strict=True)):
            affine[world, axis] = sign * (2.0 + axis)
        affines.append(affine)
    return affines


@pytest.mark.parametrize("affine", signed_permutations())
def test_upright_runs_to_head_back_and_left_and_comes_back(affine):
    turn = Orientation.of(affine)
    upright = turn.apply(MASK)
    assert np.array_equal(turn.undo(upright), MASK)
    # The world coordinates of the source, turned the same way, must rise along z, y, x of the upright axes.
    index = np.stack([*np.indices(SHAPE), np.ones(SHAPE)]).reshape(4, -1)
    world = (affine @ index)[:3].reshape(3, *SHAPE)
    for axis, coordinate in ((0, 2), (1, 1), (2, 0)):
        assert (np.diff(turn.apply(world[coordinate]), axis=axis) > 0).all()


def test_spacing_turns_with_the_axes():
    affine = np.zeros((4, 4))
    affine[0, 0], affine[2, 1], affine[1, 2], affine[3, 3] = 0.7, -3.0, 0.9, 1  # sagittal: slices along x
    turn = Orientation.of(affine)
    assert turn.axes == (1, 2, 0)
    assert turn.flips == (True, False, False)
    assert turn.spacing((0.7, 3.0, 0.9)) == (3.0, 0.9, 0.7)


@pytest.mark.parametrize("degrees", [-40, -20, 20, 40])
def test_oblique_takes_the_nearest_axes_and_each_once(degrees):
    a = np.deg2rad(degrees)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    assert Orientation.of(turn @ axial_affine((5.0, 1.0, 1.0))) == Orientation()


def test_row_cosines_0_minus1_0():
    """Rows run to the front, columns to the left: the in-plane rotation that some scanners write."""
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]]).T * np.array([5.0, 1.0, 1.0])
    turn = Orientation.of(affine)
    assert turn.axes == (0, 2, 1)
    assert turn.flips == (False, True, False)
    marked = np.zeros(SHAPE, int)
    marked[1, 0, 4] = 1  # first row: right; last column: front
    assert turn.apply(marked)[1, 0, 0] == 1


def test_without_geometry_nothing_turns():
    assert Orientation.of(None) == Orientation()
    assert np.array_equal(Orientation().apply(MASK), MASK)


def test_crop_and_paste():
    box = Box(1, 2, 4, 5)
    part = crop(MASK, box)
    assert box.shape == (3, 3)
    assert part.shape == (3, 3, 3)
    assert part[0, 0, 0] == MASK[0, 1, 2]
    back = paste(part, box, SHAPE[1:])
    assert np.array_equal(crop(back, box), part)
    assert back.sum() == part.sum()
    assert back.dtype == part.dtype


def test_mask_box_margin_and_limits():
    lungs = np.zeros((100, 200), np.uint8)
    lungs[20:70, 50:150] = 1
    assert mask_box(lungs, margin=0.04) == Box(18, 46, 72, 154)
    assert mask_box(lungs, margin=1.0) == Box(0, 0, 100, 200)
    assert mask_box(np.zeros((5, 5))) is None


def test_mask_box_has_a_smallest_side():
    lungs = np.zeros((100, 200), np.uint8)
    lungs[50:52, 100:104] = 1
    box = mask_box(lungs, smallest=40)
    assert box is not None
    assert min(box.shape) >= 40
    assert box.top <= 50 < 52 <= box.bottom


def test_restore_is_the_undo_of_crop_and_resize():
    chest_mask = chest(slices=1).lungs[0] == 1  # the right lung alone
    box = mask_box(chest_mask)
    assert box is not None
    square = resize(crop(chest_mask.astype(np.float32), box), (352, 352))
    back = restore(square, box, chest_mask.shape) > 0.5
    both = np.count_nonzero(back & chest_mask)
    assert 2 * both / (np.count_nonzero(back) + np.count_nonzero(chest_mask)) > 0.99
    assert not back[:, box.right :].any()


def test_resize_keeps_what_fits_and_both_types():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert resize(image, (3, 4)) is image
    assert resize(image, (6, 8)).shape == (6, 8)
    assert resize(image, (6, 8)).dtype == np.uint8
    assert resize(image.astype(np.float32), (6, 8)).dtype == np.float32


def test_window_hu():
    hu = np.array([-2000, -1150, -450, 250, 3000], np.int16)
    assert window_hu(hu).tolist() == [0, 0, 128, 255, 255]
    assert window_hu(np.array([0, 50, 100]), (0, 100)).tolist() == [0, 128, 255]


def test_a_picture_in_the_lung_window_is_left_alone():
    picture = window_hu(chest(slices=1).study.pixels[0])
    after, scale = window_grey(picture)
    assert scale.lung_window
    assert after is picture


def test_a_picture_of_the_whole_range_is_windowed_by_its_anchors():
    hu = chest(slices=1, noise_hu=5).study.pixels[0]
    picture = window_hu(hu, (-1024, 1500))
    after, scale = window_grey(picture)
    assert not scale.lung_window
    # Read back to the convention within the steps of 8 bits over 2500 HU.
    assert np.abs(after.astype(int) - window_hu(hu).astype(int)).mean() < 6


def test_a_flat_picture_is_no_error():
    after, _ = window_grey(np.full((20, 20), 7, np.uint8))
    assert (after == 7).all()


def test_normalise():
    out = normalise(np.array([[[0, 255]]], np.uint8))
    assert out.shape == (1, 3, 1, 2)
    assert out[0, :, 0, 0] == pytest.approx([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225], rel=1e-5)
    assert out[0, 0, 0, 1] == pytest.approx((1 - 0.485) / 0.229, rel=1e-5)
