from __future__ import annotations

import numpy as np
import pytest

from infnet.errors import InfNetError
from infnet.grey import window_hu
from infnet.phantom import chest
from tests.fakes import fake_engines
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


def test_volumes_with_classes_are_cut_to_the_lungs_and_abdomen_is_left_out(volumes):
    examples = data.medseg_volumes(volumes)
    patients = {"medseg1_z002": "medseg1", "medseg1_z010": "medseg1", "medseg9_z001": "medseg9"}
    assert {e.name: e.group for e in examples} == patients
    lesion, none, _ = (e.mask for e in examples)
    assert set(np.unique(lesion)) >= {0, 255}
    assert not none.any()
    top, left, bottom, right = examples[0].box
    assert (bottom - top) * examples[0].shape[0] == pytest.approx(60, abs=1)
    assert (right - left) * examples[0].shape[1] == pytest.approx(80, abs=1)
    kinds = data.medseg_volumes(volumes, classes=True)[0].mask
    assert set(np.unique(kinds)) == {0, 1, 2}
    assert ((kinds > 0) == (lesion > 128)).mean() > 0.99


def test_classes_beyond_consolidation_are_refused(volumes):
    save(volumes / "medseg-volumes/classes/medseg1_z002.png", np.full((100, 100), 3, np.uint8))
    with pytest.raises(InfNetError, match="holds the value 3; give 0 background"):
        data.medseg_volumes(volumes)


def test_slices_without_infection_are_cut_to_the_lungs_that_the_shipped_network_finds(tmp_path, monkeypatch):
    monkeypatch.setattr("infnet.pipeline.models.load_engines", fake_engines)
    made = chest(slices=3, rows=256, columns=256, spacing=(80.0, 1.4, 1.4))
    grey = window_hu(made.study.pixels[1])
    slices = {"iqoth_0003": grey, "iqoth_0064": grey[:, 10:-10], "sarscov2_0001": np.full_like(grey, 220)}
    for name, image in slices.items():
        save(tmp_path / "infection-free" / "images" / f"{name}.png", image.copy())
    first, second = data.infection_free(tmp_path)  # the third shows no lung
    assert [(e.name, e.group) for e in (first, second)] == [("iqoth_0003", "iqoth-0"), ("iqoth_0064", "iqoth-1")]
    assert not first.mask.any()
    assert first.shape[0] < 256
    assert 0 < first.box[0] < first.box[2] < 1


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
