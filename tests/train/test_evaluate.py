"""Both ways of `python -m train.evaluate`, on tiny folders, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from infnet import weights
from infnet.measure.metrics import all_scores, dice
from infnet.networks import NETWORKS
from tests.train.making import save, semiseg
from train.evaluate import main
from train.maps import load_truth, read
from train.predictor import Predictor, open_predictor

KEYS = {
    "dice", "sensitivity", "specificity", "structure", "enhanced_alignment", "mae", "dice_at_threshold", "dice_present",
    "count", "count_present",
}  # fmt: skip


def run(tmp_path: Path, *arguments: object) -> dict[str, dict[str, float]]:
    main([*map(str, arguments), "--json", str(tmp_path / "out" / "scores.json")])
    return json.loads((tmp_path / "out" / "scores.json").read_text())


def refuse(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line with which the program ends."""
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, arguments)])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def square(top: int, left: int, side: int = 8, shape: tuple[int, int] = (20, 24)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def soft(seed: int, shape: tuple[int, int] = (20, 24)) -> np.ndarray:
    """A grey map over the whole range."""
    grey = np.random.default_rng(seed).integers(0, 200, shape).astype(np.uint8)
    grey[4:14, 5:15] += 55
    grey.flat[:2] = 0, 255
    return grey


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Maps a.png, b.png and c.png that are no masks, and truths; that of c is empty."""
    for number, name in enumerate("abc"):
        save(tmp_path / "maps" / f"{name}.png", soft(number))
        save(tmp_path / "truth" / f"{name}.png", 255 * square(4, 5 + number).astype(np.uint8) * (name != "c"))
    return tmp_path / "maps", tmp_path / "truth"


# Folders of maps


def test_scores_are_means_over_slices_and_an_empty_truth_counts_0(tmp_path, folders, capsys):
    maps, truth = folders
    found = run(tmp_path, "--predictions", maps, "--ground-truth", truth)
    assert found.keys() == {"infection"}
    assert found["infection"].keys() == KEYS
    greys = [soft(i) / 255 for i in range(3)]
    truths = [square(4, 5), square(4, 6), np.zeros((20, 24), bool)]
    each = np.array([all_scores(g, t) for g, t in zip(greys, truths, strict=True)])
    for name, mean in zip(all_scores(greys[0], truths[0])._fields, each.mean(0), strict=True):
        assert found["infection"][name] == pytest.approx(mean, abs=1e-6)
    assert each[2, 0] == 0
    assert found["infection"]["dice_present"] == pytest.approx(each[:2, 0].mean(), abs=1e-6)
    plain = [dice(g >= 0.5, t) for g, t in zip(greys, truths, strict=True)]
    assert found["infection"]["dice_at_threshold"] == pytest.approx(np.mean(plain), abs=1e-6)
    assert (found["infection"]["count"], found["infection"]["count_present"]) == (3, 2)
    printed = capsys.readouterr().out
    assert f"{each[:, 0].mean():.3f}" in printed
    assert "2/3" in printed


def test_the_plain_dice_follows_the_threshold_and_the_name_is_given(tmp_path, folders):
    maps, truth = folders
    found = run(tmp_path, "--predictions", maps, "--ground-truth", truth, "--threshold", 0.9, "--name", "lungs")
    plain = [dice(soft(0) / 255 >= 0.9, square(4, 5)), dice(soft(1) / 255 >= 0.9, square(4, 6)), 0]
    assert found["lungs"]["dice_at_threshold"] == pytest.approx(np.mean(plain), abs=1e-6)


def palette(mask: np.ndarray, *colours: tuple[int, int, int]) -> Image.Image:
    image = Image.fromarray(mask.astype(np.uint8), "P")
    image.putpalette([value for colour in colours for value in colour])
    return image


def rgba(colour: np.ndarray, alpha: np.ndarray) -> Image.Image:
    return Image.fromarray(np.dstack([colour, colour, colour, alpha]).astype(np.uint8), "RGBA")


MASKS = {
    "0 and 255": (lambda m: Image.fromarray((255 * m).astype(np.uint8)), "png"),
    "0 and 1": (lambda m: Image.fromarray(m.astype(np.uint8)), "png"),
    "1 bit": (lambda m: Image.fromarray(m), "png"),
    "16 bit": (lambda m: Image.fromarray((65535 * m).astype(np.uint16)), "png"),
    "16 bit, 0 and 255": (lambda m: Image.fromarray((255 * m).astype(np.uint16)), "tif"),
    "float": (lambda m: Image.fromarray(m.astype(np.float32)), "tiff"),
    "grey palette": (lambda m: palette(m, (0, 0, 0), (255, 255, 255)), "png"),
    "red palette": (lambda m: palette(m, (0, 0, 0), (128, 0, 0)), "png"),
    "RGB": (lambda m: Image.fromarray((255 * m).astype(np.uint8)).convert("RGB"), "bmp"),
    "RGBA": (lambda m: rgba(255 * m, np.full(m.shape, 255)), "png"),
    "transparent background": (lambda m: rgba(np.full(m.shape, 255), 255 * m), "png"),
    "JPEG": (lambda m: Image.fromarray((255 * m).astype(np.uint8)), "jpg"),
}


@pytest.mark.parametrize("kind", MASKS)
def test_masks_of_every_kind_read_alike(tmp_path, kind):
    """Shifted by half a square: Dice 0.5 at 255 thresholds, and 2 * 64 / (480 + 64) where all is foreground."""
    make, ending = MASKS[kind]
    for folder, left in (("maps", 4), ("truth", 8)):
        (tmp_path / folder).mkdir()
        make(square(8, left)).save(tmp_path / folder / f"1.{ending}", **({"quality": 100} if ending == "jpg" else {}))
        make(square(8, left) & False).save(tmp_path / folder / f"2.{ending}")  # decides nothing about the scale
    found = run(tmp_path, "--predictions", tmp_path / "maps", "--ground-truth", tmp_path / "truth")["infection"]
    near = 0.01 if kind == "JPEG" else 1e-6
    assert found["dice_at_threshold"] == pytest.approx((0.5 + 1) / 2)
    assert found["dice_present"] == pytest.approx((255 * 0.5 + 128 / 544) / 256, abs=near)
    assert found["mae"] == pytest.approx(64 / 480 / 2, abs=near)


def test_a_16_bit_map_keeps_what_8_bits_would_lose(tmp_path):
    truth = square(4, 5)
    save(tmp_path / "truth" / "1.png", 255 * truth.astype(np.uint8))
    fine = np.where(truth, 32770, 32700).astype(np.uint16)
    fine[0, :2] = 0, 65535
    save(tmp_path / "maps" / "1.png", fine)
    found = run(tmp_path, "--predictions", tmp_path / "maps", "--ground-truth", tmp_path / "truth")["infection"]
    assert found["dice_at_threshold"] == pytest.approx(128 / 129, abs=1e-6)  # 32770 is above one half, 32700 is not


def test_a_map_of_another_size_is_resized_bicubically(tmp_path):
    grey, truth = soft(0, (40, 30)), square(4, 5)
    save(tmp_path / "maps" / "1.png", grey)
    save(tmp_path / "truth" / "1.png", 255 * truth.astype(np.uint8))
    found = run(tmp_path, "--predictions", tmp_path / "maps", "--ground-truth", tmp_path / "truth")["infection"]
    resized = np.asarray(Image.fromarray(grey).resize((24, 20), Image.Resampling.BICUBIC))
    for name, value in all_scores(resized / 255, truth)._asdict().items():
        assert found[name] == pytest.approx(value, abs=1e-6)


def test_a_small_mask_of_0_and_1_is_resized_without_rounding_it_away(tmp_path):
    save(tmp_path / "maps" / "1.png", square(2, 2, 4, (10, 12)).astype(np.uint8))
    save(tmp_path / "truth" / "1.png", square(4, 4).astype(np.uint8))
    found = run(tmp_path, "--predictions", tmp_path / "maps", "--ground-truth", tmp_path / "truth")["infection"]
    assert found["dice_at_threshold"] > 0.9
    assert found["dice"] > 0.9


def test_a_folder_for_each_class(tmp_path):
    for number in range(3):
        save(tmp_path / "truth" / "GT-1" / f"{number}.png", 255 * square(2, 2).astype(np.uint8))
        save(tmp_path / "truth" / "GT-2" / f"{number}.png", 255 * square(2, 12).astype(np.uint8) * (number == 0))
        save(tmp_path / "same" / "GT-1" / f"{number}.png", 255 * square(2, 2).astype(np.uint8))
        save(tmp_path / "same" / "GT-2" / f"{number}.png", 255 * square(2, 12).astype(np.uint8))
        save(tmp_path / "named" / "ggo" / f"{number}.png", 255 * square(2, 2).astype(np.uint8))
        save(tmp_path / "named" / "consolidation" / f"{number}.png", 255 * square(2, 12).astype(np.uint8))
    found = run(tmp_path, "--predictions", tmp_path / "same", "--ground-truth", tmp_path / "truth")
    assert found == run(tmp_path, "--predictions", tmp_path / "named", "--ground-truth", tmp_path / "truth")
    perfect = (255 + 128 / 544) / 256
    assert found["ggo"]["dice"] == pytest.approx(perfect, abs=1e-6)
    assert found["consolidation"]["dice"] == pytest.approx(perfect / 3, abs=1e-6)
    assert found["consolidation"]["dice_present"] == pytest.approx(perfect, abs=1e-6)
    assert found["consolidation"]["count_present"] == 1


def test_a_class_that_is_nowhere_has_no_dice_where_present(tmp_path, capsys):
    save(tmp_path / "maps" / "1.png", soft(0))
    save(tmp_path / "truth" / "1.png", np.zeros((20, 24), np.uint8))
    found = run(tmp_path, "--predictions", tmp_path / "maps", "--ground-truth", tmp_path / "truth")
    assert found["infection"]["dice_present"] is None
    assert "0/1" in capsys.readouterr().out


def test_missing_maps_are_named(folders, capsys):
    maps, truth = folders
    (maps / "a.png").unlink()
    (maps / "c.png").unlink()
    line = refuse(capsys, "--predictions", maps, "--ground-truth", truth)
    assert line == f"{maps}: no maps for a, c; add what is missing"


def test_extra_maps_are_named_and_left_out(tmp_path, folders, capsys):
    maps, truth = folders
    for name in ("10", "9"):
        save(maps / f"{name}.png", soft(0))
    assert run(tmp_path, "--predictions", maps, "--ground-truth", truth)["infection"]["count"] == 3
    assert capsys.readouterr().err == f"{maps}: left out, without ground truth: 9, 10\n"


def test_bad_folders_end_in_one_line(tmp_path, folders, capsys):
    maps, truth = folders
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "notes.txt").write_text("")

    def line(predictions: Path, ground_truth: Path) -> str:
        return refuse(capsys, "--predictions", predictions, "--ground-truth", ground_truth)

    assert line(tmp_path / "nowhere", truth) == f"{tmp_path / 'nowhere'}: no such folder; correct the path"
    assert line(maps, tmp_path / "nowhere") == f"{tmp_path / 'nowhere'}: no such folder; correct the path"
    assert line(empty, truth).startswith(f"{empty}: no pictures")
    assert line(maps, empty).startswith(f"{empty}: no pictures")
    save(maps / "a.tif", soft(0))
    assert line(maps, truth) == f"{maps}: both a.png and a.tif; keep one of them"
    (maps / "a.tif").unlink()
    (truth / "GT-1").mkdir()
    assert line(maps, truth) == f"{maps}: no sub-folder of ggo; name them as in {truth}"
    assert refuse(capsys, "--predictions", maps).startswith("--ground-truth: missing")
    assert refuse(capsys, "--ground-truth", truth).startswith("--predictions, --weights: one of the two is needed")


def test_bad_pictures_end_in_one_line(folders, capsys):
    maps, truth = folders

    def line(path: Path, array: np.ndarray) -> str:
        kept = path.read_bytes()
        Image.fromarray(array).save(path, "TIFF" if array.dtype == np.float32 else "PNG")
        told = refuse(capsys, "--predictions", maps, "--ground-truth", truth)
        path.write_bytes(kept)
        assert told.startswith(f"{path}: ")
        return told

    assert "highest value is 2; a ground truth holds 0 and 255" in line(
        truth / "b.png", 2 * square(1, 1).astype(np.uint8)
    )
    assert "holds values below 0" in line(maps / "b.png", np.full((20, 24), -3, np.float32))
    assert "no numbers" in line(maps / "b.png", np.full((20, 24), np.nan, np.float32))
    rainbow = np.dstack([soft(0), 255 - soft(0), soft(1)])
    assert "a picture in colours" in line(maps / "b.png", rainbow)
    (maps / "b.png").write_bytes(b"no picture")
    line_ = refuse(capsys, "--predictions", maps, "--ground-truth", truth)
    assert line_.startswith(f"{maps / 'b.png'}: not a readable picture")


def test_a_place_that_cannot_be_written_is_named(tmp_path, folders, capsys):
    maps, truth = folders
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "scores.json"
    line = refuse(capsys, "--predictions", maps, "--ground-truth", truth, "--json", target)
    assert line.startswith(f"{target}: not written")


# Networks on the data set


class Pointwise(nn.Module):
    """Logits of each class from the grey of a pixel and, with 6 channels, from the infection map."""

    def __init__(self, inputs: int = 3, classes: int = 1) -> None:
        super().__init__()
        self.mix = nn.Conv2d(inputs, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mix(x)


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
    found = run(tmp_path, "--weights", checkpoint, "--data", dataset, "--task", "infection", "--split", split)
    assert found.keys() == {"infection"}
    assert found["infection"]["count"] == 4
    assert [found["infection"][k] for k in all_scores(np.zeros((2, 2)), np.eye(2) > 0)._fields] == pytest.approx(
        expected_infection(dataset), abs=1e-4
    )


def test_saved_maps_score_the_same_and_are_not_stretched(tmp_path, dataset):
    checkpoint = pointwise(tmp_path, "infection", [[1.0, 0.0, 0.0]], [0.0])
    maps = tmp_path / "saved"
    found = run(tmp_path, "--weights", checkpoint, "--data", dataset.parent, "--save-maps", maps)
    highest = 1 / (1 + np.exp(-(225 / 255 - 0.485) / 0.229))  # of the bright rim
    assert {int(read(path).max()) for path in maps.iterdir()} == {round(255 * highest)}
    again = run(tmp_path, "--predictions", maps, "--ground-truth", dataset / "TestingSet/LungInfection-Test/GT")
    for key, value in found["infection"].items():
        assert again["infection"][key] == pytest.approx(value, abs=0.01)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_class_network_sees_the_infection_map(tmp_path, dataset, split):
    infection = pointwise(tmp_path, "infection", *BRIGHT)
    classes = pointwise(tmp_path, "classes", *BY_MAP)
    maps = tmp_path / "saved"
    found = run(
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
    assert found.keys() == {"ggo", "consolidation"}
    assert found["ggo"]["count"] == 4
    assert found["ggo"]["dice_at_threshold"] > 0.95
    truth = dataset / "TestingSet/MultiClassInfection-Test"
    again = run(tmp_path, "--predictions", maps, "--ground-truth", truth)
    for kind in found:
        assert again[kind]["dice_at_threshold"] == pytest.approx(found[kind]["dice_at_threshold"], abs=0.01)


def test_a_class_network_without_infection_map(tmp_path, dataset):
    classes = pointwise(tmp_path, "classes", [[0.0] * 3, [-4.0, 0, 0], [4.0, 0, 0]], [0.0, 0.0, 0.0])
    found = run(tmp_path, "--weights", classes, "--data", dataset, "--task", "multiclass")
    # Bright pixels are called consolidation: all of it is found, and the rim besides.
    assert found["consolidation"]["sensitivity"] > 0.6
    assert found["ggo"]["dice_at_threshold"] < 0.2


def test_masks_are_the_most_probable_class(tmp_path, dataset):
    classes = pointwise(tmp_path, "classes", [[0.0] * 3, [-4.0, 0, 0], [4.0, 0, 0]], [0.0, 0.0, 0.0])
    maps = tmp_path / "saved"
    found = run(
        tmp_path, "--weights", classes, "--data", dataset, "--task", "multiclass", "--masks", "--save-maps", maps
    )
    for kind in found:
        assert {int(v) for path in (maps / kind).iterdir() for v in np.unique(read(path))} <= {0, 255}
    again = run(tmp_path, "--predictions", maps, "--ground-truth", dataset / "TestingSet/MultiClassInfection-Test")
    assert again == found


class Ramp(nn.Module):
    """Brightest at the top row of its input, whatever it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Conv2d(3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = torch.linspace(3, -3, x.shape[2])[None, None, :, None]
        return rows.expand(len(x), 1, x.shape[2], x.shape[3])


def test_own_networks_see_slices_upright_and_those_of_the_reference_as_stored():
    stored = np.zeros((48, 80), np.uint8)
    upright, plain = (Predictor("ramp", Ramp(), 64, turned, 0.5, 3, 1)(stored, (48, 80))[0] for turned in (True, False))
    assert upright.shape == plain.shape == (48, 80)
    assert np.allclose(plain, plain[:, :1])
    assert np.allclose(upright, upright[:1])
    assert plain[0, 0] > 0.9 > 0.1 > plain[-1, 0]
    assert upright[0, 0] > 0.9 > 0.1 > upright[0, -1]


def test_reference_checkpoints_are_not_windowed(tmp_path, dataset, monkeypatch):
    """A plain state dict goes to `load_reference`; its network sees grey / 255 with ImageNet's mean and deviation."""
    seen = []

    class Spy(Pointwise):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return super().forward(x)

    torch.save(Pointwise().state_dict(), tmp_path / "Inf-Net-100.pth")
    monkeypatch.setattr(weights, "load_reference", lambda path: Spy())
    predictor = open_predictor(str(tmp_path / "Inf-Net-100.pth"))
    assert (predictor.size, predictor.upright, predictor.threshold) == (352, False, 0.5)
    stored = np.full((40, 60), 100, np.uint8)  # mid grey only: no lung window
    predictor(stored, (40, 60))
    assert seen[-1].shape == (1, 3, 352, 352)
    assert seen[-1][0, :, 0, 0].tolist() == pytest.approx(
        [(100 / 255 - m) / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))], abs=1e-5
    )


