"""Scores of maps against ground truths, as Tables II and III of the paper give them, and the table that shows them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from infnet.errors import InfNetError
from infnet.measure.metrics import Scores, all_scores, dice
from train.data.files import files, in_order
from train.maps import class_folders, full_scale, load_map, load_truth, match

Result = dict[str, float | int | None]


def score(probability: NDArray[Any], truth: NDArray[np.bool_], threshold: float) -> tuple[Scores, float, bool]:
    """The six measures of a slice, its plain Dice at the threshold, and whether its truth holds anything."""
    return all_scores(probability, truth), dice(probability >= threshold, truth), bool(truth.any())


def summarise(slices: Sequence[tuple[Scores, float, bool]]) -> Result:
    """Means over slices; `dice_present` over those whose truth is not empty, None where there are none."""
    means = np.mean([scores for scores, _, _ in slices], axis=0)
    present = [scores.dice for scores, _, holds in slices if holds]
    return {
        **{name: round(float(v), 6) for name, v in zip(Scores._fields, means, strict=True)},
        "dice_at_threshold": round(float(np.mean([plain for _, plain, _ in slices])), 6),
        "dice_present": round(float(np.mean(present)), 6) if present else None,
        "count": len(slices),
        "count_present": len(present),
    }


def progress(names: list[str]) -> Iterable[str]:
    """The names, with a bar on a terminal."""
    console = Console(stderr=True)
    return track(names, "slices", console=console, transient=True, disable=not console.is_terminal)


def score_folder(predictions: Path, truths: Path, threshold: float) -> Result:
    """Score the maps of one folder; extra ones are named on stderr. Raises InfNetError where one is missing."""
    true, maps = files(truths), files(predictions)
    if extra := match(true, maps, predictions, "maps"):
        print(f"{predictions}: left out, without ground truth: {', '.join(extra)}", file=sys.stderr)
    scale = full_scale(maps[name] for name in true)
    slices = []
    for name in progress(in_order(true)):
        truth = load_truth(true[name])
        slices.append(score(load_map(maps[name], scale, truth.shape), truth, threshold))
    return summarise(slices)


def score_folders(predictions: Path, truths: Path, threshold: float, name: str) -> dict[str, Result]:
    """Scores by class where the ground truth has a sub-folder of each, else under `name`."""
    kinds = class_folders(truths)
    if not kinds:
        return {name: score_folder(predictions, truths, threshold)}
    if not predictions.is_dir():
        raise InfNetError(f"{predictions}: no such folder; correct the path")
    predicted = class_folders(predictions)
    if missing := kinds.keys() - predicted.keys():
        names = " and ".join(sorted(missing, reverse=True))
        raise InfNetError(f"{predictions}: no sub-folder of {names}; name them as in {truths}")
    return {kind: score_folder(predicted[kind], kinds[kind], threshold) for kind in kinds}


def table(results: dict[str, Result], threshold: str) -> Table:
    """The scores, one class a row; `threshold` says at which one the plain Dice is."""
    names = {
        "dice": "Dice",
        "sensitivity": "Sen.",
        "specificity": "Spec.",
        "structure": "S",
        "enhanced_alignment": "E mean",
        "mae": "MAE",
        "dice_at_threshold": threshold,
        "dice_present": "present",
    }
    caption = f"{threshold}: plain Dice; present: Dice of slices with the class"
    made = Table("", *names.values(), "slices", box=None, pad_edge=False, collapse_padding=True, caption=caption)
    for column in made.columns[1:]:
        column.justify = "right"
        column.no_wrap = True
    for kind, result in results.items():
        values = ("-" if (v := result[name]) is None else f"{v:.3f}" for name in names)
        made.add_row(kind, *values, f"{result['count_present']}/{result['count']}")
    return made
