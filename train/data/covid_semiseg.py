"""COVID-SemiSeg as it is downloaded: its slices are transposed and cropped to the lungs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from infnet.errors import InfNetError
from infnet.geometry.box import resize
from train.data.example import Example, store, store_classes, store_mask, windowed
from train.data.files import Grey, as_binary, as_classes, files, load_slice, masks_beside, read_each

# Slices of the 50 labelled ones that show the same patient at nearly the same height (correlation of 48 x 48
# thumbnails above 0.86): they must fall on the same side of a split.
SAME_PATIENT = ({4, 5, 17, 46}, {10, 43})


def in_dataset(root: Path, name: str) -> Path | None:
    """A folder of COVID-SemiSeg, such as TrainingSet: in `root`, or in Dataset or covid-semiseg/Dataset in it."""
    bases = (root, root / "Dataset", root / "covid-semiseg" / "Dataset")
    return next((base / name for base in bases if (base / name).is_dir()), None)


def dataset_folder(root: Path) -> Path:
    """The folder with TrainingSet and TestingSet: `root`, or Dataset or covid-semiseg/Dataset in it."""
    training = in_dataset(root, "TrainingSet")
    if training is None:
        raise InfNetError(
            f"{root}: no COVID-SemiSeg data set (a folder Dataset that holds TrainingSet); "
            "give its folder with --data, or set INFNET_DATA"
        )
    return training.parent


def training_set(root: Path) -> Path:
    """The folder of the official COVID-SemiSeg training set."""
    return dataset_folder(root) / "TrainingSet"


def labelled(root: Path, classes: bool = False) -> list[Example]:
    """The slices labelled by a radiologist; with `classes`, masks hold 0 background, 1 GGO, 2 consolidation."""
    base = training_set(root) / ("MultiClassInfection-Train" if classes else "LungInfection-Train/Doctor-label")
    mask_of = masks_beside(base / "GT")

    def read(path: Path) -> Example:
        stored = load_slice(path)
        image, mask = stored.T, mask_of(path, stored.shape).T
        kept = store_classes(as_classes(mask, path)) if classes else store_mask(as_binary(mask, path))
        return Example(path.stem, _labelled_group(path.stem), store(windowed(image)), kept, shape=image.shape)

    return read_each(read, sorted(files(base / "Imgs").values(), key=lambda p: (len(p.stem), p.stem)))


def _labelled_group(name: str) -> str:
    same = next((min(s) for s in SAME_PATIENT if name.isdigit() and int(name) in s), name)
    return f"labelled-{same}"


def unlabelled(folder: Path, masks: Path | None = None) -> list[Example]:
    """Slices in `folder`/Imgs with empty masks, or with the soft masks in the folder `masks`.

    As in COVID-SemiSeg and as `train.prepare` writes them: cropped to the lungs, transposed, and named by volume and
    slice (VOLUME_SLICE).
    """
    mask_of = masks_beside(masks) if masks is not None else None

    def read(path: Path) -> Example:
        volume = path.stem.rsplit("_", 1)[0]
        image = load_slice(path).T
        mask = np.zeros(image.shape, np.uint8)
        if mask_of is not None:
            mask = mask_of(path, image.T.shape).astype(np.uint8).T
        if "coronacases_org" in volume:  # these volumes also lie upside down
            image, mask = image[::-1], mask[::-1]
        return Example(path.stem, _volume(volume), store(windowed(image)), store(mask), shape=image.shape)

    return read_each(read, files(folder / "Imgs").values())


def _volume(name: str) -> str:
    """The group of a volume. Coronacases patients are met under two names."""
    return "corona" + name[-3:] if "coronacases_org" in name else name


def as_file(mask: Grey, example: Example) -> Grey:
    """A mask (STORED, STORED) of an example of `unlabelled` as the file beside its image: the undo of `from_file`."""
    mask = resize(mask, example.shape)
    if example.group.startswith("corona"):
        mask = mask[::-1]
    return np.ascontiguousarray(mask.T)


def from_file(mask: Grey, example: Example) -> Grey:
    """What `unlabelled` makes of a mask file: upright (STORED, STORED). The undo of `as_file`."""
    mask = mask.T
    return store(mask[::-1] if example.group.startswith("corona") else mask)


def pseudo_labelled(root: Path) -> list[Example]:
    """The unlabelled slices with the pseudo labels that the paper's authors published, kept soft."""
    base = training_set(root) / "LungInfection-Train" / "Pseudo-label"
    return unlabelled(base, base / "GT")
