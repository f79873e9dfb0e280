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
Options that another one makes useless are refused: lengths with --paper, the pool with --published.

--paper: every phase with the paper's settings (see train.supervised); 10 epochs of the grown training set a round,
pre-training with batches of 24. The default differs: --round-steps steps a round, at least a quarter of each batch
labelled, labels from averaged weights.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from train.arguments import flag, refuse
from train.data import Example, pseudo_labelled, training_set, unlabelled
from train.fitting.checkpoint import load_checkpoint, write_text
from train.fitting.config import TrainConfig
from train.fitting.loop import fit
from train.fitting.options import configure, epochs, program, training_parser
from train.fitting.start import begin
from train.fitting.task import Run, Task
from train.propagation import Labeller, grown, plan, read_label
from train.sources import Sources, split
from train.supervised import NETWORKS, for_infection, infection_task, paper

RECIPE = TrainConfig(steps=1500)
K = 5  # unlabelled slices of a round
STEPS = {"supervised_steps": 1500, "round_steps": 12, "pretraining_steps": 3000, "finetuning_steps": 1500}
LABELLING = ("supervised_steps", "round_steps", "k", "pool")  # options of phases 1 and 2 alone
RATE = 3e-4  # learning rate of Algorithm 1


@dataclass(frozen=True)
class Setup:
    """What the phases share: the options, the settings they begin with, the slices that validate, and the run."""

    options: argparse.Namespace
    base: TrainConfig
    validation: Sources
    run: Run

    def steps(self, name: str) -> int:
        given: int | None = getattr(self.options, name)
        return STEPS[name] if given is None else given


@dataclass(frozen=True)
class Trained:
    """The network that a phase leaves, and the groups that it has been trained on, in that phase or before."""

    network: nn.Module
    seen: frozenset[str]


def _train(options: argparse.Namespace, run: Run) -> None:
    if options.paper:
        refuse(options, tuple(STEPS), "with --paper")
    if options.published:
        refuse(options, LABELLING, "with --published")
    base = for_infection(configure(options, RECIPE))
    train, validation = split(options.data, base, options.validate_on)
    setup = Setup(options, base, validation, run)
    pool = _pool(setup)
    if not options.published:
        k = K if options.k is None else options.k
        plan(len(pool), k, base.seed, setup.steps("round_steps"))  # refuse a wrong K before hours of training
        supervised = train_phase(setup, "supervised", train)
        pool = propagate(setup, supervised, train["labelled"], pool, k)
    pretrained = train_phase(setup, "pretraining", {"pseudo": pool})
    train_phase(setup, "finetuning", train, pretrained)


def _pool(setup: Setup) -> list[Example]:
    """The unlabelled slices, or those with published labels: none of a patient that validates."""
    options = setup.options
    if options.published:
        examples = pseudo_labelled(options.data)
    else:
        examples = unlabelled(options.pool or training_set(options.data) / "LungInfection-Train" / "Pseudo-label")
    held = {e.group for slices in setup.validation.values() for e in slices}
    examples = [e for e in examples if e.group not in held]
    if options.pool_size is None:
        return examples
    chosen = np.random.default_rng(setup.base.seed).permutation(len(examples))[: options.pool_size]
    return [examples[i] for i in sorted(chosen)]


def train_phase(setup: Setup, name: str, sources: Sources, start: Trained | None = None) -> Trained:
    """Train a network on one source, from the one that `start` left where it is given, else from --init or
    --pretrained."""
    ((source, examples),) = sources.items()
    config = _config(setup, name, source, len(examples))
    task, _ = infection_task(config, sources, setup.validation, setup.run.process.device)
    if start:
        task = _after(start, task)
    else:
        task = begin(task, setup.options.init, config, setup.validation, setup.options.pretrained)
    return _fit(setup, name, task, config)


def propagate(setup: Setup, start: Trained, labelled: list[Example], pool: list[Example], k: int) -> list[Example]:
    """Algorithm 1: go on from `start`, round after round over the pool; the pool with its pseudo labels."""
    options, run = setup.options, setup.run
    source, literal = "labelled and pool", options.paper
    config = _config(setup, "propagation", source, len(labelled))
    lengths: int | list[int] = setup.steps("round_steps")
    if literal:
        sizes = [min((r + 1) * k, len(pool)) for r in range(-(-len(pool) // k))]
        lengths = [epochs(10, len(labelled) + size, config) for size in sizes]
    rounds = plan(len(pool), k, config.seed, lengths)
    config = replace(config, steps=sum(rounds.lengths), schedule="constant", learning_rate=RATE)
    sources, draw = {source: [*labelled, *pool]}, grown(rounds, len(labelled), config, literal)
    task, slices = infection_task(config, sources, setup.validation, run.process.device, draw)
    folder = run.folder / "pseudo-label" / "GT"
    if run.process.leads:
        folder.mkdir(parents=True, exist_ok=True)
    labeller = Labeller(slices, len(labelled), rounds, config.size, folder, run.process)
    _fit(setup, "propagation", replace(_after(start, task), before=labeller), config)
    return [replace(e, mask=read_label(folder, e)) for e in pool]


def _config(setup: Setup, name: str, source: str, slices: int) -> TrainConfig:
    """The settings of a phase on so many slices of a source; Algorithm 1 makes its own length of them."""
    mix = ((source, 1.0),)
    if setup.options.paper:
        literal = paper(slices, 24 if name == "pretraining" else 16)
        return for_infection(configure(setup.options, replace(literal, mix=mix)))
    return replace(setup.base, steps=1 if name == "propagation" else setup.steps(f"{name}_steps"), mix=mix)


def _after(start: Trained, task: Task) -> Task:
    """The task with the network that an earlier phase left."""
    task.network.load_state_dict(start.network.state_dict())
    return replace(task, split={**task.split, "seen before": sorted(start.seen)})


def _fit(setup: Setup, name: str, task: Task, config: TrainConfig) -> Trained:
    """Train a phase in its own folder, and put its best scores into `summary.json`."""
    run = setup.run.inside(name)
    network = fit(task, config, run)
    if run.process.leads:
        path = setup.run.folder / "summary.json"
        summary = json.loads(path.read_text()) if path.exists() else {}
        best = load_checkpoint(run.folder / "best.pt")
        write_text(path, json.dumps({**summary, name: {"step": best["step"], **best["scores"]}}, indent=1))
    groups = {group for groups in task.split["train"].values() for group in groups}
    return Trained(network, frozenset(groups.union(task.split["seen before"])))


def parser() -> argparse.ArgumentParser:
    options = training_parser(__doc__, ("entropy", "cutmix", "init", "pretrained", "paper"), NETWORKS)
    options.add_argument("--k", type=int, help=f"unlabelled slices of a round; {K} by default")
    for name, steps in STEPS.items():
        options.add_argument(flag(name), type=int, help=f"{steps} by default")
    options.add_argument("--pool", type=Path, help="a folder of unlabelled slices, as train.prepare writes it")
    options.add_argument("--pool-size", type=int, help="use so many slices of the pool, drawn at random")
    options.add_argument("--published", action="store_true", help="take the published pseudo labels")
    options.add_argument("--validate-on", default="labelled", help="labelled, or labelled,coronacases")
    return options


main = program(parser, _train)


if __name__ == "__main__":
    main()
