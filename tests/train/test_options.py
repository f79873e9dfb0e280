"""No option without effect: each one that a training program accepts changes its settings or what it does."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from infnet.errors import InfNetError
from infnet.networks.infnet import InfNetOutput
from tests.train.making import save, semiseg
from train import ablation, evaluate, lungs, multiclass, semi, supervised
from train.arguments import refuse
from train.fitting.distributed import Process
from train.fitting.options import configure, run_program, training_parser
from train.fitting.task import Run, Task

PROGRAMS = [supervised, ablation, multiclass, lungs, semi]
SLIM = {
    supervised: ["--options", '{"backbone": "resnet10t"}'],
    ablation: ["--options", '{"backbone": "resnet10t"}'],
    multiclass: ["--network", "unet", "--options", '{"encoder": "tu-resnet10t"}'],
    lungs: ["--options", '{"encoder": "tu-resnet10t", "decoder_widths": [8, 8, 8, 8]}'],
    semi: ["--options", '{"backbone": "resnet10t"}'],
}
# Options that `run_program` obeys, which a test of its own checks, and those that start from files.
SHARED = {"help", "out", "data", "resume", "minutes", "device", "init", "pool", "options"}
# Settings that the loop obeys, the same for all programs: it is enough that they reach the config.
LOOP: dict[str, Any] = {
    "steps": 11,
    "micro_batch": 3,
    "learning_rate": 0.1,
    "schedule": "constant",
    "weight_decay": 0.5,
    "warmup": 7,
    "ema": 0.5,
    "validate_every": 9,
    "save_every": 9,
    "patience": 2,
    "precision": "bf16",
}
# All others must change batches, loss, network, split or number of steps.
OWN = {
    "size": ["96"],
    "batch": ["3"],
    "seed": ["1"],
    "fold": ["1"],
    "fold_count": ["4"],
    "entropy": ["0.1"],
    "cutmix": ["1"],
    "paper": [],
    "unguided": [],
    "pretrained": [],
    "network": ["unet", "--options", '{"encoder": "resnet18"}'],
    "mix": ["pseudo=1"],
    "validate_on": ["labelled,coronacases"],
    "k": ["3"],
    "pool_size": ["6"],
    "published": [],
    "supervised_steps": ["2"],
    "round_steps": ["2"],
    "pretraining_steps": ["2"],
    "finetuning_steps": ["2"],
}
# Where a program takes other values: it has other sources, or another network to begin with.
OF_CLASSES = {
    "network": ["fcn8s", "--options", '{"shrink": 8, "width": 8}'],
    "mix": ["medseg-volumes=1"],
    "validate_on": ["labelled,medseg-volumes"],
}
# The phase of `train.semi` in which an option of its own shows; the others show in the first.
PHASE = {
    "k": "propagation",
    "pool_size": "propagation",
    "round_steps": "propagation",
    "published": "pretraining",
    "pretraining_steps": "pretraining",
    "finetuning_steps": "finetuning",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Labelled and unlabelled slices, five coronacases patients, two of medseg-volumes, and five lung slices in HU."""
    root = tmp_path_factory.mktemp("data")
    semiseg(root, labelled=10)
    for number in range(1, 6):
        inside = np.zeros((48, 48), np.uint8)
        inside[8:40, 4 + 2 * number : 40] = 255
        hu = np.where(inside > 0, -850, 40).astype(np.int16)
        for kind in ("images", "lungs", "lesions"):
            save(root / "coronacases" / kind / f"corona00{number}_s010.png", inside)
        save(root / "lungs-hu" / "images" / f"ID_000{number}_Z_0100.tif", hu)
        save(root / "lungs-hu" / "masks" / f"ID_000{number}_Z_0100.png", inside)
    for patient in ("medseg1", "medseg4"):
        for kind, value in (("images", 255), ("lungs", 255), ("classes", 2)):
            save(root / "medseg-volumes" / kind / f"{patient}_z003.png", (inside > 0).astype(np.uint8) * value)
    return root


def know_nothing(network: torch.nn.Module, backbone: str) -> None:
    """In the place of ImageNet weights, which are not at hand for every backbone."""
    assert backbone == "resnet10t"
    encoder: Any = network.backbone if hasattr(network, "backbone") else network.encoder
    for parameter in encoder.parameters():
        torch.nn.init.zeros_(parameter)


class Begun(Exception):  # noqa: N818 - what the test waits for
    """The last `fit` was called; the program need not go on."""


def facts(task: Task) -> tuple[Any, ...]:
    """What a task does in its second step, its loss on maps that are always the same, its network and its split."""
    x, truth = task.batch(1, range(2))
    logits = torch.linspace(-3, 3, 2 * 3 * truth.shape[-1] ** 2).reshape(2, 3, *truth.shape[-2:])
    first = logits[:, :1]
    output: Any = first if truth.ndim == 4 else logits
    if truth.ndim == 4 and type(task.network).__name__ == "InfNet":
        output = InfNetOutput(first, first, first, first, first)
    shapes = [tuple(p.shape) for p in task.network.parameters()]
    weights = sum(float(p.detach().double().sum()) for p in task.network.parameters())
    return tuple(x.shape), x.double().sum().item(), float(task.loss(output, truth)), shapes, weights, task.split


