"""Folders of pictures, and how a slice, a mask or a file of class codes is decoded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from infnet.concurrency import cores, map_in_threads
from infnet.errors import InfNetError

ENDINGS = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}
SMEARED = (24, 231)  # between them lies what JPEG does not make of 0 and 255
Grey = NDArray[np.uint8]
Read = TypeVar("Read")


def data_root() -> Path:
    """`INFNET_DATA`, or ../shared/data beside the project."""
    return Path(os.environ.get("INFNET_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def files(folder: Path) -> dict[str, Path]:
    """Pictures in a folder by name without ending. Raises InfNetError: no folder, no picture, one name twice."""
    if not folder.is_dir():
        raise InfNetError(f"{folder}: no such folder; correct the path")
    by_stem: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in ENDINGS or path.name.startswith("."):
            continue
        if path.stem in by_stem:
            raise InfNetError(f"{folder}: both {by_stem[path.stem].name} and {path.name}; keep one of them")
        by_stem[path.stem] = path
    if not by_stem:
        raise InfNetError(f"{folder}: no pictures ({', '.join(sorted(ENDINGS))}); give the folder that holds them")
    return by_stem


def in_order(names: Iterable[str]) -> list[str]:
    """Names in order, numbers by value."""
    return sorted(names, key=lambda n: (not n.isdigit(), int(n) if n.isdigit() else 0, n))


@contextmanager
def opened(path: Path, kind: str = "picture") -> Iterator[Image.Image]:
    """An open picture. Raises InfNetError where it cannot be opened, or decoded inside the block."""
    try:
        with Image.open(path) as image:
            yield image
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InfNetError(f"{path}: not a readable {kind} ({error}); replace it") from error


def load_slice(path: Path) -> Grey:
    """A slice as stored, 8-bit grey (row, column). Raises InfNetError where it cannot be read."""
    with opened(path) as image:
        return np.asarray(image.convert("L"))


def load_codes(path: Path, kind: str = "mask") -> NDArray[Any]:
    """The codes (row, column) of a grey or palette picture as stored; a picture in colours becomes grey."""
    with opened(path, kind) as image:
        stored = image.mode in "1LPI" or image.mode.startswith("I;")
        return np.asarray(image if stored else image.convert("L"))


def load_classes(path: Path) -> Grey:
    """Class codes of a palette or grey picture: 0 background, 1 GGO, 2 consolidation. Raises InfNetError."""
    return as_classes(load_codes(path), path)


def as_classes(mask: NDArray[Any], path: Path) -> Grey:
    """The mask of `path` as uint8. Raises InfNetError where it holds more than the classes 0, 1, 2."""
    if mask.max() > 2:
        raise InfNetError(
            f"{path}: the mask holds the value {int(mask.max())}; give 0 background, 1 ground glass, 2 consolidation"
        )
    return mask.astype(np.uint8)


def as_binary(mask: NDArray[Any], path: Path) -> NDArray[np.bool_]:
    """A mask of 0/1, 0/255, or 0/255 smeared by JPEG, as true and false. Raises InfNetError for other values."""
    high = int(mask.max())
    between = (mask > SMEARED[0]) & (mask < SMEARED[1]) if high > 1 else np.zeros(1, bool)
    if between.mean() > 0.01:
        value = int(mask[between][0])
        raise InfNetError(f"{path}: its mask holds values such as {value}; give 0 for background and 255 for infection")
    return np.asarray(mask > (128 if high > 1 else 0))


def masks_beside(folder: Path, kind: str = "mask") -> Callable[[Path, tuple[int, ...]], NDArray[Any]]:
    """A function (path of a slice, its shape) -> the codes in the picture of the same name in `folder`.

    It raises InfNetError where there is none, or where it has another shape.
    """
    by_stem = files(folder)

    def mask_of(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
        if path.stem not in by_stem:
            raise InfNetError(f"{path}: no {kind} of that name in {folder}; add it or remove the image")
        mask = load_codes(by_stem[path.stem], kind)
        if mask.shape != shape:
            sizes = [" x ".join(map(str, s)) for s in (shape, mask.shape)]
            raise InfNetError(f"{path}: {sizes[0]} pixels, but its {kind} has {sizes[1]}; they must have one size")
        return mask

    return mask_of


def read_each(read: Callable[[Path], Read | None], paths: Iterable[Path]) -> list[Read]:
    """What `read` makes of each file, in order, without None."""
    return [made for made in map_in_threads(read, paths, cores()) if made is not None]
