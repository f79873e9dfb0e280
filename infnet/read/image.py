"""Loose pictures - PNG, JPEG, TIFF, BMP - as a study: one, or several of one size as its slices."""

from __future__ import annotations

import re
import warnings as python_warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from infnet.notices import WINDOW_GUESSED, warn
from infnet.read.archive import Gathered
from infnet.read.files import (
    MAX_BYTES,
    MAX_PICTURE,
    MIN_PICTURE,
    File,
    NotUsed,
    in_words,
    natural_key,
    one_line,
    refuse,
)
from infnet.read.reader import Format, Nameless
from infnet.read.values import MAX_VALUE, all_finite, blank_padding, compact, compact_grey, largest_of, looks_like_hu
from infnet.study import NO_GEOMETRY, PICTURE, Study

KIND: Final = "picture"  # of files, as `sniff` tells it
FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
COLOURED = 32  # grey levels between the channels of a pixel that is seen as coloured
COLOURED_SHARE = 0.01  # of the pixels, from which a notice says so
GREY = warn(WINDOW_GUESSED, "These are grey values without HU: the window was guessed.")


@dataclass(frozen=True)
class Pictures(Nameless):
    """Pictures in the natural order of their names; a TIFF may hold several. Sizes (rows, columns) from the headers."""

    format: ClassVar[Format] = "pictures"
    title: str
    files: tuple[File, ...]
    sizes: tuple[tuple[int, int], ...]
    pages: tuple[int, ...]

    @property
    def key(self) -> str:
        return self.files[0].label if len(self.files) == 1 else "pictures"

    @property
    def count(self) -> int:
        return sum(self.pages)

    def load(self) -> Study:
        """Decode the pixels. Raises ReadError where sizes differ, or a picture is damaged."""
        return _load(self)


def find(gathered: Gathered) -> list[Pictures]:
    """All pictures as one series; what is no picture of a usable size is listed as skipped."""
    usable: list[tuple[File, tuple[int, int], int]] = []
    for file in sorted(gathered.of(KIND), key=lambda f: natural_key(f.label)):
        try:
            with _opened(file) as picture:
                size, pages = (picture.height, picture.width), int(getattr(picture, "n_frames", 1))
            if pages > 1 and picture.format != "TIFF":
                raise NotUsed("a moving picture, or several in one", "save each slice as a picture of its own")
            _check_size(size, pages)
            usable.append((file, size, pages))
        except NotUsed as why:
            gathered.skip(file.label, why)
        except _DAMAGE:
            gathered.skip(file.label, NotUsed("a damaged picture", "export or copy it again"))
    if not usable:
        return []
    files, sizes, counts = zip(*usable, strict=True)
    return [Pictures(gathered.title, files, sizes, counts)]


# What Pillow raises on damaged data: it documents OSError only, but parsers inside raise all of these.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, RuntimeError)


@contextmanager
def _opened(file: File) -> Iterator[Any]:
    """Open a picture by its content, of the allowed formats only. Raises NotUsed where Pillow refuses it."""
    from PIL import Image

    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")
        try:
            picture = Image.open(file.path, formats=FORMATS)
        except Image.DecompressionBombError as error:
            count = re.search(r"\d+", str(error))
            what = f"{int(count[0]) // 1_000_000} million pixels" if count else "too many pixels"
            raise NotUsed(*_too_large(what)) from None
        except _DAMAGE:
            raise NotUsed("a damaged picture", "export or copy it again") from None
        with picture:
            yield picture


def _too_large(what: str) -> tuple[str, str]:
    return f"a picture of {what}", f"give one of at most {MAX_PICTURE // 1_000_000} million pixels"


def _check_size(size: tuple[int, int], pages: int) -> None:
    if size[0] * size[1] > MAX_PICTURE:
        raise NotUsed(*_too_large(f"{size[1]} x {size[0]} pixels"))
    if min(size) < MIN_PICTURE:
        reason = f"a picture of {size[1]} x {size[0]} pixels"
        raise NotUsed(reason, f"give a CT slice of at least {MIN_PICTURE} x {MIN_PICTURE}")
    if size[0] * size[1] * pages * 4 > MAX_BYTES:
        raise NotUsed(f"{pages} pictures of {size[1]} x {size[0]} pixels", f"give at most {in_words(MAX_BYTES)}")


