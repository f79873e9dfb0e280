from __future__ import annotations

import numpy as np
import pytest

from tests.train.making import save
from train.data import STORED, lung_masks


def test_whole_slices_of_both_sets_with_the_box_of_their_lungs(root):
    hu = np.full((64, 128), 40, np.int16)
    hu[16:48, 32:64] = -850
    save(root / "lungs-hu/images/ID_0007_Z_0100.tif", hu)
    save(root / "lungs-hu/masks/ID_0007_Z_0100.png", ((hu == -850) * 255).astype(np.uint8))
    slices = lung_masks(root)
    (corona,), (in_hu,) = slices["coronacases"], slices["lungs-hu"]
    assert slices["medseg-volumes"] == []
    assert (corona.group, corona.shape) == ("corona003", (100, 100))
    assert corona.box == pytest.approx((0.22, 0.12, 0.78, 0.70))
    assert (in_hu.group, in_hu.shape) == ("ID_0007", (64, 128))
    assert in_hu.box == (0.25, 0.25, 0.75, 0.5)
    assert in_hu.image[STORED // 2, STORED // 3] == 55  # 255 * (-850 + 1150) / 1400
    assert ((in_hu.mask > 127).mean()) == pytest.approx(0.125, abs=0.01)


def test_a_slice_without_lung_keeps_the_whole_field(root):
    save(root / "lungs-hu/images/ID_0007_Z_0100.tif", np.full((64, 64), 40, np.int16))
    save(root / "lungs-hu/masks/ID_0007_Z_0100.png", np.zeros((64, 64), np.uint8))
    assert lung_masks(root)["lungs-hu"][0].box == (0.0, 0.0, 1.0, 1.0)
