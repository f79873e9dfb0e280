"""Training slices read into memory, in the one convention of `infnet.preprocess`, and splits of them by patient.

Every reader returns `Example`s: an upright grey slice cropped a little wider than the lungs, its mask, the lung box
inside it, and the group (patient or volume) by which splits are made. To add a data set, write a reader that returns
Examples, or lay it out as `folder` reads it.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from infnet.errors import InfNetError
from infnet.geometry.box import crop, mask_box, resize
from infnet.grey import window_grey, window_hu
from train.maps import ENDINGS

STORED = 384  # side of the slices kept in memory
SURROUND = 0.15  # how much more than the lung box is kept, where there is more, for random crops
AIR = -1024  # HU; what lies below is padding
Grey = NDArray[np.uint8]
Made = TypeVar("Made")

# Slices of the 50 labelled ones that show the same patient at nearly the same height (correlation of 48 x 48
# thumbnails above 0.86): they must fall on the same side of a split.
SAME_PATIENT = ({4, 5, 17, 46}, {10, 43})


@dataclass(frozen=True)
class Example:
    """One training slice: `image` and `mask` are uint8 (STORED, STORED).

    `mask` holds infection 0..255 (soft where it is a pseudo label) or the classes 0, 1, 2. `box` is the lung box as
    fractions (top, left, bottom, right) of the stored slice. `shape`: rows and columns before storing.
    """

    name: str
    group: str
    image: Grey
    mask: Grey
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    shape: tuple[int, int] = (STORED, STORED)


def data_root() -> Path:
    """`INFNET_DATA`, or ../shared/data beside the project."""
    return Path(os.environ.get("INFNET_DATA", Path(__file__).parents[1].parent / "shared" / "data"))


def in_dataset(root: Path, part: str) -> Path | None:
    """A folder of COVID-SemiSeg, such as TrainingSet: in `root`, or in Dataset or covid-semiseg/Dataset in it."""
    bases = (root, root / "Dataset", root / "covid-semiseg" / "Dataset")
    return next((base / part for base in bases if (base / part).is_dir()), None)


def dataset_folder(root: Path) -> Path:
    """The folder with TrainingSet and TestingSet: `root`, or Dataset or covid-semiseg/Dataset in it."""
    found = in_dataset(root, "TrainingSet")
    if found is None:
        raise InfNetError(
            f"{root}: no COVID-SemiSeg data set (a folder Dataset that holds TrainingSet); "
            "give its folder with --data, or set INFNET_DATA"
        )
    return found.parent


def training_set(root: Path) -> Path:
    """The folder of the official COVID-SemiSeg training set."""
    return dataset_folder(root) / "TrainingSet"


# Files


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InfNetError(f"{folder}: no such folder; give the folder of the data set with --data")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS)
    if not files:
        raise InfNetError(f"{folder}: no images; give the folder of the data set with --data")
    return files


def _grey(path: Path) -> Grey:
    try:
        return np.asarray(Image.open(path).convert("L"))
    except (OSError, ValueError) as error:
        raise InfNetError(f"{path}: not a readable image ({error}); replace or remove it") from error


def _mates(folder: Path, kind: str = "mask") -> Callable[[Path, tuple[int, ...]], NDArray]:
    """A function that reads the image in `folder` of the same stem, with the values it is stored with."""
    by_stem = {p.stem: p for p in _files(folder)}

    def mate(path: Path, shape: tuple[int, ...]) -> NDArray:
        if path.stem not in by_stem:
            raise InfNetError(f"{path}: no {kind} of that name in {folder}; add it or remove the image")
        try:
            with Image.open(by_stem[path.stem]) as image:
                plain = image.mode in "1LPI" or image.mode.startswith("I;")
                mask = np.asarray(image if plain else image.convert("L"))
        except (OSError, ValueError) as error:
            raise InfNetError(f"{by_stem[path.stem]}: not a readable {kind} ({error}); replace it") from error
        if mask.shape != shape:
            sizes = [" x ".join(map(str, s)) for s in (shape, mask.shape)]
            raise InfNetError(f"{path}: {sizes[0]} pixels, but its {kind} has {sizes[1]}; they must have one size")
        return mask

    return mate


def _binary(mask: NDArray, path: Path) -> NDArray[np.bool_]:
    """A mask of 0/1, 0/255, or 0/255 smeared by JPEG, as true and false."""
    high = int(mask.max())
    odd = (mask > 24) & (mask < 231) if high > 1 else np.zeros(1, bool)
    if odd.mean() > 0.01:
        raise InfNetError(
            f"{path}: its mask holds values such as {int(mask[odd][0])}; give 0 for background and 255 for infection"
        )
    return mask > (128 if high > 1 else 0)


def _classes(mask: NDArray, path: Path) -> Grey:
    if mask.max() > 2:
        raise InfNetError(
            f"{path}: its mask holds the value {int(mask.max())}; give 0 background, 1 ground glass, 2 consolidation"
        )
    return mask.astype(np.uint8)


def _each(make: Callable[[Path], Made | None], files: Iterable[Path]) -> list[Made]:
    """Decoding lets go of the interpreter's lock, so some threads halve the time."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return [example for example in threads.map(make, files) if example is not None]


