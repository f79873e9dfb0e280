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
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from infnet import weights
from infnet.errors import InfNetError
from infnet.pipeline.inputs import CHANNELS
from infnet.study import CONSOLIDATION, GGO
from train.arguments import refuse
from train.data import data_root, in_dataset
from train.data.files import files, in_order, load_classes, load_slice
from train.maps import class_folders, load_truth, match, save_map
from train.scoring import Result, progress, score, score_folders, summarise, table

if TYPE_CHECKING:
    from train.predictor import Predictor

SETS = {
    ("infection", "test"): "TestingSet/LungInfection-Test",
    ("multiclass", "test"): "TestingSet/MultiClassInfection-Test",
    ("infection", "train"): "TrainingSet/LungInfection-Train/Doctor-label",
    ("multiclass", "train"): "TrainingSet/MultiClassInfection-Train",
}
OF_WEIGHTS = ("data", "task", "split", "infection", "size", "masks", "save_maps")  # options beside --weights alone
NUMBERS = {"ggo": GGO, "consolidation": CONSOLIDATION}
Truths = dict[str, NDArray[np.bool_]]


def score_set(
    predictor: Predictor,
    folder: Path,
    infection: Predictor | None = None,
    masks: bool = False,
    save: Path | None = None,
) -> dict[str, Result]:
    """Run a network on the slices of `folder` (Imgs and GT, or GT-1 and GT-2) and score its maps.

    infection: the network whose map guides one of 6 channels. masks: score the most probable class of each pixel as a
    mask. save: a folder for the maps, with one for each class.
    """
    images = files(folder / "Imgs")
    true = _truth_files(folder)
    if extra := match(next(iter(true.values())), images, folder / "Imgs", "images"):
        print(f"{folder / 'Imgs'}: left out, without ground truth: {', '.join(extra)}", file=sys.stderr)
    slices = defaultdict(list)
    for name in progress(in_order(next(iter(true.values())))):
        truths = _truths({kind: paths[name] for kind, paths in true.items()}, predictor.classes > 1)
        stored = load_slice(images[name])
        shape, *others = dict.fromkeys(truth.shape for truth in truths.values())
        if others:
            raise InfNetError(f"{folder}: the masks of {name} in GT-1 and GT-2 differ in size; correct them")
        guide = infection(stored, stored.shape)[0] if infection is not None else None
        maps = predictor(stored, shape, guide)
        if masks and predictor.classes > 1:
            maps = np.eye(len(maps), dtype=np.float32)[maps.argmax(0)].transpose(2, 0, 1)
        for kind, truth in truths.items():
            chosen = maps[NUMBERS.get(kind, 0)]
            slices[kind].append(score(chosen, truth, predictor.threshold))
            if save is not None:
                save_map(chosen, (save / kind if predictor.classes > 1 else save) / f"{name}.png")
    return {kind: summarise(scored) for kind, scored in slices.items()}


def _truth_files(folder: Path) -> dict[str, dict[str, Path]]:
    """Ground truth by class in GT-1 and GT-2, or all of it in GT."""
    kinds = class_folders(folder)
    if kinds and kinds.keys() != NUMBERS.keys():
        raise InfNetError(f"{folder}: only one of GT-1 and GT-2; add the other")
    masks = {kind: files(path) for kind, path in kinds.items()} or {"GT": files(folder / "GT")}
    first, *others = (set(by_name) for by_name in masks.values())
    if unpaired := in_order(set().union(*(first ^ names for names in others))):
        raise InfNetError(f"{folder}: {', '.join(unpaired)} in only one of GT-1 and GT-2; add the other masks")
    return masks


def _truths(paths: dict[str, Path], by_class: bool) -> Truths:
    if "GT" not in paths:
        return {kind: load_truth(path) for kind, path in paths.items()}
    if by_class:
        numbers = load_classes(paths["GT"])
        return {kind: numbers == number for kind, number in NUMBERS.items()}
    return {"infection": load_truth(paths["GT"])}


def find_set(data: Path, task: str, split: str) -> Path:
    """The folder of a task's slices in `data`: the Dataset folder or one that holds it. Raises InfNetError."""
    name = SETS[task, split]
    if (folder := in_dataset(data, name)) is None:
        raise InfNetError(f"{data}: no {name} in it; give the folder Dataset of COVID-SemiSeg with --data")
    return folder


def _needs(predictor: Predictor, task: str, channels: tuple[int, ...], classes: int) -> Predictor:
    if predictor.channels not in channels or predictor.classes != classes:
        channels_of = f"has {predictor.channels} input and {predictor.classes} output channels"
        raise InfNetError(
            f"{predictor.name}: {channels_of}, so it is no network for {task}; choose other weights or another --task"
        )
    return predictor


def _score_weights(options: argparse.Namespace) -> dict[str, Result]:
    from train.predictor import open_predictor  # torch, which folders of maps do not need, takes seconds to import

    task = options.task or "infection"
    refuse(options, ("ground_truth", "name"), "with --weights")
    if task == "infection":
        refuse(options, ("infection", "masks"), "with --task infection")
    folder = find_set(options.data or data_root(), task, options.split or "test")
    predictor = open_predictor(options.weights, options.size)
    if options.threshold is not None:
        predictor = replace(predictor, threshold=options.threshold)
    infection = None
    plain, guided = CHANNELS["infection"], CHANNELS["classes"]
    if task == "infection":
        _needs(predictor, task, (plain,), 1)
    elif _needs(predictor, task, (plain, guided), 3).channels == guided:
        guide = options.infection or weights.default("infection")
        infection = _needs(open_predictor(guide), "infection", (plain,), 1)
    else:
        refuse(options, ("infection",), f"with {options.weights}, which was trained without infection maps")
    return score_set(predictor, folder, infection, options.masks, options.save_maps)


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
    parser.add_argument("--name", help="what a plain folder of maps shows; infection by default")
    parser.add_argument("--weights", help="name of the registry, or a file")
    parser.add_argument("--data", type=Path, help="folder of COVID-SemiSeg (Dataset); INFNET_DATA by default")
    parser.add_argument("--task", choices=["infection", "multiclass"], help="infection by default")
    parser.add_argument("--split", choices=["train", "test"], help="test by default")
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
            refuse(options, OF_WEIGHTS, "with --predictions")
            if class_folders(options.ground_truth):
                refuse(options, ("name",), "where the ground truth has sub-folders of classes")
            threshold = 0.5 if options.threshold is None else options.threshold
            results = score_folders(options.predictions, options.ground_truth, threshold, options.name or "infection")
        Console().print(table(results, "at thr." if options.threshold is None else f"at {options.threshold:g}"))
        if options.json:
            _write(results, options.json)
    except InfNetError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
