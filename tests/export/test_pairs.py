"""Corrected slices as training pairs: upright, the person's masks, no name, and training reads them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import infnet
from infnet import phantom
from infnet.export.pairs import write_pairs
from infnet.grey import window_hu
from infnet.pipeline.run import segment
from tests.fakes import fake_engines
from tests.orders import ORDERS, stored
from train import supervised
from train.data import folder
from train.data.example import Example, cropped


@pytest.fixture(scope="module")
def chest() -> tuple[infnet.Study, infnet.Segmentation]:
    study = phantom.chest(slices=5, rows=96, columns=80, spacing=(40.0, 3.7, 4.4)).study
    result = segment(study, fake_engines())
    labels = result.labels.copy()
    labels[2, 40:44, 20:30] = 2  # by a person
    return replace(study, name="Zaubermann", patient="Zaubermann"), replace(result, labels=labels, before=result)


@pytest.mark.parametrize(("axes", "flips"), ORDERS)
def test_training_reads_what_was_corrected(
    chest: tuple[infnet.Study, infnet.Segmentation],
    axes: tuple[int, int, int],
    flips: tuple[int, int, int],
    tmp_path: Path,
) -> None:
    study, result = chest
    paths = write_pairs(tmp_path, *stored(study, result, axes, flips), slices={3, 2})
    assert "Zaubermann" not in " ".join(map(str, paths)) + (tmp_path / "groups.csv").read_text()
    names = sorted(path.stem for path in (tmp_path / "images").iterdir())
    groups = {name.rsplit("_", 1)[0] for name in names}
    assert len(groups) == 1
    assert [name.rsplit("_", 1)[1] for name in names] == ["003", "004"]
    infection, classes = folder(tmp_path), folder(tmp_path, classes=True)
    for k, name, found, kinds in zip((2, 3), names, infection, classes, strict=True):
        grey = window_hu(study.pixels[k])
        assert np.array_equal(np.asarray(Image.open(tmp_path / "images" / f"{name}.png")), grey)
        for mask, example in ((255 * (result.labels[k] > 0), found), (result.labels[k], kinds)):
            whole = Example(name, *groups, grey, mask.astype(np.uint8))
            wanted = cropped(whole, result.lungs[k] > 0, example is kinds)
            assert (example.name, example.group, example.box) == (name, *groups, wanted.box)
            assert np.array_equal(example.image, wanted.image)
            assert np.array_equal(example.mask, wanted.mask)
            assert example.mask.any()


def test_nothing_corrected_is_no_pair(chest: tuple[infnet.Study, infnet.Segmentation], tmp_path: Path) -> None:
    with pytest.raises(infnet.InfNetError, match="correct a slice first"):
        write_pairs(tmp_path, *chest, slices=[])


@pytest.mark.slow
def test_the_shipped_network_goes_on_learning_from_them(
    chest: tuple[infnet.Study, infnet.Segmentation], tmp_path: Path
) -> None:
    own = tmp_path / "own"
    write_pairs(own, *chest, slices=[2, 3])
    arguments = [
        ["--data", str(tmp_path), "--out", str(tmp_path / "run"), "--init", "semi-inf-net-plus"],
        ["--mix", f"{own}=1", "--validate-on", str(own), "--fold", "-1"],
        ["--size", "64", "--batch", "2", "--steps", "1", "--precision", "fp32", "--learning-rate", "1e-4"],
    ]
    supervised.main([each for group in arguments for each in group])
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    assert {source: len(groups) for source, groups in split["train"].items()} == {str(own): 1}
    assert (tmp_path / "run" / "last.pt").exists()
