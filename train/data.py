"""Training slices in memory, in the one convention of `infnet.preprocess`, and batches drawn from them.

Every reader returns `Example`s: an upright grey slice cropped a little wider than the lungs, its mask, the lung box
inside it, and the group (patient or volume) by which splits are made. A batch is a pure function of seed and step,
so a resumed run sees the same batches as one that never stopped.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from infnet.errors import InfNetError
from infnet.preprocess import IMAGENET_MEAN, IMAGENET_STD, crop, lung_box, resize, window_grey, window_hu

STORED = 384  # side of the slices kept in memory
LOOSE = (-0.03, 0.12)  # widening of the lung box in training: the app's box is never perfect
PLAIN = (0.04, 0.04)  # the app's own margin
SURROUND = 0.15  # how much more than the lung box is kept, where there is more, for random crops

# Slices of the 50 labelled ones that show the same patient at nearly the same height (correlation of 48 x 48
# thumbnails above 0.86): they must fall on the same side of a split.
SAME_PATIENT = ({4, 5, 17, 46}, {10, 43})


@dataclass(frozen=True)
class Example:
    """One training slice: `image` and `mask` are uint8 (STORED, STORED).

    `mask` holds infection 0..255 (soft where it is a pseudo label) or the classes 0, 1, 2. `box` is the lung box as
    fractions (top, left, bottom, right) of the stored slice.
    """

    name: str
    group: str
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


def data_root() -> Path:
    """`INFNET_DATA`, or ../shared/data beside the project."""
    return Path(os.environ.get("INFNET_DATA", Path(__file__).parents[1].parent / "shared" / "data"))


def _files(folder: Path) -> list[Path]:
    files = (
        sorted(p for p in folder.glob("*") if p.suffix.lower() in {".png", ".jpg", ".jpeg"}) if folder.is_dir() else []
    )
    if not files:
        raise InfNetError(f"{folder}: no images; set INFNET_DATA to the folder that holds the data sets")
    return files


def _pairs(images: Path, masks: Path) -> Iterable[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    by_stem = {p.stem: p for p in _files(masks)}
    for path in _files(images):
        if path.stem not in by_stem:
            raise InfNetError(f"{path}: no mask of that name in {masks}; add it or remove the image")
        image = np.asarray(Image.open(path).convert("L"))
        mask = np.asarray(Image.open(by_stem[path.stem]))
        if mask.shape != image.shape:
            raise InfNetError(f"{path}: {image.shape} but its mask is {mask.shape}; they must have one size")
        yield path.stem, image, mask


def _store(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return resize(image, (STORED, STORED))


def _store_labels(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(mask).resize((STORED, STORED), Image.Resampling.NEAREST))


def training_set(root: Path) -> Path:
    """The folder of the official COVID-SemiSeg training set."""
    return root / "covid-semiseg" / "Dataset" / "TrainingSet"


def labelled(root: Path, classes: bool = False) -> list[Example]:
    """The 50 slices labelled by a radiologist; with `classes`, masks hold 0 background, 1 GGO, 2 consolidation.

    The files are transposed and cropped to the lungs already.
    """
    base = training_set(root)
    folder = base / ("MultiClassInfection-Train" if classes else "LungInfection-Train/Doctor-label")
    examples = []
    for name, image, mask in _pairs(folder / "Imgs", folder / "GT"):
        group = next((f"labelled-{min(s)}" for s in SAME_PATIENT if int(name) in s), f"labelled-{name}")
        stored = _store_labels(mask.T.copy()) if classes else _store(((mask.T > 128) * 255).astype(np.uint8))
        examples.append(Example(name, group, _store(window_grey(image.T.copy())[0]), stored))
    return sorted(examples, key=lambda e: int(e.name))


def pseudo_labelled(root: Path) -> list[Example]:
    """The unlabelled slices with the pseudo labels that the paper's authors published, kept soft."""
    folder = training_set(root) / "LungInfection-Train" / "Pseudo-label"
    examples = []
    for name, image, mask in _pairs(folder / "Imgs", folder / "GT"):
        volume = name.rsplit("_", 1)[0]
        image, mask = image.T, mask.T
        if "coronacases" in volume:  # these volumes also lie upside down
            image, mask = image[::-1], mask[::-1]
        group = "corona" + volume[-3:] if "coronacases" in volume else volume
        examples.append(Example(name, group, _store(window_grey(image.copy())[0]), _store(mask.copy())))
    return examples


