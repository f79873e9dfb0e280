from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from infnet.errors import InfNetError
from train import data
from train.data import folds, held_out
from train.fitting.batches import Pool


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def root(tmp_path):
    """A data root with a few slices in the layout of each set. A bright corner marks what is upright."""
    rng = np.random.default_rng(0)
    sets = tmp_path / "covid-semiseg" / "Dataset" / "TrainingSet"
    upright = (rng.random((60, 80)) * 40 + 30).astype(np.uint8)
    upright[:, 60:] = 220  # soft tissue at the right
    mask = np.zeros((60, 80), np.uint8)
    mask[5:15, 10:30] = 255  # infection at the top
    for number in (1, 4, 5, 10, 20, 43):
        write(sets / "LungInfection-Train/Doctor-label/Imgs" / f"{number}.png", upright.T.copy())
        write(sets / "LungInfection-Train/Doctor-label/GT" / f"{number}.png", mask.T.copy())
    name = "Data-1_coronacases_org_002_7"
    wide = (upright // 3).astype(np.uint8)  # soft tissue at 73: spans more than a lung window
    write(sets / "LungInfection-Train/Pseudo-label/Imgs" / f"{name}.png", wide[::-1].T.copy())
    write(sets / "LungInfection-Train/Pseudo-label/GT" / f"{name}.png", (mask // 2)[::-1].T.copy())
    full = np.zeros((100, 100), np.uint8)
    full[20:80, 10:90] = wide
    lungs = np.zeros((100, 100), np.uint8)
    lungs[22:78, 12:70] = 255
    lesion = np.zeros((100, 100), np.uint8)
    lesion[25:35, 20:40] = 255
    for kind, array in (("images", full), ("lungs", lungs), ("lesions", lesion)):
        write(tmp_path / "coronacases" / kind / "corona003_s010.png", array)
    return tmp_path


def test_labelled_slices_are_turned_upright(root):
    example = data.labelled(root)[0]
    assert example.image.shape == (data.STORED, data.STORED)
    assert example.image[:, -50:].min() > 200  # soft tissue at the right again
    rows = np.flatnonzero((example.mask > 128).any(1))
    assert rows[0] / data.STORED == pytest.approx(5 / 60, abs=0.01)
    assert rows[-1] / data.STORED == pytest.approx(15 / 60, abs=0.01)


def test_pseudo_labels_stay_soft_and_volumes_that_lie_upside_down_are_turned(root):
    example = data.pseudo_labelled(root)[0]
    assert example.group == "corona002"
    assert example.mask.max() == 127
    assert np.flatnonzero((example.mask > 60).any(1))[-1] < data.STORED / 2
    assert 190 < np.median(example.image[:, -50:]) < 245  # soft tissue brought to the convention's grey


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
    write(tmp_path / "lungs-hu/images/ID_0007_Z_0100.tif", hu)
    write(tmp_path / "lungs-hu/masks/ID_0007_Z_0100.png", ((hu == -850) * 255).astype(np.uint8))
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


def test_a_mask_goes_to_its_file_and_back(root):
    """The way from a pseudo label in memory to a file beside the image, and back, with a mask without symmetry."""
    base = data.training_set(root) / "LungInfection-Train" / "Pseudo-label"
    example = data.pseudo_labelled(root)[0]
    again = data.as_file(example.mask, example)
    stored = np.asarray(Image.open(next((base / "GT").glob("*"))))
    assert again.shape == stored.shape
    assert np.abs(again.astype(int) - stored)[5:-5, 5:-5].mean() < 3  # only resampling lies between
    assert ((again > 60) == (stored > 60)).mean() > 0.97
    assert ((data.from_file(again, example) > 60) == (example.mask > 60)).mean() > 0.99


def test_own_folder_takes_groups_from_a_table_or_the_name(tmp_path):
    for name in ("a_1", "a_2", "b_1"):
        write(tmp_path / "images" / f"{name}.png", np.full((40, 50), 60, np.uint8))
        write(tmp_path / "masks" / f"{name}.png", np.eye(40, 50, dtype=np.uint8))  # 0 and 1
    assert [e.group for e in data.folder(tmp_path)] == ["a", "a", "b"]
    assert data.folder(tmp_path)[0].mask.max() == 255
    (tmp_path / "groups.csv").write_text("name,group\na_1,x\nb_1,x\n")
    assert [e.group for e in data.folder(tmp_path)] == ["x", "a", "x"]


def test_slices_of_one_patient_fall_on_one_side(root):
    examples = data.labelled(root)
    groups = {e.name: e.group for e in examples}
    assert groups["4"] == groups["5"] != groups["1"]
    assert groups["10"] == groups["43"]
    for fold in range(3):
        train, validation = held_out(examples, fold, 3)
        assert validation
        assert not {e.group for e in train} & {e.group for e in validation}
        assert len(train) + len(validation) == len(examples)


def test_folds_need_enough_groups():
    with pytest.raises(InfNetError, match="2 groups: too few for 5 folds"):
        folds(["a", "b", "a"])


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
    write(tmp_path / "images" / "a_1.png", np.full((40, 50), 60, np.uint8))
    write(tmp_path / "masks" / "b_1.png", np.zeros((40, 50), np.uint8))
    if isinstance(mask, bytes):
        (tmp_path / "masks" / "a_1.png").write_bytes(mask)
    elif mask is not None:
        write(tmp_path / "masks" / "a_1.png", mask)
    with pytest.raises(InfNetError, match=message):
        data.folder(tmp_path)


def test_classes_must_be_0_1_2(root):
    base = data.training_set(root)
    for path in (base / "LungInfection-Train/Doctor-label/Imgs").iterdir():
        write(base / "MultiClassInfection-Train/Imgs" / path.name, np.full((80, 60), 60, np.uint8))
        write(base / "MultiClassInfection-Train/GT" / path.name, np.full((80, 60), 2, np.uint8))
    assert data.labelled(root, classes=True)[0].mask.max() == 2
    write(base / "MultiClassInfection-Train/GT/20.png", np.full((80, 60), 3, np.uint8))
    with pytest.raises(InfNetError, match="holds the value 3; give 0 background"):
        data.labelled(root, classes=True)


def test_the_data_set_is_found_as_it_is_downloaded(root):
    dataset = root / "covid-semiseg" / "Dataset"
    for given in (root, root / "covid-semiseg", dataset):
        assert data.dataset_folder(given) == dataset


def test_split_record_names_every_slice_once(root):
    train, validation = held_out(data.labelled(root), 0, 3)
    record = data.split_record({"labelled": train}, {"labelled": validation})
    names = [n for part in record.values() for groups in part.values() for group in groups.values() for n in group]
    assert sorted(names) == sorted(e.name for e in data.labelled(root))


def test_missing_folder_and_missing_mask_are_one_line(root):
    with pytest.raises(InfNetError, match="no COVID-SemiSeg data set"):
        data.labelled(root / "nowhere")
    next((root / "covid-semiseg/Dataset/TrainingSet/LungInfection-Train/Doctor-label/GT").glob("20.png")).unlink()
    with pytest.raises(InfNetError, match="no mask of that name"):
        data.labelled(root)
