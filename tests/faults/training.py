"""A training program killed at random moments: `python -m tests.faults.training FOLDER SIGNAL`.

It is run in children of one process that has imported everything, since that takes longer than the training.
"""

from __future__ import annotations

import csv
import importlib
import os
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import torch

from infnet.files import STAGING
from tests.faults.killing import through_kills
from tests.train.making import semiseg
from tests.train.quick import QUICK
from train import supervised
from train.fitting.checkpoint import load_checkpoint

LAZY = ("torch._dynamo", "torch.utils.tensorboard", "matplotlib.backends.backend_agg", "matplotlib.figure")
STEPS = ["--steps", "8", "--validate-every", "4", "--save-every", "1", "--device", "cpu", "--batch", "4"]
STEPS += ["--size", "64", "--network", "fcn8s", "--options", '{"shrink": 8, "width": 8}']


class Child:
    """A training in a process of its own, which looks like one that `subprocess` has started."""

    def __init__(self, data: Path, out: Path) -> None:
        arguments = ["--data", str(data), "--out", str(out), "--resume", *QUICK, *STEPS]
        self._process = get_context("fork").Process(target=supervised.main, args=(arguments,))
        self._process.start()

    def wait(self, seconds: float) -> None:
        self._process.join(seconds)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("training", seconds)

    def send_signal(self, number: int) -> None:
        os.kill(self._process.pid or 0, number)

    def communicate(self, timeout: float) -> tuple[str, str]:
        self.wait(timeout)
        return "", "see above"

    @property
    def returncode(self) -> int:
        assert self._process.exitcode is not None
        return self._process.exitcode


def log_of(out: Path) -> list[dict[str, str]]:
    """The log, without the time that it took."""
    rows = list(csv.DictReader((out / "log.csv").open()))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def main() -> None:
    for name in LAZY:
        importlib.import_module(name)
    torch.set_num_threads(1)  # a pool of threads does not live on in a child
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    data, whole = semiseg(folder / "data"), folder / "whole"
    begun = time.monotonic()
    Child(data, whole).wait(600)
    length = time.monotonic() - begun
    expected = {name: load_checkpoint(whole / name) for name in ("last.pt", "best.pt")}
    assert expected["last.pt"]["step"] == 8
    names = sorted(path.name for path in whole.iterdir())
    kept = [0]

    def interrupted(out: Path) -> None:
        for name in expected:
            if (out / name).exists():
                load_checkpoint(out / name)
        step = load_checkpoint(out / "last.pt")["step"] if (out / "last.pt").exists() else 0
        assert step >= kept[0], "what was saved stays saved"
        kept[0] = step

    def done(out: Path) -> None:
        interrupted(out)
        assert kept[0] == 8
        for name, state in expected.items():
            found = load_checkpoint(out / name)
            for part in {"network", "average"} & state.keys():
                assert found[part].keys() == state[part].keys()
                assert all(torch.equal(found[part][key], value) for key, value in state[part].items()), (name, part)
        assert log_of(out) == log_of(whole)
        assert not list(out.rglob(f"{STAGING}*"))
        assert sorted(path.name for path in out.iterdir()) == names
        kept[0] = 0

    results = folder / "results"
    results.mkdir()
    told = through_kills(lambda out: Child(data, out), results, number, length, interrupted, done)
    print(f"training, signal {number}: {told}, a whole run {length:.1f} s")


if __name__ == "__main__":
    main()
