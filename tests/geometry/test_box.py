"""Boxes on a slice and resampling, each with its way back, on masks without any symmetry."""

from __future__ import annotations

import numpy as np

from infnet.geometry.box import Box, crop, extent, mask_box, paste, resize, resize_nearest, restore
from infnet.phantom import chest

SHAPE = (3, 4, 5)
MASK = np.arange(60).reshape(SHAPE)


def test_extent_is_the_smallest_box_along_every_axis():
    mask = np.zeros((4, 5, 6), bool)
    mask[1, 2, 3] = mask[3, 2, 5] = True
    assert extent(mask) == (slice(1, 4), slice(2, 3), slice(3, 6))
    assert extent(mask[1]) == (slice(2, 3), slice(3, 4))
    assert extent(np.zeros((4, 5, 6), bool)) is None


def test_a_box_is_widened_up_to_the_border_of_its_slice():
    assert Box(1, 2, 4, 5).widened(2, 1, (10, 6)) == Box(0, 1, 6, 6)


def test_crop_and_paste():
    box = Box(1, 2, 4, 5)
    inside = crop(MASK, box)
    assert box.shape == (3, 3)
    assert inside.shape == (3, 3, 3)
    assert inside[0, 0, 0] == MASK[0, 1, 2]
    back = paste(inside, box, SHAPE[1:])
    assert np.array_equal(crop(back, box), inside)
    assert back.sum() == inside.sum()
    assert back.dtype == inside.dtype


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


def test_resize_nearest_makes_no_new_codes():
    labels = np.array([[0, 2, 1], [1, 0, 2]], np.uint8)
    larger = resize_nearest(labels, (4, 9))
    assert larger.tolist() == np.repeat(np.repeat(labels, 2, axis=0), 3, axis=1).tolist()
    assert np.array_equal(resize_nearest(larger, (2, 3)), labels)
