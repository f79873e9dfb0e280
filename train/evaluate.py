"""Score segmentations as Tables II and III of the paper do.

Maps made by anyone, matched with the ground truth by file name:

    python -m train.evaluate --predictions DIR --ground-truth DIR --json scores.json

Pictures may be png, jpg, tif or bmp of 1, 8 or 16 bits. A map of another size than its truth is resized (bicubic). The
truth is foreground above 128, or where it is 1 if it holds nothing higher. Where the ground truth has sub-folders GT-1
and GT-2, as the official test set does, these are GGO and consolidation; the maps then lie in GT-1 and GT-2, or in ggo
and consolidation.

Weights on the data set (official COVID-SemiSeg layout):

    python -m train.evaluate --weights semi-inf-net-plus --data Dataset --task infection --split test

--weights is a name of the registry or a file: a checkpoint of the paper's reference implementation (.pth) or of a
training program here (.pt), or an Inf-Net as safetensors. For --task multiclass the network also sees the map of an
infection network (--infection), unless it was trained without. Classes are scored by their probability; --masks scores
the most probable class of each pixel as a mask instead, which is what the reference's program for classes writes.

Every measure is the mean over all slices. Where a class is absent from a slice, Dice, sensitivity and specificity count
0 there, as in the paper; dice_present leaves such slices out. dice_at_threshold is the plain Dice of the map as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from infnet import weights
from infnet.errors import InfNetError
from infnet.measure.metrics import Scores, all_scores, dice
from infnet.study import CONSOLIDATION, GGO
from train.data import data_root, in_dataset
from train.data.files import files, in_order, load_classes, load_slice
from train.maps import class_folders, full_scale, load_map, load_truth, match, save_map

if TYPE_CHECKING:
    from train.predictor import Predictor

SETS = {
    ("infection", "test"): "TestingSet/LungInfection-Test",
    ("multiclass", "test"): "TestingSet/MultiClassInfection-Test",
    ("infection", "train"): "TrainingSet/LungInfection-Train/Doctor-label",
    ("multiclass", "train"): "TrainingSet/MultiClassInfection-Train",
}
NUMBERS = {"ggo": GGO, "consolidation": CONSOLIDATION}
Result = dict[str, float | int | None]
Truths = dict[str, NDArray[np.bool_]]


def score(found: NDArray, truth: NDArray[np.bool_], threshold: float) -> tuple[Scores, float, bool]:
    """The six measures of a slice, its plain Dice at the threshold, and whether its truth holds anything."""
    return all_scores(found, truth), dice(found >= threshold, truth), bool(truth.any())


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


def _progress(names: list[str]) -> Iterable[str]:
    """The names, with a bar on a terminal."""
    console = Console(stderr=True)
    return track(names, "slices", console=console, transient=True, disable=not console.is_terminal)


def score_folder(predictions: Path, truths: Path, threshold: float) -> Result:
    """Score the maps of one folder; extra ones are named on stderr. Raises InfNetError where one is missing."""
    true, found = files(truths), files(predictions)
    if extra := match(true, found, predictions, "maps"):
        print(f"{predictions}: left out, without ground truth: {', '.join(extra)}", file=sys.stderr)
    scale = full_scale(found[name] for name in true)
    slices = []
    for name in _progress(in_order(true)):
        truth = load_truth(true[name])
        slices.append(score(load_map(found[name], scale, truth.shape), truth, threshold))
    return summarise(slices)


def score_folders(predictions: Path, truths: Path, threshold: float, name: str) -> dict[str, Result]:
    """Scores by class where the ground truth has a sub-folder of each, else under `name`."""
    kinds = class_folders(truths)
    if not kinds:
        return {name: score_folder(predictions, truths, threshold)}
    if not predictions.is_dir():
        raise InfNetError(f"{predictions}: no such folder; correct the path")
    found = class_folders(predictions)
    if missing := kinds.keys() - found.keys():
        names = " and ".join(sorted(missing, reverse=True))
        raise InfNetError(f"{predictions}: no sub-folder of {names}; name them as in {truths}")
    return {kind: score_folder(found[kind], kinds[kind], threshold) for kind in kinds}


def score_set(
    predictor: Predictor,
    folder: Path,
    infection: Predictor | None = None,
    threshold: float | None = None,
    masks: bool = False,
    save: Path | None = None,
) -> dict[str, Result]:
    """Run a network on the slices of `folder` (Imgs and GT, or GT-1 and GT-2) and score its maps.

    infection: the network whose map guides one of 6 channels. threshold: the predictor's where not given. masks: score
    the most probable class of each pixel as a mask. save: a folder for the maps, with one for each class.
    """
    images = files(folder / "Imgs")
    true = _truth_files(folder)
    if extra := match(next(iter(true.values())), images, folder / "Imgs", "images"):
        print(f"{folder / 'Imgs'}: left out, without ground truth: {', '.join(extra)}", file=sys.stderr)
    slices = defaultdict(list)
    for name in _progress(in_order(next(iter(true.values())))):
        truths = _truths({kind: paths[name] for kind, paths in true.items()}, predictor.classes > 1)
        stored = load_slice(images[name])
        shape, *others = dict.fromkeys(truth.shape for truth in truths.values())
        if others:
            raise InfNetError(f"{folder}: the masks of {name} in GT-1 and GT-2 differ in size; correct them")
        guide = infection(stored, stored.shape)[0] if infection is not None else None
        found = predictor(stored, shape, guide)
        if masks and predictor.classes > 1:
            found = np.eye(len(found), dtype=np.float32)[found.argmax(0)].transpose(2, 0, 1)
        for kind, truth in truths.items():
            chosen = found[NUMBERS.get(kind, 0)]
            slices[kind].append(score(chosen, truth, predictor.threshold if threshold is None else threshold))
            if save is not None:
                save_map(chosen, (save / kind if predictor.classes > 1 else save) / f"{name}.png")
    return {kind: summarise(found) for kind, found in slices.items()}


def _truth_files(folder: Path) -> dict[str, dict[str, Path]]:
    """Ground truth by class in GT-1 and GT-2, or all of it in GT."""
    kinds = class_folders(folder)
    if kinds and kinds.keys() != NUMBERS.keys():
        raise InfNetError(f"{folder}: only one of GT-1 and GT-2; add the other")
    found = {kind: files(path) for kind, path in kinds.items()} or {"GT": files(folder / "GT")}
    if odd := in_order(set.union(*map(set, found.values())) - set.intersection(*map(set, found.values()))):
        raise InfNetError(f"{folder}: {', '.join(odd)} in only one of GT-1 and GT-2; add the other masks")
    return found


def _truths(paths: dict[str, Path], by_class: bool) -> Truths:
    if "GT" not in paths:
        return {kind: load_truth(path) for kind, path in paths.items()}
    if by_class:
        numbers = load_classes(paths["GT"])
        return {kind: numbers == number for kind, number in NUMBERS.items()}
    return {"infection": load_truth(paths["GT"])}


def find_set(data: Path, task: str, split: str) -> Path:
    """The folder of a task's slices in `data`: the Dataset folder or one that holds it. Raises InfNetError."""
    part = SETS[task, split]
    if (found := in_dataset(data, part)) is None:
        raise InfNetError(f"{data}: no {part} in it; give the folder Dataset of COVID-SemiSeg with --data")
    return found


