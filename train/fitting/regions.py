"""Random changes of regions of a slice: the true region as a network would have marked it, and slow noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

REACH = (0.0, 0.04, 0.08, 0.12)  # how far the border of a region may move, as shares of the side of the slice


def slow_noise(rng: np.random.Generator, cells: int, like: Tensor, deviation: float = 1.0) -> Tensor:
    """Noise (S, S) that changes slowly: `cells` x `cells` normal values of this deviation, and smooth between them.

    `like` (..., S, S) gives side and device.
    """
    values = torch.tensor(rng.normal(0, deviation, (1, 1, cells, cells)), dtype=torch.float32, device=like.device)
    return F.interpolate(values, like.shape[-2:], mode="bicubic")[0, 0]


def roughen(infection: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor:
    """Move the border of the true region in and out at random, by less or more in every slice, as far as a network
    is mistaken: small regions may go, neighbours may join. (N, 1, S, S) of 0 and 1."""
    moved = []
    for region, rng in zip(infection, rngs, strict=True):
        width = int(rng.choice(REACH) * infection.shape[-1]) // 2 * 2 + 1
        noise = slow_noise(rng, 8, region, 0.2)
        blurred = F.avg_pool2d(region[None], width, 1, width // 2)
        moved.append((blurred + (noise if width > 1 else 0) > 0.5).float())
    return torch.cat(moved)


def soften(infection: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor:
    """Blur the true region and scale its confidence, differently for every slice, as a network's map would be."""
    softened = []
    for region, rng in zip(infection, rngs, strict=True):
        width = int(rng.choice([1, 3, 7, 11]))
        blurred = F.avg_pool2d(region[None], width, 1, width // 2, count_include_pad=False)
        softened.append(blurred * float(rng.uniform(0.8, 1.0)))
    return torch.cat(softened)
