"""Splits by group (patient or volume), never by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from infnet.errors import InfNetError
from train.data.example import Example


def folds(groups: Sequence[str], count: int = 5, seed: int = 0) -> dict[str, int]:
    """Deal the distinct groups into `count` folds at random: group -> fold."""
    names = sorted(set(groups))
    if len(names) < count:
        raise InfNetError(f"{len(names)} groups: too few for {count} folds; use fewer folds")
    order = np.random.default_rng(seed).permutation(len(names))
    return {names[i]: int(k % count) for k, i in enumerate(order)}


def held_out(
    examples: Sequence[Example], fold: int, count: int = 5, seed: int = 0
) -> tuple[list[Example], list[Example]]:
    """Split by group into (train, validation); `validation` is fold number `fold`, empty for -1."""
    if fold < 0:
        return list(examples), []
    fold_of = folds([e.group for e in examples], count, seed)
    return ([e for e in examples if fold_of[e.group] != fold], [e for e in examples if fold_of[e.group] == fold])


def leave_one_out(examples: Sequence[Example], fold: int) -> tuple[list[Example], list[Example]]:
    """As `held_out`, for fewer groups than folds: fold number f holds out the group at position f of the sorted ones,
    from the first again after the last."""
    groups = sorted({e.group for e in examples})
    if fold < 0 or len(groups) < 2:
        return list(examples), []
    out = groups[fold % len(groups)]
    return [e for e in examples if e.group != out], [e for e in examples if e.group == out]


def split_record(
    train: Mapping[str, Sequence[Example]], validation: Mapping[str, Sequence[Example]]
) -> dict[str, dict[str, Any]]:
    """Names by source and group, to be saved with a run."""

    def by_group(examples: Sequence[Example]) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {group: [] for group in sorted({e.group for e in examples})}
        for example in examples:
            names[example.group].append(example.name)
        return names

    return {
        side: {source: by_group(examples) for source, examples in sources.items()}
        for side, sources in (("train", train), ("validation", validation))
    }
