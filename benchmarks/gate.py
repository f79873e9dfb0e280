"""Whether a faster engine keeps the masks: agreement with float32 PyTorch, and Dice with the radiologists' labels.

On slices that took no part in training: the labelled ones named in the registry, coronacases patients that were left
out (every fourth slice, through the whole of `infnet.segment`), and the COVID-CT-MD study, which has no labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import infnet
from benchmarks.measuring import Table, data
from infnet.engine.openvino_engine import best_precision
from infnet.geometry.box import resize
from infnet.grey import window_grey
from infnet.measure.metrics import dice
from infnet.pipeline.inputs import normalise
from infnet.pipeline.models import Engines
from infnet.study import Study

AGREEMENT = {"fp32": 0.999, "bf16": 0.995, "int8": 0.985}  # pooled Dice with the float32 masks, at least
CHANGE = 0.003  # of labelled Dice, at most
Masks = list[NDArray[np.bool_]]


def tables() -> Iterator[Table]:
    root = data()
    if root is None:
        print("No data sets: set INFNET_DATA to their folder.")
        return
    held = infnet.load_engines().infection.entry.facts["held_out"]
    labels = _labels(root, held["labelled"]), _lesions(root, held["coronacases"])
    wanted = [("torch", "fp32"), ("torch", "bf16"), ("openvino", "fp32")]
    wanted += [("openvino", "bf16")] if best_precision() == "bf16" else []
    reference: tuple[Masks, ...] = ()
    base: list[float] = []
    rows = []
    for engine, precision in wanted:
        engines = infnet.load_engines(device="cpu", engine=engine, precision=precision)
        found = (
            _labelled(engines, root, held["labelled"]),
            _patients(engines, root, held["coronacases"]),
            _study(engines, root),
        )
        reference = reference or found
        agreement = [pooled(f, r) for f, r in zip(found, reference, strict=True)]
        scores = [score for f, t in zip(found, labels, strict=False) for score in (_mean(f, t), pooled(f, t))]
        base = base or scores
        change = max(abs(s - b) for s, b in zip(scores, base, strict=True))
        passed = min(agreement) >= AGREEMENT[precision] and change <= CHANGE
        name = engines.infection.engine.name
        rows.append([name, *(f"{v:.4f}" for v in (*agreement, *scores, change)), "yes" if passed else "NO"])
    sets = (f"{len(labels[0])} labelled", f"{len(labels[1])} of patients", "covid-p001")
    scored = [f"{kind}, {s}" for s in sets[:2] for kind in ("mean Dice", "pooled")]
    yield Table(
        "Do the masks stay the same?",
        ["engine", *(f"agreement, {s}" for s in sets), *scored, "largest change", "passes"],
        rows,
        f"Agreement: pooled Dice of the masks with those of the first row. It must reach {AGREEMENT['bf16']} in bf16 "
        f"({AGREEMENT['int8']} in int8), and no Dice with the labels may change by more than {CHANGE}.",
    )


def pooled(found: Masks, truth: Masks) -> float:
    """Dice of all slices taken as one picture."""
    both = sum(int((f & t).sum()) for f, t in zip(found, truth, strict=True))
    return 2 * both / max(sum(int(m.sum()) for m in (*found, *truth)), 1)


def _mean(found: Masks, truth: Masks) -> float:
    return float(np.mean([dice(f, t) for f, t in zip(found, truth, strict=True)]))


def _picture(folder: Path, name: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(next(folder.glob(f"{name}.*"))).convert("L"))


def _labelled(engines: Engines, root: Path, names: list[str]) -> Masks:
    """Cropped already, so the network sees them whole; they are stored transposed."""
    folder = root / "covid-semiseg/Dataset/TrainingSet/LungInfection-Train/Doctor-label/Imgs"
    model, masks = engines.infection, []
    for name in names:
        grey = window_grey(_picture(folder, name).T.copy())[0]
        size = model.entry.size
        square = model.engine(normalise(resize(grey, (size, size))[None]))[0, 0]
        masks.append(resize(square, grey.shape) >= engines.threshold)
    return masks


def _labels(root: Path, names: list[str]) -> Masks:
    folder = root / "covid-semiseg/Dataset/TrainingSet/LungInfection-Train/Doctor-label/GT"
    return [_picture(folder, name).T > 128 for name in names]


def _files(root: Path, patient: str) -> list[Path]:
    return sorted((root / "coronacases/images").glob(f"{patient}_*"))[::4]


def _patients(engines: Engines, root: Path, patients: list[str]) -> Masks:
    masks: Masks = []
    for patient in patients:
        pixels = np.stack([np.asarray(Image.open(f).convert("L")) for f in _files(root, patient)])
        result = infnet.segment(Study(pixels, is_hu=False, name=patient), engines)
        masks += list(result.labels > 0)
    return masks


def _lesions(root: Path, patients: list[str]) -> Masks:
    files = [file for patient in patients for file in _files(root, patient)]
    return [_picture(root / "coronacases/lesions", file.stem) > 0 for file in files]


def _study(engines: Engines, root: Path) -> Masks:
    return [infnet.segment(infnet.read(root / "dicom/covid-p001"), engines).labels > 0]
