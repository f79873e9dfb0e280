"""Training programs from their command lines, on slices made for the test: they learn them, save and resume."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from infnet import weights
from tests.train.making import save, semiseg
from tests.train.quick import QUICK, SLIM, TINY
from train import ablation, lungs, multiclass, semi, supervised
from train.fitting.checkpoint import load_checkpoint


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return semiseg(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def data_sets(tmp_path_factory):
    """A folder of data sets: five patients with lungs and lesions, and five lung slices in HU."""
    root = tmp_path_factory.mktemp("data")
    semiseg(root, labelled=10)
    for number in range(1, 6):
        grey = np.zeros((80, 80), np.uint8)
        grey[5:75, 5:75] = 100
        grey[15:65, 15:65] = 14
        lung = (grey == 14).astype(np.uint8) * 255
        lesion = np.zeros((80, 80), np.uint8)
        lesion[20:30, 20:40] = 255
        grey[lesion > 0] = 50
        for kind, array in (("images", grey), ("lungs", lung), ("lesions", lesion)):
            save(root / "coronacases" / kind / f"corona00{number}_s010.png", array)
        hu = np.full((64, 64), 40, np.int16)
        hu[10:50, 10:50] = -850
        save(root / "lungs-hu" / "images" / f"ID_000{number}_Z_0100.tif", hu)
        save(root / "lungs-hu" / "masks" / f"ID_000{number}_Z_0100.png", ((hu < 0) * 255).astype(np.uint8))
    return root


def rows(run: Path) -> list[dict[str, float]]:
    return [{k: float(v) for k, v in row.items()} for row in csv.DictReader((run / "log.csv").open())]


def fails(program, *arguments: object) -> None:
    """Run a program that must end with status 2."""
    with pytest.raises(SystemExit) as stopped:
        program.main([str(a) for a in arguments])
    assert stopped.value.code == 2


def test_supervised_learns_and_resumes(dataset, tmp_path, capsys):
    run = ["--data", str(dataset), "--out", str(tmp_path), *QUICK, *SLIM, "--validate-every", "20"]
    supervised.main([*run, "--steps", "60"])
    assert rows(tmp_path)[-1]["labelled Dice at 0.5"] > 0.9
    assert Image.open(tmp_path / "montage.png").size == (4 * 96, 2 * 96)  # a fifth of the 20 slices
    split = json.loads((tmp_path / "split.json").read_text())
    assert len(split["validation"]["labelled"]) == 4
    assert not set(split["train"]["labelled"]) & set(split["validation"]["labelled"])
    before = load_checkpoint(tmp_path / "last.pt")
    supervised.main([*run, "--steps", "60", "--resume"])  # it was finished: nothing is done twice
    assert load_checkpoint(tmp_path / "last.pt")["step"] == before["step"] == 60
    assert len(rows(tmp_path)) == 3
    fails(supervised, *run, "--steps", 60, "--resume", "--seed", 1)
    assert "made with other settings (seed)" in capsys.readouterr().err


@pytest.mark.parametrize("network", ["unet", "unet++", "deeplabv3+", "fcn8s"])
def test_supervised_trains_any_network(network, dataset, tmp_path):
    slim = {"fcn8s": '{"shrink": 8, "width": 8}'}.get(network, '{"encoder": "resnet18"}')
    supervised.main(
        [
            "--data",
            str(dataset),
            "--out",
            str(tmp_path),
            "--network",
            network,
            "--options",
            slim,
            "--size",
            "64",
            "--steps",
            "2",
            *QUICK,
        ]
    )
    assert len(rows(tmp_path)) == 1
    assert load_checkpoint(tmp_path / "best.pt")["config"]["network"] == network


def test_the_mix_and_an_own_folder(data_sets, tmp_path):
    for number in range(5):
        save(tmp_path / "own/images" / f"p{number}_1.png", np.full((64, 64), 60, np.uint8))
        save(tmp_path / "own/masks" / f"p{number}_1.png", np.zeros((64, 64), np.uint8))
    supervised.main(
        [
            "--data",
            str(data_sets),
            "--out",
            str(tmp_path / "run"),
            *QUICK,
            *TINY,
            "--steps",
            "2",
            "--mix",
            f"labelled=0.4,pseudo=0.2,coronacases=0.2,clear=0.1,{tmp_path / 'own'}=0.1",
        ]
    )
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    assert {name: len(groups) for name, groups in split["train"].items()} == {
        "labelled": 8,
        "pseudo": 3,
        "coronacases": 4,
        "clear": 4,
        str(tmp_path / "own"): 4,
    }
    assert set(split["validation"]) == {"labelled", "coronacases", "clear", str(tmp_path / "own")}


def test_a_start_that_has_seen_a_held_out_patient_is_refused(data_sets, tmp_path):
    common = ["--data", str(data_sets), *QUICK, *TINY, "--steps", "1"]
    first, second = tmp_path / "first", tmp_path / "second"
    supervised.main([*common, "--out", str(first), "--mix", "labelled=1", "--fold", "1"])
    start = ["--init", str(first / "last.pt")]
    supervised.main([*common, "--out", str(second), "--mix", "pseudo=1", "--fold", "1", *start])
    seen = json.loads((second / "split.json").read_text())["seen before"]
    assert seen == sorted(json.loads((first / "split.json").read_text())["train"]["labelled"])
    for run in (first, second):  # the second has it from the first
        start = ["--init", str(run / "last.pt")]
        with pytest.raises(SystemExit) as stopped:
            supervised.main([*common, "--out", str(tmp_path / "third"), "--fold", "0", *start])
        assert stopped.value.code == 2
    assert not (tmp_path / "third").exists()


def test_lungs_note_whom_the_start_has_seen(data_sets, tmp_path):
    common = ["--data", str(data_sets), "--size", "64", "--steps", "1", "--batch", "2", "--precision", "fp32"]
    lungs.main([*common, "--out", str(tmp_path / "first")])
    lungs.main([*common, "--out", str(tmp_path / "second"), "--init", str(tmp_path / "first" / "last.pt")])
    first, second = (json.loads((tmp_path / name / "split.json").read_text()) for name in ("first", "second"))
    assert first["seen before"] == []
    assert second["seen before"] == sorted(first["train"]["lungs"])


def test_multiclass_learns_both_classes(dataset, tmp_path):
    multiclass.main(
        [
            "--data",
            str(dataset),
            "--out",
            str(tmp_path),
            "--size",
            "64",
            "--steps",
            "160",
            *QUICK,
            "--options",
            '{"shrink": 4, "width": 64}',
            "--validate-every",
            "40",
        ]
    )
    last = rows(tmp_path)[-1]
    assert last["labelled GGO mean Dice"] > 0.9
    assert last["labelled consolidation mean Dice"] > 0.9


@pytest.mark.parametrize(
    "arguments",
    [
        ["--network", "deeplabv3+", "--options", '{"encoder": "resnet18", "stride": 8}', "--unguided"],
        ["--network", "unet", "--options", '{"encoder": "resnet18"}'],
        ["--unguided", "--options", '{"shrink": 8, "width": 8}'],
        ["--paper", "--options", '{"shrink": 8, "width": 8}'],
    ],
)
def test_multiclass_baselines_run(arguments, dataset, tmp_path):
    multiclass.main(["--data", str(dataset), "--out", str(tmp_path), "--size", "64", "--steps", "2", *arguments])
    config = load_checkpoint(tmp_path / "best.pt")["config"]
    assert config["options"]["inputs"] == (3 if "--unguided" in arguments else 6)
    assert (config["optimizer"] == "sgd") is ("--paper" in arguments)


def test_lungs_learn(data_sets, tmp_path):
    small = '{"encoder": "resnet18", "decoder_widths": [128, 64, 32, 16]}'
    steps = ["--size", "64", "--steps", "40", "--validate-every", "20"]
    lungs.main(["--data", str(data_sets), "--out", str(tmp_path), "--options", small, *steps, *QUICK])
    assert rows(tmp_path)[-1]["mean"] > 0.9


def test_lungs_start_from_the_shipped_network(data_sets, tmp_path):
    steps = ["--steps", "1", "--size", "64", "--batch", "2", "--ema", "0", "--learning-rate", "1e-9", "--fold", "-1"]
    lungs.main(["--data", str(data_sets), "--out", str(tmp_path / "run"), "--init", "lung-unet", *steps])
    kernel = "decoder.blocks.0.conv1.0.weight"
    shipped = weights.load("lung-unet")[0].state_dict()[kernel]
    found = load_checkpoint(tmp_path / "run" / "last.pt")["network"][kernel]
    assert torch.allclose(found, shipped, atol=1e-6)
    assert shipped.abs().max() > 1e-3


@pytest.mark.parametrize(("steps", "reached"), [(5, 0.0), pytest.param(45, 0.9, marks=pytest.mark.slow)])
def test_ablation_fills_the_table(dataset, tmp_path, steps, reached):
    common = ["--data", str(dataset), "--out", str(tmp_path), *QUICK, *SLIM, "--learning-rate", "4e-3"]
    ablation.main([*common, "--validate-every", str(steps), "--steps", str(steps)])
    table = json.loads((tmp_path / "table.json").read_text())
    assert [row["variant"] for row in table] == list(ablation.VARIANTS)
    assert table[-1]["labelled Dice at 0.5"] > reached
    assert all(0 < row["labelled mean Dice"] < 1 for row in table)
    assert len({row["labelled mean Dice"] for row in table}) == 5, "each is a network of its own"
    assert len(list(csv.DictReader((tmp_path / "table.csv").open()))) == 5


def test_paper_settings(dataset):
    """53 slices in batches of 16 are 4 batches an epoch, each at three scales."""
    config = supervised.paper(53)
    assert config.steps == 100 * 4 * 3
    assert config.decay_every == 50 * 4 * 3
    assert (config.optimizer, config.learning_rate, config.clip, config.clip_by) == ("adam", 1e-4, 0.5, "value")
    assert (config.size, config.scales, config.every_scale, config.ema) == (352, (0.75, 1.0, 1.25), True, 0)
    classes = multiclass.paper(53)
    assert (classes.optimizer, classes.learning_rate, classes.weight_decay, classes.size) == ("sgd", 1e-10, 5e-4, 512)


@pytest.mark.parametrize(
    ("program", "arguments", "message"),
    [
        *((p, ["--data", "nowhere"], "nowhere: no COVID-SemiSeg data set") for p in (supervised, semi, multiclass)),
        (lungs, ["--data", "nowhere"], "nowhere/coronacases/images: no such folder"),
        (semi, ["--k", "13"], "--k 13: the pool holds 12 slices; give 1 to 12"),
        (semi, ["--pool", "nowhere"], "nowhere/Imgs: no such folder"),
        (supervised, ["--steps", "0"], "--steps 0: must be at least 1"),
        (supervised, ["--fold-count", "50"], "20 groups: too few for 50 folds"),
        (supervised, ["--mix", "labelled"], "--mix labelled: give names and shares"),
        (supervised, ["--mix", "nowhere=1"], "nowhere/images: no such folder"),
        (supervised, ["--init", "nowhere.pt"], "nowhere.pt: no such checkpoint"),
        (supervised, ["--init", "lung-unet"], "lung-unet: does not fit this network"),
        (supervised, ["--options", '{"depth": 3}'], "inf-net: InfNet.__init__() got an unexpected keyword"),
    ],
)
def test_bad_input_is_one_line(program, arguments, message, dataset, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [] if "--data" in arguments else ["--data", str(dataset)]
    fails(program, "--out", tmp_path / "run", *given, *TINY[:2], *arguments)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_damaged_checkpoint_on_resume_is_one_line(dataset, tmp_path, capsys):
    (tmp_path / "last.pt").write_bytes(b"\0" * 100)
    fails(supervised, "--data", dataset, "--out", tmp_path, *TINY, "--steps", 2, "--resume")
    assert "last.pt: not a readable checkpoint" in capsys.readouterr().err
