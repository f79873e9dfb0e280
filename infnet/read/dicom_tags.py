"""A DICOM file opened without relying on its being correct, and its tags as plain values or None."""

from __future__ import annotations

import io
import math
import warnings
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from infnet.read.files import MAX_BYTES, File, NotUsed, in_words

DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
NATIVE = (IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG)
UNDEFINED = 0xFFFFFFFF  # length of an element that ends by a mark
FARTHEST = 1e5  # mm from the origin of the patient's coordinates
DAMAGED = "export or copy it again"


class Opened(NamedTuple):
    """A pydicom dataset, the UID of its transfer syntax, and whether that is a guess since the file does not say."""

    dataset: Any
    syntax: str
    guessed: bool


def open_dataset(file: File, tags: Iterable[str] | None, pixels: bool) -> Opened:
    """The dataset of `file`: only `tags`, without pixels unless `pixels`.

    A deflated file is inflated here, with a limit, since pydicom has none. Raises NotUsed where it is not DICOM, or
    where an element says that it is longer than the file.
    """
    opened = _open(file, tags, pixels)
    _check_lengths(opened.dataset)
    _replace_encoding(opened.dataset)
    return opened


def _open(file: File, tags: Iterable[str] | None, pixels: bool) -> Opened:
    import pydicom
    from pydicom.filereader import read_dataset, read_preamble

    # pydicom raises many exceptions for damage (struct, key, value, attribute ...); here all mean the same.
    try:
        with warnings.catch_warnings(), file.path.open("rb") as opened:
            warnings.simplefilter("ignore")
            read_preamble(opened, force=True)
            start, syntax = opened.tell(), ""
            for implicit in (False, True):
                opened.seek(start)
                meta = read_dataset(opened, implicit, True, stop_when=lambda at, vr, length: at >> 16 != 2)
                if syntax := str(get(meta, "TransferSyntaxUID") or ""):
                    break
            if syntax == DEFLATED:
                body = io.BytesIO(_inflate(opened.read()))
                stop = None if pixels else lambda at, vr, length: at >= 0x7FE00008
                wanted = [pydicom.datadict.tag_for_keyword(t) for t in tags] if tags else None
                dataset = read_dataset(body, False, True, stop_when=stop, specific_tags=wanted)  # type: ignore[arg-type]
                return Opened(dataset, DEFLATED, False)
            opened.seek(0)
            dataset = pydicom.dcmread(
                opened, force=True, stop_before_pixels=not pixels, specific_tags=list(tags) if tags else None
            )
            guessed = not syntax
            if guessed:
                guessed_implicit, little = dataset.original_encoding
                syntax = IMPLICIT_LITTLE if guessed_implicit else EXPLICIT_LITTLE if little else EXPLICIT_BIG
            return Opened(dataset, syntax, guessed)
    except NotUsed:
        raise
    except Exception:
        raise NotUsed("a damaged DICOM file", DAMAGED) from None


def _inflate(data: bytes) -> bytes:
    limit = min(MAX_BYTES, max(200 * len(data), 256 << 20))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflater.decompress(data, limit)
    if inflater.unconsumed_tail:
        raise NotUsed(f"inflates to more than {in_words(limit)}", "give an ordinary DICOM file")
    return body


def _check_lengths(dataset: Any) -> None:
    """pydicom takes what there is of an element that is cut short; here that is damage."""
    for element in dataset.values():
        held, said = getattr(element, "value", None), getattr(element, "length", None)  # parsed ones have no length
        if isinstance(held, bytes) and said is not None and len(held) < said < UNDEFINED:
            raise NotUsed(f"cut short: an element needs {in_words(said)}, it has {in_words(len(held))}", DAMAGED)


def _replace_encoding(dataset: Any) -> None:
    """Latin-1 in place of an encoding that cannot even read ASCII; else pydicom would take texts for numbers."""
    named = dataset.original_character_set
    try:
        sound = all(b"HU".decode(name) == "HU" for name in ([named] if isinstance(named, str) else named or []))
    except (LookupError, UnicodeError, TypeError):
        sound = False
    if not sound:
        dataset.set_original_encoding(*dataset.original_encoding, "iso8859")


def kind(dataset: Any, keyword: str) -> str | None:
    """The kind of value (VR) that a file gives to a tag; None where the tag is absent or the file names no kinds."""
    try:
        element = dataset.get_item(keyword)
    except Exception:
        return None
    if element is None or getattr(element, "is_implicit_VR", False):
        return None
    return str(element.VR)


def given(dataset: Any, keyword: str) -> bool:
    """Whether a tag is there and not empty, even where its value cannot be parsed."""
    try:
        element = dataset.get_item(keyword)
    except Exception:
        return False
    value = getattr(element, "value", None)
    if isinstance(value, bytes):
        return bool(value.strip(b" \0"))
    return value is not None and str(value).strip() not in ("", "[]")


def get(dataset: Any, keyword: str) -> Any:
    """A tag's value, or None where it is absent, empty or cannot be parsed (pydicom parses on access)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = dataset.get(keyword)
    except Exception:
        return None
    return None if value is None or (isinstance(value, str) and not value.strip()) else value


def many(value: Any) -> list[Any]:
    """A tag's values as a list, which is empty where it is absent."""
    if value is None:
        return []
    return list(value) if not isinstance(value, str) and hasattr(value, "__iter__") else [value]


def first(values: list[Any]) -> Any:
    """The first of `values`, or None."""
    return values[0] if values else None


def number(value: Any) -> float | None:
    """A tag's (first) value as a finite number, or None."""
    try:
        parsed = float(first(many(value)))
    except (TypeError, ValueError, OverflowError):
        return None
    return parsed if math.isfinite(parsed) else None


def integer(value: Any) -> int | None:
    """A tag's (first) value as a whole number, or None."""
    parsed = number(value)
    return None if parsed is None else int(parsed)


def numbers(value: Any, count: int) -> NDArray[np.float64] | None:
    """A tag's values as an array, or None unless there are `count` finite ones."""
    parsed = [number(item) for item in many(value)]
    return np.array(parsed, np.float64) if len(parsed) == count and None not in parsed else None


def position(value: Any) -> NDArray[np.float64] | None:
    """A place in the patient, (3,) mm; None where it is absent or far beyond any scanner."""
    parsed = numbers(value, 3)
    return parsed if parsed is not None and np.abs(parsed).max() < FARTHEST else None


def cosines(value: Any) -> NDArray[np.float64] | None:
    """Row and column cosines of unit length; None where they are absent or do not stand at a right angle."""
    parsed = numbers(value, 6)
    if parsed is None:
        return None
    row, column = parsed[:3], parsed[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 0.5 or abs(row @ column) > 0.02 * lengths[0] * lengths[1]:
        return None
    return np.concatenate([row / lengths[0], column / lengths[1]])
