"""What a step is trained with, as a function of the settings and its number: learning rate, scale, optimizer."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from train.fitting.config import TrainConfig

SCALE = 2  # stream of random numbers; see train.fitting.batches


def learning_rate_at(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then half a cosine down to a hundredth, a tenth every `decay_every` steps, or no change."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    if config.schedule == "step":
        return float(config.learning_rate * 0.1 ** (step // config.decay_every))
    if config.schedule == "constant":
        return config.learning_rate
    done = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def scale_at(step: int, config: TrainConfig) -> tuple[int, int]:
    """(which draw of slices, side in pixels) of a step."""
    if config.every_scale:
        return step // len(config.scales), config.side(config.scales[step % len(config.scales)])
    rng = np.random.default_rng((config.seed, step, SCALE))
    return step, config.side(float(rng.choice(config.scales)))


def make_optimizer(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Weight decay acts on kernels, not on biases and batch norm."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.99, fused=True)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=config.learning_rate, fused=True)
