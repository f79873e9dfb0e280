from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from infnet.errors import InfNetError
from tests.train.making import save
from train import data


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


def test_classes_must_be_0_1_2(root):
    base = data.training_set(root)
    for path in (base / "LungInfection-Train/Doctor-label/Imgs").iterdir():
        save(base / "MultiClassInfection-Train/Imgs" / path.name, np.full((80, 60), 60, np.uint8))
        save(base / "MultiClassInfection-Train/GT" / path.name, np.full((80, 60), 2, np.uint8))
    assert data.labelled(root, classes=True)[0].mask.max() == 2
    save(base / "MultiClassInfection-Train/GT/20.png", np.full((80, 60), 3, np.uint8))
    with pytest.raises(InfNetError, match="holds the value 3; give 0 background"):
        data.labelled(root, classes=True)


def test_the_data_set_is_found_as_it_is_downloaded(root):
    dataset = root / "covid-semiseg" / "Dataset"
    for given in (root, root / "covid-semiseg", dataset):
        assert data.dataset_folder(given) == dataset


def test_missing_folder_and_missing_mask_are_one_line(root):
    with pytest.raises(InfNetError, match="no COVID-SemiSeg data set"):
        data.labelled(root / "nowhere")
    next((root / "covid-semiseg/Dataset/TrainingSet/LungInfection-Train/Doctor-label/GT").glob("20.png")).unlink()
    with pytest.raises(InfNetError, match="no mask of that name"):
        data.labelled(root)
