"""Semi-Inf-Net: `python -m train.semi --out run/semi --data Dataset`.

1. `supervised`: train M on the labelled slices.
2. `propagation` (Algorithm 1): draw K unlabelled slices at random, label them with M, add them to the training set,
   train M on; until the pool is empty.
3. `pretraining`: a new network on the pseudo-labelled slices.
4. `finetuning`: that network on the labelled slices. Its `best.pt` is Semi-Inf-Net.

Each is a folder of --out, and --resume goes on inside the one that was stopped. The pseudo labels lie in
`pseudo-label/GT`, as probabilities of 0 to 255, in the layout of the data set: they are used as they are, neither
thresholded nor stretched. The pool is the data set's own, or --pool DIR as `train.prepare` writes it; slices of
held-out patients are left out of it. With --published the labels that the authors published take the place of 1 and 2.

--paper: every part with the paper's settings (see train.supervised); 10 epochs of the grown training set a round,
pre-training with batches of 24. The default differs: --round-steps steps a round, at least a quarter of each batch
labelled, labels from averaged weights.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch.distributed as dist
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from infnet.errors import InfNetError
from infnet.geometry.box import resize
from train.data import STORED, Example, as_file, from_file, training_set, unlabelled
from train.fitting.batches import ORDER, Draw, Pool, by_epoch
from train.fitting.checkpoint import load_checkpoint, write_atomically, write_text
from train.fitting.config import TrainConfig
from train.fitting.distributed import Place
from train.fitting.loop import fit
from train.fitting.options import configure, epochs, run_program, training_parser
from train.fitting.start import seen_by, start_from
from train.supervised import NETWORKS, READERS, Sources, for_infection, infection_task, paper, predict, split

RECIPE = TrainConfig(steps=1500)
STEPS = {"supervised_steps": 1500, "round_steps": 12, "pretraining_steps": 3000, "finetuning_steps": 1500}
RATE = 3e-4  # learning rate of Algorithm 1
LABELLED_SHARE = 0.25  # of a batch of Algorithm 1, at least


@dataclass(frozen=True)
class Rounds:
    """Algorithm 1 in steps: `lengths` of the rounds, and the pool's places in the order in which they are drawn."""

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
        """Places in the pool that a round labels and adds."""
        return self.order[number * self.k : (number + 1) * self.k]

    def known(self, number: int) -> NDArray[np.int64]:
        """Places in the pool that are labelled once a round has begun."""
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
    """Places in labelled slices + pool for a step: the labelled ones and what the rounds have added so far.

    literal: all slices alike, in epochs, as the paper does; else at least LABELLED_SHARE of labelled ones.
    """

    def draw(step: int) -> NDArray[np.int64]:
        number = rounds.at(step * (len(config.scales) if config.every_scale else 1))
        known = np.concatenate([np.arange(labelled), labelled + rounds.known(number)])
        if literal:
            return known[by_epoch(len(known), config.batch, config.seed + number)(step)]
        rng = np.random.default_rng((config.seed, step, ORDER))
        share = max(LABELLED_SHARE, labelled / len(known))
        ours = rng.random(config.batch) < share
        return np.where(ours, rng.integers(labelled, size=config.batch),
                        known[rng.integers(labelled, len(known), size=config.batch)])  # fmt: skip

    return draw


class Labeller:
    """Gives the slices of a round their pseudo labels, and the whole pool those of the rounds before."""

    def __init__(self, pool: Pool, first: int, rounds: Rounds, size: int, folder: Path, place: Place) -> None:
        self._pool, self._first, self._rounds = pool, first, rounds
        self._size, self._folder, self._place = size, folder, place
        self._ready = 0  # rounds whose labels are in the pool

    def __call__(self, step: int, network: nn.Module) -> None:
        """Before a step: read what earlier rounds labelled; where the step begins a round, label its slices."""
        number = self._rounds.at(step)
        if number < self._ready:
            return
        if self._rounds.starts[number] == step:
            if self._place.leads:
                self._label(self._rounds.added(number), network)
            if self._place.world > 1:
                dist.barrier()
        for place in self._rounds.known(number)[self._ready * self._rounds.k :]:
            example = self._pool.examples[self._first + place]
            self._pool.set_mask(self._first + place, from_file(read_label(self._folder, example), example))
        self._ready = number + 1

    def _label(self, places: NDArray[np.int64], network: nn.Module) -> None:
        maps, _ = predict(network, self._pool, [int(self._first + p) for p in places], self._size)
        for place, p in zip(places, maps, strict=True):
            example = self._pool.examples[self._first + place]
            stored = np.rint(255 * resize(p, (STORED, STORED))).clip(0, 255).astype(np.uint8)
            picture = Image.fromarray(as_file(stored, example))
            write_atomically(self._folder / f"{example.name}.png", lambda file, own=picture: own.save(file, "png"))


def read_label(folder: Path, example: Example) -> NDArray[np.uint8]:
    path = folder / f"{example.name}.png"
    try:
        return np.asarray(Image.open(path))
    except OSError as error:
        raise InfNetError(f"{path}: this pseudo label is gone ({error}); start again without --resume") from error


