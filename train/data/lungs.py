"""Full-field slices with lung masks, for the lung network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infnet.geometry.box import Box, mask_box
from infnet.grey import window_hu
from train.data.example import Example, fractions, store, store_mask, windowed
from train.data.files import Grey, files, load_slice, masks_beside, read_each
from train.data.folders import hounsfield


def lung_masks(root: Path) -> list[Example]:
    """Full-field slices with lung masks (0/255): the coronacases patients, and slices in HU of 45 other patients."""
    corona_files, hu_files = (files(root / name / "images").values() for name in ("coronacases", "lungs-hu"))
    corona_lungs, hu_lungs = (
        masks_beside(root / name, "lung mask") for name in ("coronacases/lungs", "lungs-hu/masks")
    )

    def corona(path: Path) -> Example:
        image = load_slice(path)
        lungs = corona_lungs(path, image.shape) > 0
        return _whole(path.stem, path.stem.split("_")[0], windowed(image), lungs)

    def in_hu(path: Path) -> Example:
        image = hounsfield(path)
        lungs = hu_lungs(path, image.shape) > 0
        return _whole(path.stem, path.stem.split("_Z")[0], window_hu(image), lungs)

    return [*read_each(corona, corona_files), *read_each(in_hu, hu_files)]


def _whole(name: str, group: str, grey: Grey, lungs: NDArray[np.bool_]) -> Example:
    rows, columns = lungs.shape
    field = Box(0, 0, rows, columns)
    box = fractions(mask_box(lungs, margin=0.0) or field, field)
    return Example(name, group, store(grey), store_mask(lungs), box, (rows, columns))
