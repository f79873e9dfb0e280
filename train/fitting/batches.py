"""Slices kept in memory (on the GPU where there is one), and augmented batches of them.

Every random number of a batch comes from the seed, the step and the slice's row in the batch. So a resumed run
sees the same batches as one that never stopped, and several processes share a batch without seeing each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from infnet.errors import InfNetError
from infnet.pipeline.inputs import CHANNELS, IMAGENET_MEAN, IMAGENET_STD
from train.data import STORED, Example

LOOSE = (-0.03, 0.12)  # widening of the lung box in training: the app's box is never perfect
PLAIN = (0.04, 0.04)  # the app's own margin
PATCH = (0.25, 0.75)  # sides of a pasted rectangle, as shares of the slice's
AUGMENT, ORDER, PASTE = (
    0,
    1,
    3,
)  # streams of random numbers that must not repeat each other; train.fitting.schedule has another

Draw = Callable[[int], NDArray[np.int64]]  # step -> indices in a pool of the batch's slices


class Pool:
    """Examples on one device. `images` and `masks` are uint8 (M, STORED, STORED)."""

    def __init__(self, examples: Sequence[Example], device: torch.device | str = "cpu") -> None:
        if not examples:
            raise InfNetError("no slices to train on: the split left none; use other folds or more data")
        self.examples = list(examples)
        self.images = torch.from_numpy(np.stack([e.image for e in examples])).to(device)
        self.masks = torch.from_numpy(np.stack([e.mask for e in examples])).to(device)

    def __len__(self) -> int:
        return len(self.examples)

    def set_mask(self, index: int, mask: NDArray[np.uint8]) -> None:
        self.masks[index] = torch.tensor(mask, device=self.masks.device)

    def batch(
        self,
        indices: Sequence[int] | NDArray[np.int64],
        size: int,
        rngs: Sequence[np.random.Generator] | None = None,
        classes: bool = False,
        margin: tuple[float, float] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Grey (N, 1, size, size) in [0, 1], and masks: (N, 1, size, size) in [0, 1], or int64 (N, size, size) classes.

        With a generator a slice the slices are augmented; without, they are the plain lung-box crop. `margin`: least
        and most by which the lung box is widened, as shares of its sides; without generators the most.
        """
        margin = margin or (PLAIN if rngs is None else LOOSE)
        draws = [None] * len(indices) if rngs is None else rngs
        views = np.stack([_view(self.examples[i], g, margin) for i, g in zip(indices, draws, strict=True)])
        device = self.images.device
        grid = F.affine_grid(torch.from_numpy(views).to(device), [len(views), 1, size, size], align_corners=False)
        chosen = torch.as_tensor(np.asarray(indices, np.int64), device=device)
        image = self.images[chosen][:, None].float() / 255
        mask = self.masks[chosen][:, None].float()
        if size < STORED / 1.5:  # grid sampling does not antialias
            image = F.avg_pool2d(image, 2)
        x = F.grid_sample(image, grid, align_corners=False)
        y = F.grid_sample(mask, grid, mode="nearest" if classes else "bilinear", align_corners=False)
        if rngs is not None:
            x = _regrey(x, rngs)
        return x, (y[:, 0].long() if classes else y / 255)


def generators(seed: int, step: int, rows: range, stream: int = AUGMENT) -> list[np.random.Generator]:
    """One generator for each of these rows of the batch of a step."""
    return [np.random.default_rng((seed, step, row, stream)) for row in rows]


def paste(
    pair: tuple[Tensor, Tensor],
    pool: Pool,
    donors: NDArray[np.int64],
    rngs: Sequence[np.random.Generator],
    share: float,
) -> None:
    """CutMix (Yun et al., ICCV 2019), in place: into a `share` of the slices goes a rectangle of another one.

    `pair`: grey and truth, both (N, 1, S, S). `donors`: for each slice the index in the pool of the other one, which
    is augmented by itself. Slices are crops of lungs, so the rectangle shows lung at about the same height and side.
    """
    grey, truth = pair
    size = grey.shape[-1]
    for row, (donor, rng) in enumerate(zip(donors, rngs, strict=True)):
        if rng.random() >= share:
            continue
        x, y = pool.batch([int(donor)], size, [rng])
        tall, wide = (int(side * size) for side in rng.uniform(*PATCH, 2))
        top, left = int(rng.integers(size - tall + 1)), int(rng.integers(size - wide + 1))
        cut = (..., slice(top, top + tall), slice(left, left + wide))
        grey[row][cut] = x[0][cut]
        truth[row][cut] = y[0][cut]


