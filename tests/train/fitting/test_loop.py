from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from infnet.errors import InfNetError
from tests.train import tiny
from tests.train.tiny import CONFIG, task
from tests.train.torchrun import two_processes
from train.fitting.checkpoint import load_checkpoint
from train.fitting.config import TrainConfig
from train.fitting.distributed import Process
from train.fitting.loop import fit
from train.fitting.machine import faster_precision
from train.fitting.schedule import learning_rate_at, make_optimizer, scale_at
from train.fitting.task import Paused, Run

ROOT = Path(__file__).parents[3]


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_training_lowers_the_loss(tmp_path):
    config = replace(CONFIG, steps=150, learning_rate=1e-2, validate_every=150, ema=0.9)
    trained = task()
    before = tiny.validate(trained.network.eval())["negative loss"]
    assert tiny.validate(fit(trained, config, Run(tmp_path)))["negative loss"] > before + 0.2


def test_20_steps_are_10_and_a_resumed_10_to_the_bit(tmp_path):
    whole, parts = task(), task()
    average = fit(whole, CONFIG, Run(tmp_path / "whole"))
    fit(parts, CONFIG, Run(tmp_path / "parts", stop_at=7))  # between a checkpoint, at 5, and a validation
    again = task()
    resumed = fit(again, CONFIG, Run(tmp_path / "parts", resume=True))
    assert same(average, resumed)
    assert same(whole.network, again.network)
    assert (tmp_path / "whole/best.pt").exists()
    logs = [list(csv.DictReader((tmp_path / name / "log.csv").open())) for name in ("whole", "parts")]
    for one, other in zip(*logs, strict=True):
        assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}


def test_small_pieces_add_up_to_the_whole_batch(tmp_path):
    whole, pieces = task(batch_norm=False), task(batch_norm=False)
    for one in (whole, pieces):
        one.network[3].p = 0.0  # dropout is drawn anew for every piece
    fit(whole, replace(CONFIG, steps=3), Run(tmp_path / "whole"))
    fit(pieces, replace(CONFIG, steps=3, micro_batch=3), Run(tmp_path / "pieces"))
    for a, b in zip(whole.network.parameters(), pieces.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_run_leaves_what_people_look_for(tmp_path):
    drawn = replace(task(), montage=lambda net: Image.new("RGB", (8, 8)), split={"train": {"labelled": {"g": ["1"]}}})
    fit(drawn, CONFIG, Run(tmp_path))
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {
        "best.pt",
        "last.pt",
        "config.json",
        "split.json",
        "environment.json",
        "log.csv",
        "curves.png",
        "montage.png",
        "tensorboard",
    }
    assert json.loads((tmp_path / "config.json").read_text())["steps"] == 20
    facts = json.loads((tmp_path / "environment.json").read_text())
    assert facts["precision"] == "fp32"
    assert facts["torch"] == torch.__version__
    assert Image.open(tmp_path / "curves.png").size[0] > 600
    assert any(p.stat().st_size > 100 for p in (tmp_path / "tensorboard").iterdir())
    assert load_checkpoint(tmp_path / "best.pt")["config"]["steps"] == 20


def test_time_that_is_over_pauses_and_resuming_goes_on(tmp_path):
    with pytest.raises(Paused, match="paused after 1 of 20 steps; go on with --resume"):
        fit(task(), CONFIG, Run(tmp_path, deadline=time.monotonic()))
    assert load_checkpoint(tmp_path / "last.pt")["step"] == 1
    whole, again = task(), task()
    assert same(fit(whole, CONFIG, Run(tmp_path / "whole")), fit(again, CONFIG, Run(tmp_path, resume=True)))


def test_other_settings_cannot_be_resumed_and_are_named(tmp_path):
    fit(task(), CONFIG, Run(tmp_path, stop_at=5))
    with pytest.raises(InfNetError, match=r"other settings \(batch, learning_rate\)"):
        fit(task(), replace(CONFIG, learning_rate=1e-3, batch=8), Run(tmp_path, resume=True))


def test_a_checkpoint_of_another_network_or_program_is_one_line(tmp_path):
    fit(task(), CONFIG, Run(tmp_path, stop_at=5))
    with pytest.raises(InfNetError, match="not a checkpoint of this program"):
        fit(task(batch_norm=False), CONFIG, Run(tmp_path, resume=True))
    torch.save({"epoch": 3}, tmp_path / "last.pt")
    with pytest.raises(InfNetError, match="not a checkpoint of this program"):
        fit(task(), CONFIG, Run(tmp_path, resume=True))


def test_a_lost_loss_stops_the_run(tmp_path):
    broken = replace(task(), loss=lambda output, truth: output.sum() * float("nan"))
    with pytest.raises(InfNetError, match="the loss is nan at step 10; lower --learning-rate"):
        fit(broken, CONFIG, Run(tmp_path))
    assert not (tmp_path / "best.pt").exists()


def test_patience_ends_a_run_that_gets_no_better(tmp_path):
    flat = replace(task(), validate=lambda net: {"score": 0.5})
    fit(flat, replace(CONFIG, steps=100, validate_every=10, patience=3), Run(tmp_path))
    assert load_checkpoint(tmp_path / "last.pt")["step"] == 40  # the first is the best; three more are not


def test_schedules_by_hand():
    cosine = TrainConfig(steps=110, warmup=10, learning_rate=1.0)
    assert learning_rate_at(4, cosine) == pytest.approx(0.5)
    assert learning_rate_at(10, cosine) == pytest.approx(1.0)
    assert learning_rate_at(60, cosine) == pytest.approx(0.01 + 0.99 * 0.5)
    step = TrainConfig(steps=100, warmup=0, learning_rate=1.0, schedule="step", decay_every=50)
    assert [learning_rate_at(s, step) for s in (0, 49, 50, 99)] == pytest.approx([1, 1, 0.1, 0.1])


def test_three_scales_of_each_batch_or_one():
    every = TrainConfig(steps=9, every_scale=True, size=352)
    assert [scale_at(s, every) for s in range(4)] == [(0, 256), (0, 352), (0, 448), (1, 256)]
    sides = {scale_at(s, TrainConfig(steps=9, size=352))[1] for s in range(50)}
    assert sides == {256, 352, 448}


def test_weight_decay_acts_on_kernels_only():
    groups = make_optimizer(tiny.network(), replace(CONFIG, weight_decay=0.1)).param_groups
    assert [(g["weight_decay"], {p.ndim for p in g["params"]}) for g in groups] == [(0.1, {4}), (0.0, {1})]


def test_the_faster_precision_is_measured(monkeypatch):
    clock = iter([0, 1.0] * 3 + [0, 0.5] * 3)  # bf16 takes half the time
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    pair = tiny.batch(0, range(2))
    loss = nn.functional.binary_cross_entropy_with_logits
    assert faster_precision(tiny.network(), pair, loss, torch.device("cpu")) == "bf16"
    clock = iter([0, 1.0] * 6)
    assert faster_precision(tiny.network(), pair, loss, torch.device("cpu")) == "fp32"


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"size": 10},
        {"learning_rate": 0.0},
        {"network": "x"},
        {"fold": 5},
        {"mix": (("a", -1.0),)},
        {"schedule": "x"},
        {"ema": 1.0},
    ],
)
def test_a_config_that_cannot_train_is_refused_at_birth(wrong):
    with pytest.raises(InfNetError):
        TrainConfig(**{"steps": 5, **wrong})