def _cropped(
    name: str, group: str, grey: NDArray[np.uint8], lungs: NDArray[np.bool_], mask: NDArray[np.uint8]
) -> Example:
    """A full-field slice cut a little wider than its lungs, with the lung box inside."""
    tight, box = lung_box(lungs, margin=0.0), lung_box(lungs, margin=SURROUND)
    assert tight is not None
    assert box is not None
    rows, columns = box.shape
    inner = (
        (tight.top - box.top) / rows,
        (tight.left - box.left) / columns,
        (tight.bottom - box.top) / rows,
        (tight.right - box.left) / columns,
    )
    return Example(name, group, _store(crop(grey, box)), _store(crop(mask, box)), inner)


def coronacases(root: Path) -> list[Example]:
    """Slices of ten patients, upright and full field, cropped round the true lungs; infection masks."""
    base = root / "coronacases"
    examples = []
    for path in _files(base / "images"):
        lungs, lesion = (
            np.asarray(Image.open(next((base / kind).glob(path.stem + ".*"))).convert("L")) > 0
            for kind in ("lungs", "lesions")
        )
        if lungs.any():
            grey = window_grey(np.asarray(Image.open(path).convert("L")))[0]
            mask = (lesion * 255).astype(np.uint8)
            examples.append(_cropped(path.stem, path.stem.split("_")[0], grey, lungs, mask))
    return examples


def lesion_free(root: Path) -> list[Example]:
    """Slices of a patient without infection (LIDC-IDRI-0001), cropped as the app does with the shipped lung network."""
    from infnet.pipeline import find_lungs, grey_slices, load_engines
    from infnet.read import read

    study = read(root / "dicom" / "lidc-0001")
    grey, _ = grey_slices(study)
    sides = find_lungs(study, grey, load_engines().lungs)
    return [
        _cropped(f"lidc-0001_{i}", "lidc-0001", plane, side > 0, np.zeros(plane.shape, np.uint8))
        for i, (plane, side) in enumerate(zip(grey, sides, strict=True))
        if (side > 0).mean() > 0.005
    ]


def lungs(root: Path) -> list[Example]:
    """Full-field slices with lung masks (0/255): the coronacases patients, and slices in HU of 45 other patients."""
    examples = []
    for path in _files(root / "coronacases" / "images"):
        mask = np.asarray(Image.open(next((root / "coronacases" / "lungs").glob(path.stem + ".*"))).convert("L")) > 0
        grey = window_grey(np.asarray(Image.open(path).convert("L")))[0]
        examples.append(_lung_example(path.stem, path.stem.split("_")[0], grey, mask))
    for path in sorted((root / "lungs-hu" / "images").glob("*.tif")):
        mask = np.asarray(Image.open(next((root / "lungs-hu" / "masks").glob(path.stem + ".*")))) > 0
        examples.append(
            _lung_example(path.stem, path.stem.split("_Z")[0], window_hu(np.asarray(Image.open(path))), mask)
        )
    return examples


