"""Full-field slices: your own folders, the coronacases and medseg patients, and scans without infection."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from infnet.grey import window_hu
from infnet.study import Study
from train.data.example import Example, cropped, store, store_classes, windowed
from train.data.files import Grey, as_binary, as_classes, files, load_slice, masks_beside, opened, read_each

PADDING = -1024  # HU; what lies below is not part of the scan
LUNG_SHARE = 0.005  # of a slice: with less lung than this it is left out
BLOCK = 64  # neighbouring numbers of `infection_free` that are one group


def folder(base: Path, masks: str = "masks", lungs: str = "lungs", classes: bool = False) -> list[Example]:
    """Your own slices: `base`/images upright, `base`/`masks` beside them with the same names.

    Masks hold 0 and 255, or with `classes` 0, 1, 2; those are in `base`/classes where there is such a folder. With lung
    masks in `base`/`lungs` a slice is cropped to the lungs and one without lung is left out; without such a folder
    slices are taken as cropped already. Groups (patients) come from `base`/groups.csv, with columns name and group,
    else from the name up to its last underscore.
    """
    groups = {}
    if (base / "groups.csv").exists():
        with (base / "groups.csv").open(newline="") as file:
            groups = {row["name"]: row["group"] for row in csv.DictReader(file)}

    images = files(base / "images")
    mask_of = masks_beside(base / ("classes" if classes and (base / "classes").is_dir() else masks))
    lungs_of = masks_beside(base / lungs, "lung mask") if (base / lungs).is_dir() else None

    def read(path: Path) -> Example | None:
        image = load_slice(path)
        mask = mask_of(path, image.shape)
        mask = as_classes(mask, path) if classes else (as_binary(mask, path) * 255).astype(np.uint8)
        group = groups.get(path.stem) or path.stem.rsplit("_", 1)[0]
        if lungs_of is None:
            stored = store_classes(mask) if classes else store(mask)
            return Example(path.stem, group, store(windowed(image)), stored, shape=image.shape)
        inside = lungs_of(path, image.shape) > 0
        return cropped(Example(path.stem, group, windowed(image), mask), inside, classes) if inside.any() else None

    return read_each(read, images.values())


def coronacases(root: Path) -> list[Example]:
    """Slices of ten patients, upright and full field, cropped round the true lungs; infection masks."""
    return folder(root / "coronacases", masks="lesions")


def medseg_volumes(root: Path, classes: bool = False) -> list[Example]:
    """Slices of four patients, upright and full field with abdomen, cropped round the true lungs.

    Infection masks, or with `classes` 0 background, 1 GGO, 2 consolidation. A slice without lung is left out.
    """
    base = root / "medseg-volumes"
    classes_of, lungs_of = masks_beside(base / "classes"), masks_beside(base / "lungs", "lung mask")

    def read(path: Path) -> Example | None:
        image = load_slice(path)
        kinds, inside = as_classes(classes_of(path, image.shape), path), lungs_of(path, image.shape) > 0
        mask = kinds if classes else ((kinds > 0) * 255).astype(np.uint8)
        group = path.stem.rsplit("_z", 1)[0]
        return cropped(Example(path.stem, group, windowed(image), mask), inside, classes) if inside.any() else None

    return read_each(read, files(base / "images").values())


def infection_free(root: Path) -> list[Example]:
    """Slices of `infection-free`, without masks: empty ones, cropped as the app does with the shipped lung network.

    A slice in which it finds no lung is left out. Nobody knows the patients; neighbours in number are one group.
    """
    from infnet.pipeline.lungs import find_lungs
    from infnet.pipeline.models import load_engines

    model = load_engines().lungs
    examples = []
    for path in files(root / "infection-free" / "images").values():
        grey = windowed(load_slice(path))
        inside = find_lungs(Study(grey[None], is_hu=False, name=path.stem), grey[None], model)[0] > 0
        if inside.any():
            examples.append(cropped(Example(path.stem, _block(path.stem), grey, np.zeros_like(grey)), inside))
    return examples


def _block(name: str) -> str:
    """The group of a slice named SOURCE_NUMBER."""
    source, _, number = name.rpartition("_")
    return f"{source}-{int(number) // BLOCK}"


def lesion_free(root: Path) -> list[Example]:
    """Slices of a patient without infection (LIDC-IDRI-0001), cropped as the app does with the shipped lung network."""
    from infnet.pipeline.inputs import grey_slices
    from infnet.pipeline.lungs import find_lungs
    from infnet.pipeline.models import load_engines
    from infnet.read import read

    study = read(root / "dicom" / "lidc-0001")
    grey, _ = grey_slices(study)
    sides = find_lungs(study, grey, load_engines().lungs)
    return [
        cropped(Example(f"lidc-0001_{i}", "lidc-0001", plane, np.zeros(plane.shape, np.uint8)), side > 0)
        for i, (plane, side) in enumerate(zip(grey, sides, strict=True))
        if (side > 0).mean() > LUNG_SHARE
    ]


def clear(root: Path) -> list[Example]:
    """The slices of `lungs-hu`, of 45 patients scanned before COVID-19, as slices without infection.

    Each comes twice: windowed from HU as the app does, and by the way that the coronacases slices went (scaled by its
    own range to 8 bits, JPEG, window guessed), so that no trace of an encoding tells a slice without infection.
    """
    lungs_of = masks_beside(root / "lungs-hu" / "masks", "lung mask")

    def read(path: Path) -> list[Example]:
        hu = hounsfield(path)
        lungs = lungs_of(path, hu.shape) > 0
        group, no_infection = path.stem.split("_Z")[0], np.zeros(hu.shape, np.uint8)
        encodings = {"hu": window_hu(hu), "jpeg": windowed(_as_jpeg(hu))}
        return [cropped(Example(f"{path.stem}_{e}", group, grey, no_infection), lungs) for e, grey in encodings.items()]

    return [example for pair in read_each(read, files(root / "lungs-hu" / "images").values()) for example in pair]


def hounsfield(path: Path) -> NDArray[np.int16]:
    """HU (row, column) of a slice stored as TIFF."""
    with opened(path) as image:
        return np.asarray(image).astype(np.int16)


def _as_jpeg(hu: NDArray[np.int16]) -> Grey:
    """A slice scaled by its own range to 8 bits, through JPEG and back."""
    low, high = max(int(hu.min()), PADDING), int(hu.max())
    encoded = io.BytesIO()
    Image.fromarray(window_hu(hu, (low, max(high, low + 1)))).save(encoded, "JPEG")
    return np.asarray(Image.open(encoded))
