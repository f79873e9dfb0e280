from __future__ import annotations

import numpy as np
import pytest

from infnet.errors import InfNetError
from tests.train.making import save
from train import data
from train.fitting.batches import Pool


def test_coronacases_keep_a_margin_and_know_the_mask_box(root):
    example = data.coronacases(root)[0]
    assert example.group == "corona003"
    top, left, bottom, right = example.box
    assert 0 < top < bottom < 1
    assert 0 < left < right < 1
    grey, mask = Pool([example]).batch([0], 64)
    assert grey.shape == mask.shape == (1, 1, 64, 64)
    rows = np.flatnonzero((mask[0, 0] > 0.5).any(1))
    height = 56 * 1.08  # the lungs and the app's margin on both sides
    assert rows[0] / 64 == pytest.approx((25 - 22 + 0.04 * 56) / height, abs=0.03)


def test_slices_without_infection_come_windowed_from_hu_and_by_way_of_a_jpeg(tmp_path):
    hu = np.full((120, 120), -3000, np.int16)  # padding
    hu[10:110, 10:110] = 40
    hu[20:100, 20:100] = -850
    hu[12:16, 40:60] = 1000
    save(tmp_path / "lungs-hu/images/ID_0007_Z_0100.tif", hu)
    save(tmp_path / "lungs-hu/masks/ID_0007_Z_0100.png", ((hu == -850) * 255).astype(np.uint8))
    plain, jpeg = data.clear(tmp_path)
    assert [e.name for e in (plain, jpeg)] == ["ID_0007_Z_0100_hu", "ID_0007_Z_0100_jpeg"]
    for example in (plain, jpeg):
        assert example.group == "ID_0007"
        assert not example.mask.any()
        assert example.box == pytest.approx((1 / 8.67, 1 / 8.67, 7.67 / 8.67, 7.67 / 8.67), abs=0.02)
    middle = (slice(100, 280), slice(100, 280))
    assert (plain.image[middle] == 55).all()  # 255 * (-850 + 1150) / 1400
    # Grey of -1024 to 1000 HU in 8 bits, read back by its two anchors: air is met as -1024 there, and taken for -1000.
    assert jpeg.image[middle] == pytest.approx(np.full((180, 180), 55.0), abs=6)


def test_own_folder_takes_groups_from_a_table_or_the_name(tmp_path):
    for name in ("a_1", "a_2", "b_1"):
        save(tmp_path / "images" / f"{name}.png", np.full((40, 50), 60, np.uint8))
        save(tmp_path / "masks" / f"{name}.png", np.eye(40, 50, dtype=np.uint8))  # 0 and 1
    assert [e.group for e in data.folder(tmp_path)] == ["a", "a", "b"]
    assert data.folder(tmp_path)[0].mask.max() == 255
    (tmp_path / "groups.csv").write_text("name,group\na_1,x\nb_1,x\n")
    assert [e.group for e in data.folder(tmp_path)] == ["x", "a", "x"]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.full((40, 50), 100, np.uint8), "values such as 100; give 0 for background and 255"),
        (np.zeros((40, 49), np.uint8), "40 x 50 pixels, but its mask has 40 x 49"),
        (None, "no mask of that name"),
        (b"no picture", "not a readable mask"),
    ],
)
def test_a_wrong_mask_is_one_clear_line(tmp_path, mask, message):
    save(tmp_path / "images" / "a_1.png", np.full((40, 50), 60, np.uint8))
    save(tmp_path / "masks" / "b_1.png", np.zeros((40, 50), np.uint8))
    if isinstance(mask, bytes):
        (tmp_path / "masks" / "a_1.png").write_bytes(mask)
    elif mask is not None:
        save(tmp_path / "masks" / "a_1.png", mask)
    with pytest.raises(InfNetError, match=message):
        data.folder(tmp_path)