def behaviour(program: Any, given: list[str], setup: tuple[Path, pytest.MonkeyPatch, Path], phase: str) -> list[Any]:
    """The folder of each `fit` that a program asks for, up to the `phase` of `train.semi`; steps and facts of the
    last. `setup`: folder of the data, monkeypatch, folder of the run."""
    data, monkeypatch, out = setup
    calls: list[Any] = []

    def fit(task: Task, config: Any, run: Run) -> Any:
        calls.append(run.folder.name)
        if program is not semi or run.folder.name == phase:
            calls.append((config.steps, facts(task)))
            raise Begun
        run.folder.mkdir(parents=True, exist_ok=True)
        torch.save({"step": 1, "scores": {}}, run.folder / "best.pt")
        return task.network

    monkeypatch.setattr(program, "fit", fit)
    monkeypatch.setattr("train.fitting.start.load_pretrained", know_nothing)
    monkeypatch.setattr(semi, "read_label", lambda folder, example: example.mask)
    run_program = "train.fitting.options.run_program"
    monkeypatch.setattr(run_program, lambda parser, argv, body: call(body, parser.parse_args(argv)))
    plain = ["--data", str(data), "--out", str(out), "--batch", "2", "--size", "64", *SLIM[program]]
    with pytest.raises(Begun):
        program.main([*plain, *given])
    return calls


def call(body: Any, options: argparse.Namespace) -> None:
    body(options, Run(options.out, Process(0, 1, torch.device("cpu"))))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__.removeprefix("train."))
def test_every_option_has_an_effect(program, data, monkeypatch, tmp_path):
    setup = (data, monkeypatch, tmp_path)
    phases = dict.fromkeys(["supervised", *(PHASE.values() if program is semi else ())])
    plain = {phase: behaviour(program, [], setup, phase) for phase in phases}
    for action in program.parser()._actions:
        name, option = action.dest, action.option_strings[0]
        if name in LOOP:
            options = program.parser().parse_args(["--out", "run", option, str(LOOP[name])])
            assert getattr(configure(options, supervised.RECIPE), name) == LOOP[name], option
        elif name not in SHARED:
            phase = PHASE.get(name, "supervised")
            value = OF_CLASSES.get(name, OWN[name]) if program is multiclass else OWN[name]
            assert behaviour(program, [option, *value], setup, phase) != plain[phase], option


def test_the_run_is_what_the_command_line_says(tmp_path):
    runs: list[Run] = []
    for given in ([], ["--resume", "--minutes", "5", "--device", "cpu"]):
        run_program(training_parser(""), ["--out", str(tmp_path), *given], lambda options, run: runs.append(run))
    plain, changed = runs
    assert plain.folder == changed.folder == tmp_path
    assert (plain.resume, plain.deadline) == (False, math.inf)
    assert changed.resume
    assert changed.deadline < math.inf
    assert changed.process.device == torch.device("cpu")


@pytest.mark.parametrize(
    ("program", "given"),
    [
        (lungs, ["--paper"]),
        (lungs, ["--cutmix", "1"]),
        (lungs, ["--entropy", "1"]),
        (multiclass, ["--cutmix", "1"]),
        (multiclass, ["--entropy", "1"]),
        (ablation, ["--init", "run"]),
        (ablation, ["--network", "inf-net"]),
        (semi, ["--steps", "5"]),
        (semi, ["--mix", "labelled=1"]),
    ],
)
def test_an_option_that_a_program_would_ignore_is_unknown_to_it(program, given, capsys):
    with pytest.raises(SystemExit) as stopped:
        program.main(["--out", "nowhere", *given])
    assert stopped.value.code == 2
    assert "unrecognized arguments" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "given", "line"),
    [
        (semi, ["--out", "x", "--paper", "--round-steps", "3"], "--round-steps: without effect with --paper"),
        (semi, ["--out", "x", "--published", "--k", "3"], "--k: without effect with --published; leave it out"),
        (evaluate, ["--predictions", "x", "--ground-truth", "y", "--size", "64"], "--size: without effect with --pre"),
        (evaluate, ["--weights", "x", "--ground-truth", "y"], "--ground-truth: without effect with --weights"),
        (evaluate, ["--weights", "x", "--masks"], "--masks: without effect with --task infection; leave it out"),
    ],
)
def test_an_option_that_another_makes_useless_is_refused(program, given, line, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        program.main(given)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(line)
    assert error.count("\n") == 1


def test_what_was_not_given_is_not_refused():
    options = argparse.Namespace(k=None, paper=False, size=3)
    refuse(options, ("k", "paper"), "here")
    with pytest.raises(InfNetError, match="--size: without effect here; leave it out"):
        refuse(options, ("k", "paper", "size"), "here")
