"""Where training slices come from: sources by name, their split by patient, and their shares in a batch."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from infnet.errors import InfNetError
from train.data import (
    Example,
    clear,
    coronacases,
    folder,
    held_out,
    infection_free,
    labelled,
    leave_one_out,
    lesion_free,
    medseg_volumes,
    pseudo_labelled,
)
from train.fitting.batches import Draw, by_epoch, by_share
from train.fitting.config import TrainConfig
from train.fitting.options import configure

Sources = dict[str, list[Example]]
Reader = Callable[[Path], list[Example]]

READERS: dict[str, Reader] = {
    "labelled": labelled,
    "coronacases": coronacases,
    "pseudo": pseudo_labelled,
    "healthy": lesion_free,
    "clear": clear,
    "medseg-volumes": medseg_volumes,
    "infection-free": infection_free,
}
CLASS_READERS: dict[str, Reader] = {
    "labelled": lambda root: labelled(root, classes=True),
    "medseg-volumes": lambda root: medseg_volumes(root, classes=True),
}
WITHOUT_INFECTION = ("clear", "infection-free")  # sources where there is no Dice
FEW_PATIENTS = ("medseg-volumes",)  # sources of fewer patients than folds: each fold holds one of them out


def parse_mix(text: str) -> tuple[tuple[str, float], ...]:
    """`labelled=0.5,pseudo=0.5` as pairs of name and share."""
    try:
        return tuple((name, float(share)) for name, _, share in (pair.rpartition("=") for pair in text.split(",")))
    except ValueError:
        raise InfNetError(f"--mix {text}: give names and shares, such as labelled=0.5,pseudo=0.5") from None


def split(
    root: Path, config: TrainConfig, validate_on: str = "labelled", classes: bool = False
) -> tuple[Sources, Sources]:
    """(training, validation) slices by source, without any group in both.

    Validation holds a fold of every labelled source of the mix, and of those that `validate_on` names (with commas).
    classes: masks hold the classes, in place of infection.
    """
    readers: Mapping[str, Reader] = CLASS_READERS if classes else READERS
    for name in set(WITHOUT_INFECTION) & set(validate_on.split(",")):
        raise InfNetError(f"--validate-on {name}: no Dice without infection; train.validate tells what is marked there")
    names = dict.fromkeys([name for name, _ in config.mix] + validate_on.split(","))
    sources = {n: readers[n](root) if n in readers else folder(Path(n), classes=classes) for n in names}
    train, validation = {}, {}
    for name, examples in sources.items():
        if name in ("pseudo", "healthy"):
            train[name] = examples
        else:
            train[name], validation[name] = of_fold(name, examples, config)
    unseen = {e.group for examples in validation.values() for e in examples}
    used = {name: [e for e in train[name] if e.group not in unseen] for name, _ in config.mix}
    return used, {name: examples for name, examples in validation.items() if examples}


def of_fold(name: str, examples: list[Example], config: TrainConfig) -> tuple[list[Example], list[Example]]:
    """(training, validation) slices of a source: its fold of groups, or one of few patients, is held out."""
    if name in FEW_PATIENTS:
        return leave_one_out(examples, config.fold)
    return held_out(examples, config.fold, config.fold_count, config.seed)


def configured(
    options: argparse.Namespace, recipe: TrainConfig, paper: Callable[[int], TrainConfig], classes: bool = False
) -> tuple[TrainConfig, Sources, Sources]:
    """Config, training and validation slices that the options of a program on a mix of sources ask for.

    recipe: its own settings. paper: those of the paper, for a set of so many slices.
    """
    config = replace(configure(options, recipe), mix=parse_mix(options.mix))
    train, validation = split(options.data, config, options.validate_on, classes)
    if options.paper:
        config = configure(options, replace(paper(sum(map(len, train.values()))), mix=config.mix))
    return config, train, validation


def mixed(config: TrainConfig, train: Sources) -> tuple[list[Example], Draw]:
    """All slices of the mix, one source behind the other, and how a batch is drawn from them."""
    examples = [e for name, _ in config.mix for e in train[name]]
    if len(config.mix) == 1:
        return examples, by_epoch(len(examples), config.batch, config.seed)
    ends = np.cumsum([0, *(len(train[name]) for name, _ in config.mix)])
    ranges = [range(a, b) for a, b in itertools.pairwise(ends)]
    return examples, by_share(ranges, [share for _, share in config.mix], config.batch, config.seed)