def by_share(pools: Sequence[range], shares: Sequence[float], batch: int, seed: int) -> Draw:
    """Draw with replacement: first a source by its share, then a slice of it."""
    if empty := [i for i, (pool, share) in enumerate(zip(pools, shares, strict=True)) if share and not len(pool)]:
        raise InfNetError(f"source number {empty[0] + 1} of --mix holds no slices in this split; leave it out")
    p = np.array(shares, float) / sum(shares)

    def draw(step: int) -> NDArray[np.int64]:
        rng = np.random.default_rng((seed, step, ORDER))
        sources = rng.choice(len(pools), batch, p=p)
        return np.array([pools[s][rng.integers(len(pools[s]))] for s in sources])

    return draw


def by_epoch(count: int, batch: int, seed: int) -> Draw:
    """Every slice once before any comes again, in a new order each time; batches run on across epochs."""

    def draw(step: int) -> NDArray[np.int64]:
        at = np.arange(step * batch, (step + 1) * batch)
        orders = {int(e): np.random.default_rng((seed, int(e), ORDER)).permutation(count) for e in set(at // count)}
        return np.array([orders[int(i // count)][i % count] for i in at])

    return draw


def _view(example: Example, rng: np.random.Generator | None, margin: tuple[float, float]) -> NDArray[np.float32]:
    """The affine matrix (2, 3) from output to input coordinates, both in [-1, 1]: crop, flips, quarter turns, tilt."""
    top, left, bottom, right = example.box
    rows, columns = bottom - top, right - left
    extra = np.full(4, margin[1]) if rng is None else rng.uniform(*margin, 4)
    top, left = max(top - extra[0] * rows, 0.0), max(left - extra[1] * columns, 0.0)
    bottom, right = min(bottom + extra[2] * rows, 1.0), min(right + extra[3] * columns, 1.0)
    matrix = np.eye(2)
    if rng is not None:
        angle = rng.uniform(-15, 15) * np.pi / 180
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if rng.random() < 0.5:
            matrix = matrix[:, ::-1]
        matrix = matrix * rng.choice([-1, 1], 2)
    matrix = np.diag([right - left, bottom - top]) @ matrix
    centre = np.array([[left + right - 1], [top + bottom - 1]])
    return np.hstack([matrix, centre]).astype(np.float32)


def _regrey(x: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor:
    """Another window, gamma, blur and noise for each slice, for grey in [0, 1] of shape (N, 1, S, S)."""
    drawn = np.array([rng.uniform(size=5) for rng in rngs], np.float32)
    contrast, shift, gamma, blur, noise = torch.from_numpy(drawn).to(x.device).T[..., None, None, None]
    x = ((x - 0.5) * (0.75 + 0.6 * contrast) + 0.5 + 0.24 * (shift - 0.5)).clamp(0, 1)
    x = x ** torch.exp(0.7 * (gamma - 0.5))
    x = torch.where(blur < 0.25, F.avg_pool2d(x, 3, 1, 1, count_include_pad=False), x)
    grain = torch.empty_like(x)
    generator = torch.Generator(x.device)
    for plane, rng in zip(grain, rngs, strict=True):
        plane.normal_(generator=generator.manual_seed(int(rng.integers(2**63))))
    noisy: Tensor = x + grain * (0.08 * (noise - 0.5)).clamp(min=0)
    return noisy.clamp(0, 1)


def to_input(grey: Tensor) -> Tensor:
    """(N, 1, S, S) in [0, 1] -> (N, 3, S, S) with ImageNet mean and standard deviation."""
    mean = torch.tensor(IMAGENET_MEAN, device=grey.device)[:, None, None]
    std = torch.tensor(IMAGENET_STD, device=grey.device)[:, None, None]
    normalised: Tensor = (grey - mean) / std
    return normalised.contiguous(memory_format=torch.channels_last)


def guided(grey: Tensor, infection: Tensor) -> Tensor:
    """Network input (N, 6, S, S) of grey (N, 1, S, S) in [0, 1] and an infection map of the same shape: the layout of
    `infnet.pipeline.inputs.guided`, for tensors."""
    maps = infection.expand(-1, CHANNELS["classes"] - CHANNELS["infection"], -1, -1)
    return torch.cat([to_input(grey), maps], 1).contiguous(memory_format=torch.channels_last)
