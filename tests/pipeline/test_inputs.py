"""What the networks are given."""

from __future__ import annotations

import numpy as np
import pytest

from infnet.geometry.box import Box
from infnet.pipeline.inputs import (
    IMAGENET_MEAN,
    consolidation_share,
    guided,
    lung_input,
    network_box,
    normalise,
    squares,
    to_8_bits,
)


def test_normalise():
    out = normalise(np.array([[[0, 255]]], np.uint8))
    assert out.shape == (1, 3, 1, 2)
    assert out[0, :, 0, 0] == pytest.approx([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225], rel=1e-5)
    assert out[0, 0, 0, 1] == pytest.approx((1 - 0.485) / 0.229, rel=1e-5)


def test_the_box_of_an_apex_is_a_fifth_of_the_slice():
    lungs = np.zeros((100, 200), np.uint8)
    lungs[50, 100] = 1
    box = network_box(lungs)
    assert box is not None
    assert box.shape == (21, 21)  # a fifth of the shorter side, 20, made even round one pixel
    assert network_box(np.zeros((5, 5), np.uint8)) is None


def test_squares_show_their_own_box_of_their_own_slice():
    grey = np.zeros((3, 4, 4), np.uint8)
    grey[2, 1:3, 2:4] = 255
    batch = squares(grey, [(2, Box(1, 2, 3, 4)), (0, Box(0, 0, 2, 2))], 2)
    assert batch.shape == (2, 3, 2, 2)
    assert np.array_equal(batch[0], normalise(np.full((1, 2, 2), 255, np.uint8))[0])
    assert batch[1, 0] == pytest.approx(-IMAGENET_MEAN[0] / 0.229)


def test_the_lung_network_sees_0_to_1_in_one_channel():
    batch = lung_input(np.array([[[0, 51, 255]]], np.uint8))
    assert batch.shape == (1, 1, 1, 3)
    assert batch.ravel() == pytest.approx([0, 0.2, 1])


def test_the_class_network_sees_the_slice_and_three_times_the_map():
    slices, maps = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2), np.full((1, 2, 2), 0.5, np.float32)
    maps[0, 0, 1] = 0.25
    batch = guided(slices, maps)
    assert batch.shape == (1, 6, 2, 2)
    assert np.array_equal(batch[:, :3], slices)
    for channel in (3, 4, 5):
        assert np.array_equal(batch[0, channel], maps[0])


def test_the_share_of_consolidation_leaves_the_background_out():
    classes = np.array([0.5, 0.375, 0.125], np.float32).reshape(1, 3, 1, 1)
    assert consolidation_share(classes).tolist() == [[[0.25]]]


def test_grey_of_more_than_8_bits_keeps_its_order_and_8_bits_stay():
    assert to_8_bits(np.array([[[1000, 1500, 2000]]], np.uint16)).tolist() == [[[0, 127, 255]]]
    assert to_8_bits(np.array([[[1000, 1500]]], np.uint16), (0, 2000)).tolist() == [[[127, 191]]]
    grey = np.zeros((1, 1, 1), np.uint8)
    assert to_8_bits(grey) is grey