def _store(image: Grey) -> Grey:
    return resize(image, (STORED, STORED))


def _store_labels(mask: Grey) -> Grey:
    return np.asarray(Image.fromarray(mask).resize((STORED, STORED), Image.Resampling.NEAREST))


def _windowed(image: Grey) -> Grey:
    return window_grey(np.ascontiguousarray(image))[0]


# COVID-SemiSeg: files are transposed and cropped to the lungs already


def labelled(root: Path, classes: bool = False) -> list[Example]:
    """The slices labelled by a radiologist; with `classes`, masks hold 0 background, 1 GGO, 2 consolidation."""
    base = training_set(root) / ("MultiClassInfection-Train" if classes else "LungInfection-Train/Doctor-label")
    mask_of = _mates(base / "GT")

    def make(path: Path) -> Example:
        image = _grey(path).T
        mask = mask_of(path, image.T.shape).T
        if classes:
            stored = _store_labels(np.ascontiguousarray(_classes(mask, path)))
        else:
            stored = _store((_binary(mask, path) * 255).astype(np.uint8))
        return Example(path.stem, _labelled_group(path.stem), _store(_windowed(image)), stored, shape=image.shape)

    return _each(make, sorted(_files(base / "Imgs"), key=lambda p: (len(p.stem), p.stem)))


def _labelled_group(name: str) -> str:
    same = next((min(s) for s in SAME_PATIENT if name.isdigit() and int(name) in s), name)
    return f"labelled-{same}"


def unlabelled(folder: Path, masks: Path | None = None) -> list[Example]:
    """Slices in `folder`/Imgs with empty masks, or with the soft masks in the folder `masks`.

    As in COVID-SemiSeg and as `train.prepare` writes them: cropped to the lungs, transposed, and named by volume and
    slice (VOLUME_SLICE).
    """

    mask_of = _mates(masks) if masks is not None else None

    def make(path: Path) -> Example:
        volume = path.stem.rsplit("_", 1)[0]
        image = _grey(path).T
        mask = np.zeros(image.shape, np.uint8)
        if mask_of is not None:
            mask = mask_of(path, image.T.shape).astype(np.uint8).T
        if "coronacases_org" in volume:  # these volumes also lie upside down
            image, mask = image[::-1], mask[::-1]
        stored = _store(np.ascontiguousarray(mask))
        return Example(path.stem, _volume(volume), _store(_windowed(image)), stored, shape=image.shape)

    return _each(make, _files(folder / "Imgs"))


def _volume(name: str) -> str:
    """The group of a volume. Coronacases patients are met under two names."""
    return "corona" + name[-3:] if "coronacases_org" in name else name


def as_file(mask: Grey, example: Example) -> Grey:
    """A mask (STORED, STORED) of an example of `unlabelled` as the file beside its image: the way back."""
    mask = resize(mask, example.shape)
    if example.group.startswith("corona"):
        mask = mask[::-1]
    return np.ascontiguousarray(mask.T)


def from_file(mask: Grey, example: Example) -> Grey:
    """What `unlabelled` makes of a mask file: upright (STORED, STORED)."""
    mask = mask.T
    return _store(np.ascontiguousarray(mask[::-1] if example.group.startswith("corona") else mask))


def pseudo_labelled(root: Path) -> list[Example]:
    """The unlabelled slices with the pseudo labels that the paper's authors published, kept soft."""
    base = training_set(root) / "LungInfection-Train" / "Pseudo-label"
    return unlabelled(base, base / "GT")


# Full-field slices


def folder(base: Path, masks: str = "masks", lungs: str = "lungs", classes: bool = False) -> list[Example]:
    """Your own slices: `base`/images upright, `base`/`masks` beside them with the same names.

    Masks hold 0 and 255, or with `classes` 0, 1, 2. With lung masks in `base`/`lungs` a slice is cropped to the lungs
    and one without lung is left out; without such a folder slices are taken as cropped already. Groups (patients) come
    from `base`/groups.csv, with columns name and group, else from the name up to its last underscore.
    """
    groups = {}
    if (base / "groups.csv").exists():
        with (base / "groups.csv").open(newline="") as file:
            groups = {row["name"]: row["group"] for row in csv.DictReader(file)}

    files = _files(base / "images")
    mask_of = _mates(base / masks)
    lungs_of = _mates(base / lungs, "lung mask") if (base / lungs).is_dir() else None

    def make(path: Path) -> Example | None:
        image = _grey(path)
        mask = mask_of(path, image.shape)
        mask = _classes(mask, path) if classes else (_binary(mask, path) * 255).astype(np.uint8)
        group = groups.get(path.stem) or path.stem.rsplit("_", 1)[0]
        if lungs_of is None:
            stored = _store_labels(mask) if classes else _store(mask)
            return Example(path.stem, group, _store(_windowed(image)), stored, shape=image.shape)
        inside = lungs_of(path, image.shape) > 0
        return _cropped(path.stem, group, _windowed(image), inside, mask, classes) if inside.any() else None

    return _each(make, files)


