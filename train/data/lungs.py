"""Full-field slices with lung masks, for the lung network."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infnet.geometry.box import Box, mask_box
from infnet.grey import window_hu
from train.data.example import Example, fractions, store, store_mask, windowed
from train.data.files import Grey, files, load_slice, masks_beside, read_each
from train.data.folders import hounsfield

SLICE = re.compile(r"_(s|z|Z_)\d+$")  # the number of a slice at the end of its name


def lung_masks(root: Path) -> dict[str, list[Example]]:
    """Full-field slices with lung masks (0/255) by data set: the coronacases patients, slices in HU of 45 other
    patients (`lungs-hu`), and where it is there medseg-volumes, with slices of the abdomen that show no lung."""

    volumes = root / "medseg-volumes"

    def hu(path: Path) -> Grey:
        return window_hu(hounsfield(path))

    def picture(path: Path) -> Grey:
        return windowed(load_slice(path))

    return {
        "coronacases": _slices(root / "coronacases", "lungs", picture),
        "lungs-hu": _slices(root / "lungs-hu", "masks", hu),
        "medseg-volumes": _slices(volumes, "lungs", picture) if volumes.is_dir() else [],
    }


def _slices(base: Path, masks: str, load: Callable[[Path], Grey]) -> list[Example]:
    """The slices in `base`/images with their lung masks; a patient's name is that of the slice without its number."""
    images = files(base / "images")
    lungs_of = masks_beside(base / masks, "lung mask")

    def read(path: Path) -> Example:
        grey = load(path)
        return _whole(path.stem, SLICE.sub("", path.stem), grey, lungs_of(path, grey.shape) > 0)

    return read_each(read, images.values())


def _whole(name: str, group: str, grey: Grey, lungs: NDArray[np.bool_]) -> Example:
    rows, columns = lungs.shape
    field = Box(0, 0, rows, columns)
    box = fractions(mask_box(lungs, margin=0.0) or field, field)
    return Example(name, group, store(grey), store_mask(lungs), box, (rows, columns))
