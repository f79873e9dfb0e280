"""Predicted maps and ground truths in folders of pictures, matched by file name: png, jpg, tif or bmp."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from infnet.errors import InfNetError
from train.data.files import in_order, opened

COLOURED = 32  # how far its channels differ at least in a coloured picture
FEW = 8  # a coloured picture of up to so many brightnesses is a mask; with more it is a colour scale

# Sub-folders of each class: as the ground truth of COVID-SemiSeg has them, and as maps are saved here and there.
CLASS_FOLDERS = {
    "ggo": ("gt-1", "ggo", "ground-glass opacities"),
    "consolidation": ("gt-2", "consolidation"),
}


def class_folders(folder: Path) -> dict[str, Path]:
    """The sub-folders of `folder` that hold one class each, by class; empty where there are none."""
    inside = {p.name.lower(): p for p in sorted(folder.iterdir()) if p.is_dir()} if folder.is_dir() else {}
    present = ((kind, next((inside[n] for n in names if n in inside), None)) for kind, names in CLASS_FOLDERS.items())
    return {kind: path for kind, path in present if path is not None}


def match(truths: dict[str, Path], others: dict[str, Path], folder: Path, kind: str) -> list[str]:
    """Names in `others`, the files of `folder`, that no truth has. Raises InfNetError naming those that are missing."""
    if missing := in_order(truths.keys() - others.keys()):
        raise InfNetError(f"{folder}: no {kind} for {', '.join(missing)}; add what is missing")
    return in_order(others.keys() - truths.keys())


def read(path: Path) -> NDArray[Any]:
    """The values (row, column) of a picture as stored; 1-bit ones as 0 and 255.

    Transparent pixels are black. Of a coloured picture with few colours (a palette of classes, a red mask) every
    pixel that is not black is 255. Raises InfNetError for what cannot be read, a colour scale, or values below 0.
    """
    with opened(path) as image:
        if image.mode in ("L", "F", "I") or image.mode.startswith("I;16"):
            values = np.asarray(image)
        else:
            values = _grey(np.asarray(image.convert("RGBA")), path)
    if not np.isfinite(values).all() or values.min() < 0:
        raise InfNetError(f"{path}: holds values below 0 or no numbers; save it as 0 to 1, or as 0 to 255")
    return values


def _grey(rgba: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    colour = rgba[..., :3]
    grey: NDArray[np.uint8] = ((colour.max(-1).astype(np.uint16) * rgba[..., 3] + 127) // 255).astype(np.uint8)
    if np.ptp(colour, axis=-1).max() <= COLOURED:
        return grey
    if len(np.unique(grey)) > FEW:
        raise InfNetError(f"{path}: a picture in colours; save the map in grey")
    return np.asarray(np.where(grey > 0, 255, 0), np.uint8)


def full_scale(paths: Iterable[Path]) -> float:
    """The value that means 1 in a folder of maps: 1 where none holds a higher one, else 255, else 65535.

    It is asked of the whole folder, since one slice without infection may hold nothing above 1.
    """
    highest = max(float(read(path).max()) for path in paths)
    return next((top for top in (1.0, 255.0, 65535.0) if highest <= top), highest)


def load_map(path: Path, scale: float, shape: tuple[int, int]) -> NDArray[np.float32]:
    """A predicted map in [0, 1] at `shape` (rows, columns); of another size, it is resized bicubically.

    `scale`: from `full_scale`. An 8-bit map is rounded to 8 bits again when resized, as the reference does.
    """
    values = read(path)
    top = min(scale, 255.0) if values.dtype == np.uint8 else scale
    if values.shape != shape:
        eight_bit = values.dtype == np.uint8 and top == 255
        picture = Image.fromarray(values if eight_bit else values.astype(np.float32))
        values = np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))
    return np.asarray(np.clip(values.astype(np.float32) / np.float32(top), 0, 1))


def load_truth(path: Path) -> NDArray[np.bool_]:
    """A ground truth: foreground above 128; where its highest value is 1 (0/1 masks), above one half.

    Raises InfNetError where the highest value lies between, as in a file of class numbers: nothing would be foreground.
    """
    values = read(path)
    highest = float(values.max())
    if 1 < highest <= 128:
        raise InfNetError(f"{path}: its highest value is {highest:g}; a ground truth holds 0 and 255, or 0 and 1")
    return np.asarray(values > (128 if highest > 1 else 0.5))


def save_map(probability: NDArray[np.float32], path: Path) -> None:
    """Write a map as an 8-bit PNG, 255 for 1, not stretched. Raises InfNetError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(255 * probability).astype(np.uint8)).save(path)
    except OSError as error:
        raise InfNetError(f"{path}: not written ({error.strerror}); choose another folder") from error