def _cropped(
    name: str, group: str, grey: Grey, lungs: NDArray[np.bool_], mask: Grey, classes: bool = False
) -> Example:
    """A full-field slice cut a little wider than its lungs, with the lung box inside."""
    tight, box = mask_box(lungs, margin=0.0), mask_box(lungs, margin=SURROUND)
    assert tight is not None
    assert box is not None
    rows, columns = box.shape
    inner = (
        (tight.top - box.top) / rows,
        (tight.left - box.left) / columns,
        (tight.bottom - box.top) / rows,
        (tight.right - box.left) / columns,
    )
    keep = _store_labels if classes else _store
    return Example(name, group, _store(crop(grey, box)), keep(crop(mask, box)), inner, box.shape)


def coronacases(root: Path) -> list[Example]:
    """Slices of ten patients, upright and full field, cropped round the true lungs; infection masks."""
    return folder(root / "coronacases", masks="lesions")


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
        _cropped(f"lidc-0001_{i}", "lidc-0001", plane, side > 0, np.zeros(plane.shape, np.uint8))
        for i, (plane, side) in enumerate(zip(grey, sides, strict=True))
        if (side > 0).mean() > 0.005
    ]


def clear(root: Path) -> list[Example]:
    """The slices of `lungs-hu`, of 45 patients scanned before COVID-19, as slices without infection.

    Each comes twice: windowed from HU as the app does, and by the way that the coronacases slices went (scaled by its
    own range to 8 bits, JPEG, window guessed), so that no trace of an encoding tells healthy from sick.
    """
    lungs_of = _mates(root / "lungs-hu" / "masks", "lung mask")

    def make(path: Path) -> list[Example]:
        hu = hounsfield(path)
        inside = lungs_of(path, hu.shape) > 0
        group, nothing = path.stem.split("_Z")[0], np.zeros(hu.shape, np.uint8)
        ways = {"hu": window_hu(hu), "jpeg": _windowed(_as_jpeg(hu))}
        return [_cropped(f"{path.stem}_{way}", group, grey, inside, nothing) for way, grey in ways.items()]

    return [example for pair in _each(make, _files(root / "lungs-hu" / "images")) for example in pair]


def hounsfield(path: Path) -> NDArray[np.int16]:
    """HU of a slice stored as TIFF."""
    return np.asarray(Image.open(path)).astype(np.int16)


def _as_jpeg(hu: NDArray[np.int16]) -> Grey:
    """A slice scaled by its own range to 8 bits, through JPEG and back."""
    low, high = max(int(hu.min()), AIR), int(hu.max())
    held = io.BytesIO()
    Image.fromarray(window_hu(hu, (low, max(high, low + 1)))).save(held, "JPEG")
    return np.asarray(Image.open(held))


def lungs(root: Path) -> list[Example]:
    """Full-field slices with lung masks (0/255): the coronacases patients, and slices in HU of 45 other patients."""
    corona_files, hu_files = (_files(root / part / "images") for part in ("coronacases", "lungs-hu"))
    corona_lungs, hu_lungs = (_mates(root / part, "lung mask") for part in ("coronacases/lungs", "lungs-hu/masks"))

    def corona(path: Path) -> Example:
        image = _grey(path)
        mask = corona_lungs(path, image.shape) > 0
        return _lung_example(path.stem, path.stem.split("_")[0], _windowed(image), mask)

    def in_hu(path: Path) -> Example:
        image = hounsfield(path)
        mask = hu_lungs(path, image.shape) > 0
        return _lung_example(path.stem, path.stem.split("_Z")[0], window_hu(image), mask)

    return [
        *_each(corona, corona_files),
        *_each(in_hu, hu_files),
    ]


def _lung_example(name: str, group: str, grey: Grey, mask: NDArray[np.bool_]) -> Example:
    box = mask_box(mask, margin=0.0)
    rows, columns = mask.shape
    inner = (
        (box.top / rows, box.left / columns, box.bottom / rows, box.right / columns) if box else (0.0, 0.0, 1.0, 1.0)
    )
    return Example(name, group, _store(grey), _store((mask * 255).astype(np.uint8)), inner, (rows, columns))


# Splits


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


def split_record(train: dict[str, list[Example]], validation: dict[str, list[Example]]) -> dict[str, dict]:
    """Names by source and group, to be saved with a run."""

    def by_group(examples: list[Example]) -> Iterator[tuple[str, list[str]]]:
        for group in sorted({e.group for e in examples}):
            yield group, [e.name for e in examples if e.group == group]

    return {
        part: {source: dict(by_group(examples)) for source, examples in sources.items()}
        for part, sources in (("train", train), ("validation", validation))
    }