def test_a_model_of_the_registry_by_name(monkeypatch):
    entry = weights.Entry("mine", "infection", "mine.safetensors", "", "pointwise", {}, 64, 0.4, "", {})
    monkeypatch.setattr(weights, "load", lambda name: (Pointwise(), entry))
    predictor = open_predictor("mine")
    assert (predictor.size, predictor.upright, predictor.threshold) == (64, True, 0.4)


def test_a_checkpoint_without_settings_is_an_inf_net_at_352(tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "inf-net", Pointwise)  # type: ignore[arg-type]
    raw, averaged = Pointwise().state_dict(), Pointwise().state_dict()
    torch.save({"network": raw, "average": averaged, "config": {"steps": 3}}, tmp_path / "last.pt")
    predictor = open_predictor(str(tmp_path / "last.pt"))
    assert predictor.size == 352
    assert torch.equal(predictor.network.state_dict()["mix.weight"].cpu(), averaged["mix.weight"])
    assert open_predictor(str(tmp_path / "last.pt"), size=64).size == 64


def test_safetensors_hold_an_inf_net(tmp_path, monkeypatch, dataset, capsys):
    monkeypatch.setitem(NETWORKS, "inf-net", Pointwise)  # type: ignore[arg-type]
    weights.save(Pointwise().state_dict(), tmp_path / "mine.safetensors")
    found = run(tmp_path, "--weights", tmp_path / "mine.safetensors", "--data", dataset, "--size", 96)
    assert found["infection"]["count"] == 4
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


def test_folders_of_maps_need_no_torch():
    """Its import takes seconds."""
    import subprocess
    import sys

    code = "import sys, train.evaluate; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
