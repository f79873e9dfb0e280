"""Grey of a slice: from HU by a window, and from a picture whose window is unknown."""

from __future__ import annotations

import numpy as np

from infnet.grey import window_grey, window_hu
from infnet.phantom import chest


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