def _lung_example(name: str, group: str, grey: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Example:
    box = lung_box(mask, margin=0.0)
    rows, columns = mask.shape
    inner = (
        (box.top / rows, box.left / columns, box.bottom / rows, box.right / columns) if box else (0.0, 0.0, 1.0, 1.0)
    )
    return Example(name, group, _store(grey), _store((mask * 255).astype(np.uint8)), inner)


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
    """Split by group into (train, validation); `validation` is fold number `fold`."""
    fold_of = folds([e.group for e in examples], count, seed)
    return ([e for e in examples if fold_of[e.group] != fold], [e for e in examples if fold_of[e.group] == fold])


def _view(example: Example, rng: np.random.Generator | None, margin: tuple[float, float]) -> Tensor:
    """The affine matrix (2, 3) from output to input coordinates, both in [-1, 1]: crop, flips, quarter turns, tilt."""
    top, left, bottom, right = example.box
    rows, columns = bottom - top, right - left
    extra = np.full(4, margin[1]) if rng is None else rng.uniform(*margin, 4)
    top, left = max(top - extra[0] * rows, 0.0), max(left - extra[1] * columns, 0.0)
    bottom, right = min(bottom + extra[2] * rows, 1.0), min(right + extra[3] * columns, 1.0)
    matrix = np.eye(2)
    if rng is not None:
        angle = rng.uniform(-15, 15) * np.pi / 180
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if rng.random() < 0.5:
            matrix = matrix[:, ::-1]
        matrix = matrix * rng.choice([-1, 1], 2)
    matrix = np.diag([right - left, bottom - top]) @ matrix
    centre = np.array([[left + right - 1], [top + bottom - 1]])
    return torch.from_numpy(np.hstack([matrix, centre]).astype(np.float32))


def _regrey(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Another window, gamma, blur and noise, for grey in [0, 1] of shape (N, 1, S, S)."""
    n = len(x)

    def draw(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (n, 1, 1, 1)).astype(np.float32))

    x = ((x - 0.5) * draw(0.75, 1.35) + 0.5 + draw(-0.12, 0.12)).clamp(0, 1)
    x = x ** torch.exp(draw(-0.35, 0.35))
    x = torch.where(draw(0, 1) < 0.25, F.avg_pool2d(x, 3, 1, 1, count_include_pad=False), x)
    noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
    return (x + noise * draw(-0.04, 0.04).clamp(min=0)).clamp(0, 1)


def make_batch(
    examples: Sequence[Example],
    size: int,
    rng: np.random.Generator | None = None,
    classes: bool = False,
    margin: tuple[float, float] | None = None,
) -> tuple[Tensor, Tensor]:
    """Grey (N, 1, size, size) in [0, 1], and masks: (N, 1, size, size) in [0, 1], or int64 (N, size, size) classes.

    With `rng` the slices are augmented; without it they are the plain lung-box crop. `margin`: least and most by which
    the lung box is widened, as shares of its sides; without `rng` the most.
    """
    margin = margin or (LOOSE if rng is not None else PLAIN)
    images, masks = [], []
    for example in examples:
        grid = F.affine_grid(_view(example, rng, margin)[None], [1, 1, size, size], align_corners=False)
        image = torch.from_numpy(example.image.astype(np.float32))[None, None] / 255
        mask = torch.from_numpy(example.mask.astype(np.float32))[None, None]
        if size < STORED / 1.5:  # grid sampling does not antialias
            image = F.avg_pool2d(image, 2)
        images.append(F.grid_sample(image, grid, align_corners=False))
        masks.append(F.grid_sample(mask, grid, mode="nearest" if classes else "bilinear", align_corners=False))
    x, y = torch.cat(images), torch.cat(masks)
    if rng is not None:
        x = _regrey(x, rng)
    return x, (y[:, 0].long() if classes else y / 255)


def to_input(grey: Tensor) -> Tensor:
    """(N, 1, S, S) in [0, 1] -> (N, 3, S, S) with ImageNet mean and standard deviation."""
    mean = torch.tensor(IMAGENET_MEAN, device=grey.device)[:, None, None]
    std = torch.tensor(IMAGENET_STD, device=grey.device)[:, None, None]
    return ((grey - mean) / std).contiguous(memory_format=torch.channels_last)
