"""A run so small that it can be stopped, shared and killed many times: `python -m tests.train.tiny RUN KILLS`."""

from __future__ import annotations

import importlib
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from train.fitting.checkpoint import load_checkpoint
from train.fitting.config import TrainConfig
from train.fitting.loop import fit
from train.fitting.task import Run, Task

CONFIG = TrainConfig(
    steps=20, size=32, scales=(1.0,), batch=4, warmup=2, validate_every=10, save_every=5, precision="fp32"
)


def network(batch_norm: bool = True) -> nn.Module:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4) if batch_norm else nn.Identity()
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), norm, nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(4, 1, 1))


def batch(step: int, places: range) -> tuple[torch.Tensor, torch.Tensor]:
    x = np.stack([np.random.default_rng((step, p)).standard_normal((1, 16, 16), np.float32) for p in places])
    return torch.from_numpy(x), (torch.from_numpy(x) > 0.5).float()


def validate(net: nn.Module) -> dict[str, float]:
    x, y = batch(99, range(4))
    with torch.inference_mode():
        return {"negative loss": -nn.functional.binary_cross_entropy_with_logits(net(x), y).item()}


def task(batch_norm: bool = True) -> Task:
    return Task(network(batch_norm), batch, nn.functional.binary_cross_entropy_with_logits, validate)


def train_on(run: Path) -> None:
    """Go on with the run, saving after every step, for longer than anybody waits."""
    config = replace(CONFIG, steps=10**6, save_every=1, validate_every=3)
    fit(task(), config, Run(run, resume=True, deadline=time.monotonic() + 60))


def _written(run: Path) -> int:
    last = run / "last.pt"
    return last.stat().st_mtime_ns if last.exists() else 0


def main() -> None:
    """Kill the run so often, each time at a random moment, and print the step at which its checkpoint stands."""
    for name in ("torch._dynamo", "torch.utils.tensorboard"):  # what `fit` comes to need: not anew in every child
        importlib.import_module(name)
    run, kills = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)  # a pool of threads does not live on in a child
    rng = random.Random(0)
    for _ in range(kills):
        child = os.fork()
        if not child:
            train_on(run)
            os._exit(1)
        known, until = _written(run), time.monotonic() + 20
        while _written(run) == known and time.monotonic() < until:  # it has begun to save
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        best = run / "best.pt"
        if best.exists():
            load_checkpoint(best)
        print("\nkilled", load_checkpoint(run / "last.pt")["step"], flush=True)


if __name__ == "__main__":
    main()
