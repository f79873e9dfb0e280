"""Algorithm 1 of the paper: label K slices of the pool, add them to the training set, train on, and so on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch.distributed as dist
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from infnet.errors import InfNetError
from infnet.geometry.box import resize
from train.data import STORED, Example, as_file, from_file
from train.fitting.batches import ORDER, Draw, Pool, by_epoch
from train.fitting.checkpoint import write_atomically
from train.fitting.config import TrainConfig
from train.fitting.distributed import Process
from train.supervised import predict

LABELLED_SHARE = 0.25  # of a batch, at least


@dataclass(frozen=True)
class Rounds:
    """Algorithm 1 in steps: `lengths` of the rounds, and the indices of the pool in the order in which they are drawn.

    `k`: slices that a round labels.
    """

    lengths: tuple[int, ...]
    order: NDArray[np.int64]
    k: int

    @property
    def starts(self) -> list[int]:
        return [0, *np.cumsum(self.lengths)[:-1].tolist()]

    def at(self, step: int) -> int:
        """The round that a step belongs to."""
        return int(np.searchsorted(self.starts, step, side="right")) - 1

    def added(self, number: int) -> NDArray[np.int64]:
        """Indices in the pool that a round labels and adds."""
        return self.order[number * self.k : (number + 1) * self.k]

    def known(self, number: int) -> NDArray[np.int64]:
        """Indices in the pool that are labelled once a round has begun."""
        return self.order[: (number + 1) * self.k]


def plan(pool: int, k: int, seed: int, lengths: Sequence[int] | int) -> Rounds:
    """Rounds over a pool of so many slices. `lengths`: steps of each round, or of all."""
    if not 1 <= k <= pool:
        raise InfNetError(f"--k {k}: the pool holds {pool} slices; give 1 to {pool}")
    count = -(-pool // k)
    each = (lengths,) * count if isinstance(lengths, int) else tuple(lengths)
    assert len(each) == count
    return Rounds(each, np.random.default_rng((seed, ORDER)).permutation(pool), k)


def grown(rounds: Rounds, labelled: int, config: TrainConfig, literal: bool) -> Draw:
    """Indices in labelled slices + pool for a step: the labelled ones and what the rounds have added so far.

    literal: all slices alike, in epochs, as the paper does; else at least LABELLED_SHARE of labelled ones.
    """

    def draw(step: int) -> NDArray[np.int64]:
        number = rounds.at(step * (len(config.scales) if config.every_scale else 1))
        known = np.concatenate([np.arange(labelled), labelled + rounds.known(number)])
        if literal:
            return known[by_epoch(len(known), config.batch, config.seed + number)(step)]
        rng = np.random.default_rng((config.seed, step, ORDER))
        share = max(LABELLED_SHARE, labelled / len(known))
        from_labelled = rng.random(config.batch) < share
        ours = rng.integers(labelled, size=config.batch)
        return np.where(from_labelled, ours, known[rng.integers(labelled, len(known), size=config.batch)])

    return draw


@dataclass
class Labeller:
    """Gives the slices of a round their pseudo labels, and the whole pool those of the rounds before.

    slices: the labelled ones, `labelled` of them, and then the pool. size: side of the network's input. folder: of
    the pseudo labels. ready: rounds whose labels are in `slices`.
    """

    slices: Pool
    labelled: int
    rounds: Rounds
    size: int
    folder: Path
    process: Process
    ready: int = 0

    def __call__(self, step: int, network: nn.Module) -> None:
        """Before a step: read what earlier rounds labelled; where the step begins a round, label its slices."""
        number = self.rounds.at(step)
        if number < self.ready:
            return
        if self.rounds.starts[number] == step:
            if self.process.leads:
                self._label(self.labelled + self.rounds.added(number), network)
            if self.process.world > 1:
                dist.barrier()
        for index in self.labelled + self.rounds.known(number)[self.ready * self.rounds.k :]:
            self.slices.set_mask(index, read_label(self.folder, self.slices.examples[index]))
        self.ready = number + 1

    def _label(self, indices: NDArray[np.int64], network: nn.Module) -> None:
        maps, _ = predict(network, self.slices, indices.tolist(), self.size)
        for index, p in zip(indices, maps, strict=True):
            stored = np.rint(255 * resize(p, (STORED, STORED))).clip(0, 255).astype(np.uint8)
            write_label(stored, self.folder, self.slices.examples[index])


def write_label(mask: NDArray[np.uint8], folder: Path, example: Example) -> None:
    """Write a pseudo label (STORED, STORED) of 0 to 255 as a PNG beside the example's image. Raises InfNetError."""
    picture = Image.fromarray(as_file(mask, example))
    write_atomically(folder / f"{example.name}.png", lambda file: picture.save(file, "png"))


def read_label(folder: Path, example: Example) -> NDArray[np.uint8]:
    """The undo of `write_label`: upright (STORED, STORED). Raises InfNetError where the file is gone."""
    path = folder / f"{example.name}.png"
    try:
        with Image.open(path) as picture:
            return from_file(np.asarray(picture), example)
    except OSError as error:
        raise InfNetError(f"{path}: this pseudo label is gone ({error}); start again without --resume") from error
