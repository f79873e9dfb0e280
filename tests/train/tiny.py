"""A run so small that it can be stopped, killed and shared many times: `python -m tests.train.tiny RUN [--resume]`."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from train.config import TrainConfig
from train.distributed import join, leave
from train.loop import Task, fit

CONFIG = TrainConfig(
    steps=20, size=32, scales=(1.0,), batch=4, warmup=2, validate_every=10, save_every=5, precision="fp32"
)  # fmt: skip


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


def main() -> None:
    """Endless, and never two steps without a checkpoint between them: for kills at any moment."""
    run, resume = Path(sys.argv[1]), "--resume" in sys.argv
    place = join("cpu")
    fit(task(), replace(CONFIG, steps=10**6, save_every=1, validate_every=3), run, place, resume,
        deadline=time.monotonic() + 60)  # fmt: skip
    leave()


if __name__ == "__main__":
    main()
