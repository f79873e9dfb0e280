"""`python -m train.evaluate --weights`: networks on the data set, in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from infnet import weights
from infnet.measure.metrics import all_scores
from infnet.networks import NETWORKS
from tests.train.evaluating import Pointwise, refuse, run
from tests.train.making import save, semiseg
from train.maps import load_truth, read


def pointwise(folder: Path, name: str, weight: list[list[float]], bias: list[float], size: int | None = 96) -> Path:
    """A checkpoint of a training program that holds a `Pointwise` network."""
    network = Pointwise(len(weight[0]), len(weight))
    network.mix.weight.data = torch.tensor(weight)[:, :, None, None]
    network.mix.bias.data = torch.tensor(bias)
    config = {"network": "pointwise", "options": {"inputs": len(weight[0]), "classes": len(weight)}}
    path = folder / f"{name}.pt"
    torch.save({"network": network.state_dict(), "config": config | ({"size": size} if size else {})}, path)
    return path


# Normalised grey 0 is about -2.1, 85 about -0.66, 160 about 0.62. Tissue at the rim of the made slices is bright too.
BRIGHT = ([[4.0, 0.0, 0.0]], [2.6])


BY_MAP = (
    [[0.0] * 6, [-4.0, 0.0, 0.0, 20.0, 0.0, 0.0], [4.0, 0.0, 0.0, 20.0, 0.0, 0.0]],
    [10.0, 2.5, -2.5],
)


@pytest.fixture
def dataset(tmp_path, monkeypatch) -> Path:
    """Train slices as `semiseg` makes them; four of them also as the official test set."""
    monkeypatch.setitem(NETWORKS, "pointwise", Pointwise)  # type: ignore[arg-type]
    root = semiseg(tmp_path, labelled=4, unlabelled=0)
    for path in sorted((root / "TrainingSet/LungInfection-Train/Doctor-label/Imgs").iterdir()):
        image = np.asarray(Image.open(path))
        kinds = np.asarray(Image.open(root / "TrainingSet/MultiClassInfection-Train/GT" / path.name))
        for part, folder, array in (
            ("LungInfection", "Imgs", image),
            ("LungInfection", "GT", (kinds > 0) * 255),
            ("MultiClassInfection", "Imgs", image),
            ("MultiClassInfection", "GT-1", (kinds == 1) * 255),
            ("MultiClassInfection", "GT-2", (kinds == 2) * 255),
        ):
            save(root / "TestingSet" / f"{part}-Test" / folder / path.name, array.astype(np.uint8))
    return root


def expected_infection(dataset: Path) -> np.ndarray:
    """Mean scores of BRIGHT, worked out from the files."""
    each = []
    for path in sorted((dataset / "TestingSet/LungInfection-Test/Imgs").iterdir()):
        grey = np.asarray(Image.open(path)).astype(np.float32)
        p = 1 / (1 + np.exp(-(4 * (grey / 255 - 0.485) / 0.229 + 2.6)))
        each.append(all_scores(p, load_truth(path.parents[1] / "GT" / path.name)))
    return np.mean(each, 0)


@pytest.mark.parametrize("split", ["train", "test"])
def test_an_infection_network_on_both_splits(tmp_path, dataset, split):
    checkpoint = pointwise(tmp_path, "infection", *BRIGHT)
    results = run(tmp_path, "--weights", checkpoint, "--data", dataset, "--task", "infection", "--split", split)
    assert results.keys() == {"infection"}
    assert results["infection"]["count"] == 4
    assert [results["infection"][k] for k in all_scores(np.zeros((2, 2)), np.eye(2) > 0)._fields] == pytest.approx(
        expected_infection(dataset), abs=1e-4
    )


def test_saved_maps_score_the_same_and_are_not_stretched(tmp_path, dataset):
    checkpoint = pointwise(tmp_path, "infection", [[1.0, 0.0, 0.0]], [0.0])
    maps = tmp_path / "saved"
    results = run(tmp_path, "--weights", checkpoint, "--data", dataset.parent, "--save-maps", maps)
    highest = 1 / (1 + np.exp(-(225 / 255 - 0.485) / 0.229))  # of the bright rim
    assert {int(read(path).max()) for path in maps.iterdir()} == {round(255 * highest)}
    again = run(tmp_path, "--predictions", maps, "--ground-truth", dataset / "TestingSet/LungInfection-Test/GT")
    for key, value in results["infection"].items():
        assert again["infection"][key] == pytest.approx(value, abs=0.01)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_class_network_sees_the_infection_map(tmp_path, dataset, split):
    infection = pointwise(tmp_path, "infection", *BRIGHT)
    classes = pointwise(tmp_path, "classes", *BY_MAP)
    maps = tmp_path / "saved"
    results = run(
        tmp_path,
        "--weights",
        classes,
        "--infection",
        infection,
        "--data",
        dataset,
        "--task",
        "multiclass",
        "--split",
        split,
        "--save-maps",
        maps,
    )
    assert results.keys() == {"ggo", "consolidation"}
    assert results["ggo"]["count"] == 4
    assert results["ggo"]["dice_at_threshold"] > 0.95
    truth = dataset / "TestingSet/MultiClassInfection-Test"
    again = run(tmp_path, "--predictions", maps, "--ground-truth", truth)
    for kind in results:
        assert again[kind]["dice_at_threshold"] == pytest.approx(results[kind]["dice_at_threshold"], abs=0.01)


def test_a_class_network_without_infection_map(tmp_path, dataset):
    classes = pointwise(tmp_path, "classes", [[0.0] * 3, [-4.0, 0, 0], [4.0, 0, 0]], [0.0, 0.0, 0.0])
    results = run(tmp_path, "--weights", classes, "--data", dataset, "--task", "multiclass")
    # Bright pixels are called consolidation: all of it is found, and the rim besides.
    assert results["consolidation"]["sensitivity"] > 0.6
    assert results["ggo"]["dice_at_threshold"] < 0.2


def test_masks_are_the_most_probable_class(tmp_path, dataset):
    classes = pointwise(tmp_path, "classes", [[0.0] * 3, [-4.0, 0, 0], [4.0, 0, 0]], [0.0, 0.0, 0.0])
    maps = tmp_path / "saved"
    results = run(
        tmp_path, "--weights", classes, "--data", dataset, "--task", "multiclass", "--masks", "--save-maps", maps
    )
    for kind in results:
        assert {int(v) for path in (maps / kind).iterdir() for v in np.unique(read(path))} <= {0, 255}
    again = run(tmp_path, "--predictions", maps, "--ground-truth", dataset / "TestingSet/MultiClassInfection-Test")
    assert again == results


def test_safetensors_hold_an_inf_net(tmp_path, monkeypatch, dataset, capsys):
    monkeypatch.setitem(NETWORKS, "inf-net", Pointwise)  # type: ignore[arg-type]
    weights.save(Pointwise().state_dict(), tmp_path / "mine.safetensors")
    results = run(tmp_path, "--weights", tmp_path / "mine.safetensors", "--data", dataset, "--size", 96)
    assert results["infection"]["count"] == 4
    (tmp_path / "mine.safetensors").write_bytes(b"damaged")
    line = refuse(capsys, "--weights", tmp_path / "mine.safetensors", "--data", dataset)
    assert line.startswith(f"{tmp_path / 'mine.safetensors'}: not readable as safetensors")


def test_weights_that_do_not_serve_end_in_one_line(tmp_path, dataset, capsys):
    infection = pointwise(tmp_path, "infection", *BRIGHT)
    classes = pointwise(tmp_path, "classes", *BY_MAP)

    def line(*arguments: object) -> str:
        return refuse(capsys, "--data", dataset, "--weights", *arguments)

    assert "fcn9" in line("fcn9")
    assert "semi-inf-net-plus" in line("fcn9")
    assert line(tmp_path / "none.pt").startswith(f"{tmp_path / 'none.pt'}: no such file")
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(infection.read_bytes()[:1000])
    assert line(damaged).startswith(f"{damaged}: not a readable checkpoint")
    assert "it is no network for infection" in line(classes)
    assert "it is no network for multiclass" in line(infection, "--task", "multiclass")
    assert "it is no network for infection" in line(classes, "--task", "multiclass", "--infection", classes)
    assert "not a multiple of 32" in line(infection, "--size", 100)
    state = torch.load(infection, weights_only=True)
    torch.save(state | {"config": {"network": "pointwise", "options": {"width": 3}}}, infection)
    assert line(infection).startswith(f"{infection}: its network pointwise cannot be built")
    torch.save(state | {"config": {"network": "u-net"}}, infection)
    assert "cannot be built" in line(infection)
    torch.save(state | {"network": {"other": torch.zeros(1)}}, infection)
    assert "does not fit Pointwise" in line(infection)


def test_a_data_set_that_lacks_something_ends_in_one_line(tmp_path, dataset, capsys):
    weights_ = ("--weights", pointwise(tmp_path, "infection", *BRIGHT))
    classes = ("--weights", pointwise(tmp_path, "classes", [[0.0] * 3] * 3, [0.0] * 3), "--task", "multiclass")
    infection_test, class_test = (dataset / "TestingSet" / f"{p}Infection-Test" for p in ("Lung", "MultiClass"))

    line = refuse(capsys, *weights_, "--data", tmp_path / "nowhere")
    assert line.startswith(f"{tmp_path / 'nowhere'}: no TestingSet/LungInfection-Test in it")
    (infection_test / "Imgs" / "21.png").unlink()
    line = refuse(capsys, *weights_, "--data", dataset)
    assert line == f"{infection_test / 'Imgs'}: no images for 21; add what is missing"
    (class_test / "GT-2" / "22.png").unlink()
    line = refuse(capsys, *classes, "--data", dataset)
    assert line == f"{class_test}: 22 in only one of GT-1 and GT-2; add the other masks"
    for path in (class_test / "GT-2").iterdir():
        path.unlink()
    assert refuse(capsys, *classes, "--data", dataset).startswith(f"{class_test / 'GT-2'}: no pictures")
    (class_test / "GT-2").rmdir()
    assert refuse(capsys, *classes, "--data", dataset) == f"{class_test}: only one of GT-1 and GT-2; add the other"
    numbers = dataset / "TrainingSet/MultiClassInfection-Train/GT/20.png"
    save(numbers, np.full((96, 96), 7, np.uint8))
    line = refuse(capsys, *classes, "--data", dataset, "--split", "train")
    assert line.startswith(f"{numbers}: the mask holds the value 7; give 0 background")
