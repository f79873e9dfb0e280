from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from infnet.errors import InfNetError
from train import data
from train.data import Example, folds, held_out, make_batch


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


def test_coronacases_keep_a_margin_and_know_the_lung_box(root):
    example = data.coronacases(root)[0]
    assert example.group == "corona003"
    top, left, bottom, right = example.box
    assert 0 < top < bottom < 1
    assert 0 < left < right < 1
    grey, mask = make_batch([example], 64)
    assert grey.shape == mask.shape == (1, 1, 64, 64)
    rows = np.flatnonzero((mask[0, 0] > 0.5).any(1))
    height = 56 * 1.08  # the lungs and the app's margin on both sides
    assert rows[0] / 64 == pytest.approx((25 - 22 + 0.04 * 56) / height, abs=0.03)


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


def example_with(mask):
    return Example("x", "x", np.where(mask > 0, 200, 60).astype(np.uint8), mask)


def test_image_and_mask_move_together():
    mask = np.zeros((data.STORED, data.STORED), np.uint8)
    mask[40:160, 60:300] = 255
    for seed in range(8):
        grey, truth = make_batch([example_with(mask)], 128, np.random.default_rng(seed))
        bright = grey[0, 0] > (grey[0, 0].max() + grey[0, 0][grey[0, 0] > 0.02].min()) / 2
        infected = truth[0, 0] > 0.5
        overlap = 2 * (bright & infected).sum() / (bright.sum() + infected.sum())
        assert overlap > 0.9, seed


def test_a_batch_is_a_function_of_its_generator():
    mask = np.zeros((data.STORED, data.STORED), np.uint8)
    mask[40:160, 60:300] = 255
    first, again, other = (make_batch([example_with(mask)], 64, np.random.default_rng(s))[0] for s in (1, 1, 2))
    assert first.equal(again)
    assert not first.equal(other)


def test_missing_folder_and_missing_mask_are_one_line(root):
    with pytest.raises(InfNetError, match="no images; set INFNET_DATA"):
        data.labelled(root / "nowhere")
    next((root / "covid-semiseg/Dataset/TrainingSet/LungInfection-Train/Doctor-label/GT").glob("20.png")).unlink()
    with pytest.raises(InfNetError, match="no mask of that name"):
        data.labelled(root)