def _load(pictures: Pictures) -> Study:
    slices: list[NDArray[Any]] = []
    coloured = False
    for file, pages in zip(pictures.files, pictures.pages, strict=True):
        try:
            for page in range(pages):
                values, seems_coloured = _decode(file, page)
                slices.append(values)
                coloured |= seems_coloured
                _check_fit(pictures, file, slices)
        except NotUsed as why:
            raise refuse(file.label, why.reason, why.action) from None
        except MemoryError:
            raise refuse(file.label, "no memory for its pixels", "give a smaller picture") from None
    pixels = np.stack(slices)
    is_hu = pixels.dtype.kind in "if" and looks_like_hu(pixels)
    notices = []
    if is_hu:
        pixels = blank_padding(compact(pixels))
        notices.append(warn("looks-like-hu", "The values look like HU and were taken as such."))
    else:
        pixels = compact_grey(pixels)
        notices.append(GREY)
    notices.append(NO_GEOMETRY)
    if coloured:
        text = "A colour picture was turned to grey: coloured marks on it count as tissue."
        notices.append(warn("colour", text))
    name = _stem(pictures.files[0].label if len(pictures.files) == 1 else pictures.title)
    source = {"format": PICTURE, "modality": "CT" if is_hu else "unknown", "slices": len(slices)}
    return Study(pixels, None, is_hu, name, False, tuple(notices), source)


def _check_fit(pictures: Pictures, file: File, slices: list[NDArray[Any]]) -> None:
    """Raise NotUsed where the newest slice does not fit those before: another size or type, or too many pixels."""
    new, first = slices[-1], slices[0]
    if new.shape != first.shape:
        sizes = f"{new.shape[1]} x {new.shape[0]} pixels, but {pictures.files[0].label} has"
        raise NotUsed(f"{sizes} {first.shape[1]} x {first.shape[0]}", "give pictures of one size, or one at a time")
    if new.dtype != first.dtype:
        types = f"{new.dtype} values, but {pictures.files[0].label} has {first.dtype}"
        raise NotUsed(types, "give pictures of one depth, or one at a time")
    if new.nbytes * len(slices) > MAX_BYTES:
        raise NotUsed("too many pixels in all", f"give at most {in_words(MAX_BYTES)}")


def _decode(file: File, page: int) -> tuple[NDArray[Any], bool]:
    """One picture upright as (row, column), and whether it is coloured. Raises NotUsed where it is damaged."""
    from PIL import Image, ImageOps

    try:
        with _opened(file) as opened:
            if page:
                opened.seek(page)
            _check_size((opened.height, opened.width), 1)  # each page has a size of its own
            picture: Any = ImageOps.exif_transpose(opened)
            picture.load()
            if picture.mode in ("F", "I") or picture.mode.startswith("I;16"):
                values = np.asarray(picture)
                values, spread = np.ascontiguousarray(values, values.dtype.newbyteorder("=")), None
            elif picture.mode in ("1", "L") and not _has_alpha(picture):
                values, spread = np.array(picture.convert("L")), None
            else:
                if _has_alpha(picture):
                    black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
                    picture = Image.alpha_composite(black, picture.convert("RGBA"))
                picture = picture.convert("RGB")
                channels = np.asarray(picture)
                values, spread = np.array(picture.convert("L")), channels.max(-1) - channels.min(-1)
    except NotUsed:
        raise
    except (Image.DecompressionBombError, *_DAMAGE):
        raise NotUsed("a damaged picture", "export or copy it again") from None
    if not all_finite(values):
        wrong = int((~np.isfinite(values)).sum())
        raise NotUsed(f"{wrong} pixels are not numbers", "replace them, e.g. by -1024 (air)")
    if (largest := largest_of(values)) > MAX_VALUE:
        raise NotUsed(f"holds the value {largest:.3g}, which is neither HU nor grey", "save it again")
    return values, spread is not None and bool((spread > COLOURED).mean() > COLOURED_SHARE)


def _has_alpha(picture: Any) -> bool:
    return "A" in picture.getbands() or "a" in picture.getbands() or "transparency" in picture.info


def _stem(label: str) -> str:
    name = label.rsplit("/", 1)[-1]
    stem = name.rsplit(".", 1)[0] if "." in name[1:] else name
    return one_line(stem) or "picture"