def _train(options: argparse.Namespace, place: Place, deadline: float) -> None:
    base = for_infection(configure(options, RECIPE))
    train, validation = split(options.data, base, options.validate_on)
    unseen = {e.group for examples in validation.values() for e in examples}
    source = options.pool or training_set(options.data) / "LungInfection-Train" / "Pseudo-label"
    found = READERS["pseudo"](options.data) if options.published else unlabelled(source)
    found = [e for e in found if e.group not in unseen]
    if options.pool_size:
        chosen = np.random.default_rng(base.seed).permutation(len(found))[: options.pool_size]
        found = [found[i] for i in sorted(chosen)]
    phases = Phases(options, base, train, validation, place, deadline)
    if not options.published:
        found = phases.propagate(found)
    pretrained = phases.run("pretraining", {"pseudo": found}, options.pretraining_steps)
    phases.run("finetuning", train, options.finetuning_steps, pretrained)


class Phases:
    """The parts of the recipe, each one `fit` in a folder of its own."""

    def __init__(
        self,
        options: argparse.Namespace,
        base: TrainConfig,
        train: Sources,
        validation: Sources,
        place: Place,
        deadline: float,
    ) -> None:
        self._options, self._base, self._place, self._deadline = options, base, place, deadline
        self._train, self._validation = train, validation

    def config(self, name: str, source: str, slices: int, steps: int) -> TrainConfig:
        if not self._options.paper:
            return replace(self._base, steps=steps, mix=((source, 1.0),))
        literal = paper(slices, 24 if name == "pretraining" else 16)
        return for_infection(configure(self._options, replace(literal, mix=((source, 1.0),))))

    def run(self, name: str, sources: Sources, steps: int, start: nn.Module | None = None) -> nn.Module:
        """Train a network on one source, from the weights of `start` where they are given."""
        (source,) = sources
        config = self.config(name, source, len(sources[source]), steps)
        task, _ = infection_task(config, sources, self._validation, self._place)
        if start is not None:
            task.network.load_state_dict(start.state_dict())
        elif self._options.init:
            seen_by(self._options.init, config, self._validation)
            start_from(task.network, self._options.init)
        network = fit(task, config, self._options.out / name, self._place, self._options.resume, self._deadline)
        self._note(name)
        return network

    def propagate(self, pool: list[Example]) -> list[Example]:
        """Algorithm 1: M from the labelled slices, then round after round over the pool; the pool with its labels."""
        options, place = self._options, self._place
        folder = options.out / "pseudo-label" / "GT"
        labelled = self._train["labelled"]
        k, lengths = options.k, options.round_steps
        plan(len(pool), k, self._base.seed, lengths)  # refuse a wrong K before hours of training
        network = self.run("supervised", self._train, options.supervised_steps)
        config = self.config("propagation", "labelled and pool", len(labelled), 1)
        if options.paper:
            sizes = [min((r + 1) * k, len(pool)) for r in range(-(-len(pool) // k))]
            lengths = [epochs(10, len(labelled) + size, config) for size in sizes]
        rounds = plan(len(pool), k, config.seed, lengths)
        config = replace(config, steps=sum(rounds.lengths), schedule="constant", learning_rate=RATE)
        draw = grown(rounds, len(labelled), config, options.paper)
        sources = {"labelled and pool": [*labelled, *pool]}
        task, slices = infection_task(config, sources, self._validation, place, draw)
        task.network.load_state_dict(network.state_dict())
        if place.leads:
            folder.mkdir(parents=True, exist_ok=True)
        task = replace(task, before=Labeller(slices, len(labelled), rounds, config.size, folder, place))
        fit(task, config, options.out / "propagation", place, options.resume, self._deadline)
        self._note("propagation")
        return [replace(e, mask=from_file(read_label(folder, e), e)) for e in pool]

    def _note(self, name: str) -> None:
        """Put the best scores of a finished part into `summary.json`."""
        path = self._options.out / "summary.json"
        if self._place.leads:
            known = json.loads(path.read_text()) if path.exists() else {}
            best = load_checkpoint(self._options.out / name / "best.pt")
            write_text(path, json.dumps({**known, name: {"step": best["step"], **best["scores"]}}, indent=1))


def main(argv: Sequence[str] | None = None) -> None:
    parser = training_parser(__doc__, NETWORKS, without=("steps",))
    parser.set_defaults(mix="labelled=1")
    parser.add_argument("--k", type=int, default=5, help="unlabelled slices of a round; %(default)s by default")
    for name, steps in STEPS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=steps, help=f"{steps} by default")
    parser.add_argument("--pool", type=Path, help="a folder of unlabelled slices, as train.prepare writes it")
    parser.add_argument("--pool-size", type=int, help="use so many slices of the pool, drawn at random")
    parser.add_argument("--published", action="store_true", help="take the published pseudo labels")
    parser.add_argument("--validate-on", default="labelled", help="labelled, or labelled,coronacases")
    run_program(parser, argv, _train)


if __name__ == "__main__":
    main()