def _needs(predictor: Predictor, task: str, channels: tuple[int, ...], classes: int) -> Predictor:
    if predictor.channels not in channels or predictor.classes != classes:
        channels_of = f"has {predictor.channels} input and {predictor.classes} output channels"
        raise InfNetError(
            f"{predictor.name}: {channels_of}, so it is no network for {task}; choose other weights or another --task"
        )
    return predictor


def _score_weights(options: argparse.Namespace) -> dict[str, Result]:
    from train.predictor import open_predictor  # torch, which folders of maps do not need, takes seconds to import

    folder = find_set(options.data, options.task, options.split)
    predictor = open_predictor(options.weights, options.size)
    infection = None
    if options.task == "infection":
        _needs(predictor, "infection", (3,), 1)
    elif _needs(predictor, "multiclass", (3, 6), 3).channels == 6:
        guide = options.infection or weights.default("infection")
        infection = _needs(open_predictor(guide), "infection", (3,), 1)
    return score_set(predictor, folder, infection, options.threshold, options.masks, options.save_maps)


def table(results: dict[str, Result], threshold: str) -> Table:
    """The scores, one class a row; `threshold` says at which one the plain Dice is."""
    names = {
        "dice": "Dice", "sensitivity": "Sen.", "specificity": "Spec.", "structure": "S", "enhanced_alignment": "E mean",
        "mae": "MAE", "dice_at_threshold": threshold, "dice_present": "present",
    }  # fmt: skip
    caption = f"{threshold}: plain Dice; present: Dice of slices with the class"
    made = Table("", *names.values(), "slices", box=None, pad_edge=False, collapse_padding=True, caption=caption)
    for column in made.columns[1:]:
        column.justify = "right"
        column.no_wrap = True
    for kind, result in results.items():
        values = ("-" if (v := result[name]) is None else f"{v:.3f}" for name in names)
        made.add_row(kind, *values, f"{result['count_present']}/{result['count']}")
    return made


def _write(results: dict[str, Result], path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n")
    except OSError as error:
        raise InfNetError(f"{path}: not written ({error.strerror}); choose another --json") from error


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, help="folder of maps")
    parser.add_argument("--ground-truth", type=Path, help="folder of masks, or of GT-1 and GT-2")
    parser.add_argument("--name", default="infection", help="what a plain folder of maps shows; %(default)s by default")
    parser.add_argument("--weights", help="name of the registry, or a file")
    parser.add_argument("--data", type=Path, default=data_root(), help="folder of COVID-SemiSeg (Dataset)")
    parser.add_argument("--task", choices=["infection", "multiclass"], default="infection")
    parser.add_argument("--split", choices=["train", "test"], default="test")
    parser.add_argument("--infection", help="weights whose map guides a multi-class network; the registry's by default")
    parser.add_argument("--size", type=int, help="side of the network's input, if not the one it was trained at")
    parser.add_argument("--masks", action="store_true", help="score the most probable class as a mask")
    parser.add_argument("--save-maps", type=Path, help="folder for the maps of --weights")
    parser.add_argument("--threshold", type=float, help="of the plain Dice; 0.5 or the model's by default")
    parser.add_argument("--json", type=Path, help="file for the scores")
    options = parser.parse_args(argv)
    try:
        if (options.predictions is None) == (options.weights is None):
            raise InfNetError("--predictions, --weights: one of the two is needed; give maps or a network")
        if options.weights is not None:
            results = _score_weights(options)
        elif options.ground_truth is None:
            raise InfNetError("--ground-truth: missing; give the folder of masks that belongs to --predictions")
        else:
            threshold = 0.5 if options.threshold is None else options.threshold
            results = score_folders(options.predictions, options.ground_truth, threshold, options.name)
        Console().print(table(results, "at thr." if options.threshold is None else f"at {options.threshold:g}"))
        if options.json:
            _write(results, options.json)
    except InfNetError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
