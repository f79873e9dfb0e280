"""Measure shipped or freshly trained networks on what was held out: `python -m train.validate --fold 0 --json FILE`.

Labelled slices: cropped already, so the network sees them whole. Patients of coronacases and of medseg-volumes:
upright, full field, through `infnet.segment` with its own lungs, crop and undo, as a user's picture would go; then once
more with the true lungs, to see what the lung network costs, and as 8-bit crops to the lungs, to see whether the crop
changes the mask. Of all patients also the calibration inside the lungs and the pooled Dice by threshold. Where there is
no infection: the area that is marked, see `evaluate_negatives` and `evaluate_infection_free`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.engine import Engine, TorchEngine
from infnet.errors import InfNetError
from infnet.geometry.affine import axial_affine
from infnet.geometry.box import crop, mask_box, paste, resize
from infnet.grey import window_grey
from infnet.measure.metrics import dice, paper_scores
from infnet.pipeline.inputs import guided, normalise
from infnet.pipeline.models import Engines, load_engines
from infnet.pipeline.run import segment
from infnet.read import read
from infnet.study import CONSOLIDATION, GGO, Study
from train import data
from train.calibration import by_threshold, false_positives, pooled, reliability, spread_of
from train.data.files import files, load_classes, load_codes, load_slice
from train.fitting.checkpoint import load_checkpoint
from train.maps import load_truth
from train.predictor import trained


def summarise(maps: Sequence[NDArray[Any]], truths: Sequence[NDArray[np.bool_]], threshold: float) -> dict[str, float]:
    """Mean Dice, sensitivity and specificity by the paper's definition, and plain Dice at the threshold."""
    paper = np.array([paper_scores(m, t) for m, t in zip(maps, truths, strict=True)])
    plain = [dice(m >= threshold, t) for m, t in zip(maps, truths, strict=True)]
    names = ("dice", "sensitivity", "specificity")
    return {
        **{n: round(float(v), 4) for n, v in zip(names, paper.mean(0), strict=True)},
        "dice_at_threshold": round(float(np.mean(plain)), 4),
        "pooled_dice": pooled(maps, truths, threshold),
        "count": len(maps),
    }