def test_50_kills_at_random_moments_leave_checkpoints_that_load(tmp_path):
    command = [sys.executable, "-m", "tests.train.tiny", str(tmp_path), "50"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr[-2000:]
    steps = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("killed")]
    assert len(steps) == 50
    assert steps == sorted(steps)  # nothing that was saved is lost
    assert steps[-1] >= 50  # and each start went on where the one before was killed


def test_two_processes_are_one(tmp_path):
    """The same batch on one process and on two (gloo): the same weights but for rounding, without batch norm.

    No thread of the group outlives it: at Python's end it would now and then abort the process.
    """
    one = task(batch_norm=False)
    one.network[3].p = 0.0
    fit(one, replace(CONFIG, steps=6), Run(tmp_path / "one", Process(0, 1, torch.device("cpu"))))
    (tmp_path / "two.py").write_text(
        """
import os
import sys
from dataclasses import replace
from pathlib import Path
from tests.train.tiny import CONFIG, task
from train.fitting.distributed import join, leave
from train.fitting.loop import fit
from train.fitting.task import Run

own = task(batch_norm=False)
own.network[3].p = 0.0
fit(own, replace(CONFIG, steps=6), Run(Path(sys.argv[1]), join("cpu")))
leave()
threads = [Path(f"/proc/self/task/{thread}/comm").read_text() for thread in os.listdir("/proc/self/task")]
assert not [name for name in threads if "gloo" in name], threads  # one that is left can abort Python's end
"""
    )
    done = subprocess.run(
        two_processes(str(tmp_path / "two.py"), str(tmp_path / "two")),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    two = load_checkpoint(tmp_path / "two" / "last.pt")["network"]
    for name, value in one.network.state_dict().items():
        torch.testing.assert_close(value, two[name], rtol=1e-4, atol=1e-6)