def infection_map(engine: Engine, grey: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Infection probability of one cropped upright slice, at the slice's own size."""
    square = engine(normalise(resize(grey, (size, size))[None]))[0, 0]
    return resize(square, grey.shape)


def class_maps(
    engine: Engine, grey: NDArray[np.uint8], infection: NDArray[np.float32], size: int
) -> NDArray[np.float32]:
    """Probabilities (3, row, column) of background, GGO, consolidation, given the infection map."""
    square = (size, size)
    batch = guided(normalise(resize(grey, square)[None]), resize(infection, square)[None])
    return np.stack([resize(p, grey.shape) for p in engine(batch)[0]])


def evaluate_labelled(engines: Engines, root: Path, names: list[str]) -> dict[str, dict[str, float]]:
    """Infection and class scores on labelled slices by name, at the size of their ground truth."""
    base = data.training_set(root)
    maps: dict[str, list[NDArray[np.float32]]] = {"infection": [], "ggo": [], "consolidation": []}
    truths: dict[str, list[NDArray[np.bool_]]] = {k: [] for k in maps}
    region_folder, class_folder = base / "LungInfection-Train" / "Doctor-label", base / "MultiClassInfection-Train"
    images, regions = files(region_folder / "Imgs"), files(region_folder / "GT")
    classified = files(class_folder / "GT")
    for name in names:
        grey = window_grey(load_slice(images[name]).T.copy())[0]
        region = load_truth(regions[name]).T
        kinds = load_classes(classified[name]).T
        infection = infection_map(engines.infection.engine, grey, engines.infection.entry.size)
        classes = class_maps(engines.classes.engine, grey, infection, engines.classes.entry.size)
        for key, probability, true in (
            ("infection", infection, region),
            ("ggo", classes[GGO], kinds == GGO),
            ("consolidation", classes[CONSOLIDATION], kinds == CONSOLIDATION),
        ):
            maps[key].append(probability)
            truths[key].append(true)
    return {k: summarise(maps[k], truths[k], engines.threshold if k == "infection" else 0.5) for k in maps}


@dataclass
class Scored:
    """Maps, truths and lungs, slice by slice, of the patients scored so far."""

    maps: list[NDArray[np.float32]] = field(default_factory=list)
    maps_with_true_lungs: list[NDArray[np.float32]] = field(default_factory=list)
    truths: list[NDArray[np.bool_]] = field(default_factory=list)
    lungs: list[NDArray[np.bool_]] = field(default_factory=list)


def evaluate_patients(
    engines: Engines, base: Path, patients: list[str], lesions: str = "lesions"
) -> dict[str, dict[str, Any]]:
    """Infection and lung scores of patients of the data set in `base`, each a stack of pictures and segmented whole.

    lesions: its folder of masks, in which all above 0 is infection.
    """
    whole, threshold = Scored(), engines.threshold
    results = {patient: _evaluate_patient(engines, base, patient, lesions, whole) for patient in patients}
    results["all"] = {
        **summarise(whole.maps, whole.truths, threshold),
        "pooled_dice_with_true_lungs": pooled(whole.maps_with_true_lungs, whole.truths, threshold),
        "by_threshold": by_threshold(whole.maps, whole.truths),
        "calibration": reliability(whole.maps, whole.truths, whole.lungs),
    }
    return results


def _evaluate_patient(engines: Engines, base: Path, patient: str, lesions: str, whole: Scored) -> dict[str, Any]:
    """The scores of one patient, whose slices are added to `whole`."""
    names = sorted(name for name in files(base / "images") if name.startswith(f"{patient}_"))

    def masks(kind: str) -> NDArray[np.bool_]:
        paths = files(base / kind)
        return np.stack([load_codes(paths[name]) > 0 for name in names])

    images = files(base / "images")
    pixels = np.stack([load_slice(images[name]) for name in names])
    truth, lungs = masks(lesions), masks("lungs")
    study = Study(pixels, is_hu=False, name=patient)
    result, threshold = segment(study, engines), engines.threshold
    own_lungs = result.lungs > 0
    with_true_lungs = segment(study, engines, known_lungs=lungs.astype(np.uint8)).probability
    crops = [_as_crop(engines, plane, inside) >= threshold for plane, inside in zip(pixels, lungs, strict=True)]
    whole.maps += list(result.probability)
    whole.maps_with_true_lungs += list(with_true_lungs)
    whole.truths += list(truth)
    whole.lungs += list(own_lungs)
    lungs_dice = float(np.mean([dice(own, true) for own, true in zip(own_lungs, lungs, strict=True)]))
    return {
        **summarise(list(result.probability), list(truth), threshold),
        "pooled_dice_with_true_lungs": pooled(list(with_true_lungs), list(truth), threshold),
        "lungs_dice": round(lungs_dice, 4),
        "lesion_outside_lungs": round(float((truth & ~own_lungs).sum() / max(truth.sum(), 1)), 4),
        "agreement_with_crops": pooled(list(with_true_lungs), crops, threshold),
    }


def _as_crop(engines: Engines, plane: NDArray[np.uint8], lungs: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Infection map (row, column) of a full-field slice that was cut to its true lungs before anybody saw it."""
    box = mask_box(lungs, margin=0.0)
    if box is None:
        return np.zeros(plane.shape, np.float32)
    grey = window_grey(np.ascontiguousarray(crop(plane, box)))[0]
    return paste(infection_map(engines.infection.engine, grey, engines.infection.entry.size), box, plane.shape) * lungs


def evaluate_negatives(engines: Engines, root: Path, fold: int) -> dict[str, dict[str, float]]:
    """Marked area where there is no infection, through the app's own path: LIDC-IDRI-0001, which a network that was
    trained with `healthy` has seen, and the held-out patients of lungs-hu, one slice each, whose millimetres are not
    known. Empty where the data lack them."""
    marked = {}
    folder = root / "dicom" / "lidc-0001"
    if folder.is_dir():
        study = read(folder)
        marked["LIDC-IDRI-0001, mm2"] = false_positives(study, segment(study, engines))
    if (root / "lungs-hu").is_dir():
        names = {e.name.rsplit("_", 1)[0] for e in data.held_out(data.clear(root), fold)[1]}
        paths = [path for name, path in sorted(files(root / "lungs-hu" / "images").items()) if name in names]
        slices = Study(
            np.stack([data.hounsfield(path) for path in paths]), axial_affine((1.0, 1.0, 1.0)), volumetric=False
        )
        marked["lungs-hu, pixels"] = false_positives(slices, segment(slices, engines))
    return marked


def evaluate_infection_free(engines: Engines, root: Path, fold: int) -> dict[str, dict[str, float]]:
    """Pixels marked on held-out pictures of infection-free, each read by itself, by the collection they come from."""
    areas: dict[str, list[int]] = {}
    pictures = files(root / "infection-free" / "images")
    for example in data.held_out(data.infection_free(root), fold)[1]:
        grey = load_slice(pictures[example.name])
        result = segment(Study(grey[None], is_hu=False, name=example.name), engines)
        areas.setdefault(example.name.split("_")[0], []).append(int(np.count_nonzero(result.labels)))
    return {name: spread_of(np.array(each)) for name, each in areas.items()}


def _evaluate(engines: Engines, root: Path, fold: int) -> dict[str, Any]:
    """All scores on what a fold holds out, and its names and patients; of data sets that not everybody has, where they
    are there."""
    names = [e.name for e in data.held_out(data.labelled(root), fold)[1]]
    patients = sorted({e.group for e in data.held_out(data.coronacases(root), fold)[1]})
    results: dict[str, Any] = {
        "labelled": evaluate_labelled(engines, root, names),
        "coronacases": evaluate_patients(engines, root / "coronacases", patients),
        "negative": evaluate_negatives(engines, root, fold),
        "held_out": {"labelled": names, "coronacases": patients},
    }
    if (volumes := root / "medseg-volumes").is_dir():
        left_out = sorted({e.group for e in data.leave_one_out(data.medseg_volumes(root), fold)[1]})
        results["medseg-volumes"] = evaluate_patients(engines, volumes, left_out, "classes")
        results["held_out"]["medseg-volumes"] = left_out
    if (root / "infection-free").is_dir():
        results["infection-free, pixels"] = evaluate_infection_free(engines, root, fold)
    return results


def with_checkpoint(engines: Engines, path: Path, role: str = "infection") -> Engines:
    """The engines with the network of a checkpoint of a training program, at its own size, instead of theirs;
    `role`: infection or classes."""
    network, size = trained(load_checkpoint(path), path)
    model = engines.classes if role == "classes" else engines.infection
    own = replace(model, engine=TorchEngine(network), entry=replace(model.entry, size=size))
    return replace(engines, classes=own) if role == "classes" else replace(engines, infection=own)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data.data_root())
    parser.add_argument("--model", help="infection model of the registry")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint of train.supervised, instead of --model")
    parser.add_argument("--classes", type=Path, help="a checkpoint of train.multiclass, instead of the shipped one")
    parser.add_argument("--size", type=int, help="side of the infection network's input, if not the registry's")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    try:
        engines = load_engines(options.model)
        if options.checkpoint:
            engines = with_checkpoint(engines, options.checkpoint)
        if options.classes:
            engines = with_checkpoint(engines, options.classes, "classes")
        if options.size:
            entry = replace(engines.infection.entry, size=options.size)
            engines = replace(engines, infection=replace(engines.infection, entry=entry))
        if options.threshold is not None:
            engines = engines.with_threshold(options.threshold)
        text = json.dumps(_evaluate(engines, options.data, options.fold), indent=1)
        print(text)
        if options.json:
            options.json.write_text(text + "\n")
    except InfNetError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
