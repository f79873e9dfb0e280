"""The stored values of DICOM slices, and HU from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.read.dicom_children import decode_in_children
from infnet.read.dicom_header import PIXEL_TAGS
from infnet.read.dicom_slice import Header, Slice
from infnet.read.dicom_tags import EXPLICIT_BIG, NATIVE, open_dataset
from infnet.read.files import NotUsed, in_words, refuse
from infnet.read.values import AIR, compact

PIXEL_DATA = 0x7FE00010
_AGAIN = "export or copy it again"


def stored_values(slices: Sequence[Slice]) -> NDArray[Any]:
    """Stored values of `slices`, all of one size, in their order: (slice, row, column), the type they are stored in.

    Raises ReadError, naming the file, where pixels are missing, too few or cannot be decoded.
    """
    kinds = {(s.header.allocated // 8, s.header.signed) for s in slices}
    dtype = np.result_type(*(np.dtype(f"{'i' if signed else 'u'}{size}") for size, signed in kinds))
    header = slices[0].header
    stored = np.empty((len(slices), header.rows, header.columns), dtype)
    files: dict[str, list[tuple[int, Slice]]] = {}
    for index, slice_ in enumerate(slices):
        files.setdefault(str(slice_.header.file.path), []).append((index, slice_))

    compressed = []
    for wanted in files.values():
        header = wanted[0][1].header
        if header.syntax in NATIVE or _only_says_compressed(header):
            _read_native(header, wanted, stored)
        else:
            compressed.append((header, {slice_.frame: index for index, slice_ in wanted}))
    if compressed:
        decode_in_children(compressed, stored)
    return stored


def _dataset_with_pixels(header: Header) -> Any:
    try:
        dataset = open_dataset(header.file, [*PIXEL_TAGS, "PixelData"], pixels=True).dataset
    except NotUsed as why:
        raise refuse(header.file.label, why.reason, why.action) from None
    return dataset


def _pixel_element(header: Header) -> Any:
    """The element that holds the pixels, None without one. pydicom parses it only now, and may fail at that."""
    dataset = _dataset_with_pixels(header)
    try:
        return dataset.get(PIXEL_DATA)
    except Exception:
        raise refuse(header.file.label, "a damaged DICOM file", _AGAIN) from None


def _only_says_compressed(header: Header) -> bool:
    """A known slip of exporters: raw pixels under the transfer syntax of the compressed original."""
    expected = header.frame_bytes * header.frames
    if header.file.path.stat().st_size < expected:
        return False
    element = _pixel_element(header)
    return element is not None and not element.is_undefined_length and len(element.value) in (expected, expected + 1)


def _read_native(header: Header, wanted: list[tuple[int, Slice]], stored: NDArray[Any]) -> None:
    element = _pixel_element(header)
    if element is None:
        raise refuse(header.file.label, "no pixels in it", _AGAIN)
    if element.is_undefined_length or not isinstance(element.value, bytes):
        raise refuse(header.file.label, "its pixels are not stored in the way its header says", _AGAIN)
    size, expected = len(element.value), header.frame_bytes * header.frames
    if size < expected:
        raise refuse(
            header.file.label,
            f"cut short: {header.rows} x {header.columns} pixels need {in_words(expected)}, it has {in_words(size)}",
            _AGAIN,
        )
    line = min(header.rows, header.columns) * (header.allocated // 8)
    if size - expected >= line:  # less is padding; more, and rows, columns or bits are others than the header says
        needed = f"{header.rows} x {header.columns} of {header.allocated} bits need {in_words(expected)}"
        reason = f"holds more pixels than its header says: {needed}, it has {in_words(size)}"
        raise refuse(header.file.label, reason, _AGAIN)
    order = ">" if header.syntax == EXPLICIT_BIG else "<"
    kind = f"{order}{'i' if header.signed else 'u'}{header.allocated // 8}"
    frames = np.frombuffer(element.value, kind, header.frames * header.rows * header.columns)
    frames = frames.reshape(header.frames, header.rows, header.columns)
    for index, slice_ in wanted:
        stored[index] = frames[slice_.frame]


def to_hu(stored: NDArray[Any], slices: Sequence[Slice]) -> NDArray[Any]:
    """Stored values (slice, row, column) -> HU, each slice by its own rescale; int16 if integral, else float32.

    Padding, and everything below air, becomes air (-1024). `stored` is used up: HU may take its place in memory.
    A slice without rescale keeps its stored values. Raises ReadError where a rescale makes no finite number.
    """
    whole = all(float(s.slope or 1).is_integer() and float(s.intercept or 0).is_integer() for s in slices)
    whole = whole and not any(s.header.has_lut for s in slices)
    if not whole:
        hu = np.empty(stored.shape, np.float32)
    else:
        hu = stored.view(np.int16) if stored.dtype.itemsize == 2 else np.empty(stored.shape, np.int16)
    for index, slice_ in enumerate(slices):
        values = _slice_to_hu(stored[index], slice_)
        if hu.dtype == np.int16 and values.max() > 32767:
            wider = np.empty(stored.shape, np.float32)
            wider[:index] = hu[:index]
            hu = wider
        hu[index] = values
    return hu if whole else compact(hu)


def _slice_to_hu(stored: NDArray[Any], slice_: Slice) -> NDArray[Any]:
    """HU of one slice (row, column), padding and all below air set to air; without a rescale, its stored values."""
    header = slice_.header
    padded = None
    if header.padding is not None:
        padded = (stored >= header.padding[0]) & (stored <= header.padding[1])
    values = _clear_unused_bits(stored, header)
    if header.has_lut:
        values = _apply_lut(values, header)
    elif slice_.slope is not None or slice_.intercept is not None:
        values = _rescaled(values, slice_)
    else:
        # Whether these are HU is judged by their range, so padding must not widen it.
        values = values.astype(np.int32 if header.stored <= 16 else np.float64)
        if padded is not None and padded.any() and not padded.all():
            values[padded] = values[~padded].min()
        padded = None
    if padded is not None:
        values[padded] = AIR
    hu: NDArray[Any] = np.maximum(values, AIR)
    return hu


def _rescaled(values: NDArray[Any], slice_: Slice) -> NDArray[Any]:
    """Slope and intercept applied: int32 where both are whole, else float64. Raises ReadError for senseless ones."""
    header = slice_.header
    slope, intercept = slice_.slope if slice_.slope is not None else 1.0, slice_.intercept or 0.0
    if not slope or not abs(slope) + abs(intercept) < 1e7:
        raise refuse(header.file.label, f"a rescale of slope {slope:g} and intercept {intercept:g}", _AGAIN)
    if slope.is_integer() and intercept.is_integer() and abs(slope) < 1000 and header.stored <= 16:
        return values.astype(np.int32) * int(slope) + int(intercept)
    return values * slope + intercept


def _clear_unused_bits(stored: NDArray[Any], header: Header) -> NDArray[Any]:
    """Bits above Bits Stored may hold anything (an overlay, leftovers): clear them, or repeat the sign."""
    values = stored.astype(f"{'i' if header.signed else 'u'}{header.allocated // 8}")
    spare = header.allocated - header.stored
    if not spare:
        return values
    cleared: NDArray[Any] = (values << spare) >> spare
    return cleared


def _apply_lut(values: NDArray[Any], header: Header) -> NDArray[Any]:
    from pydicom.pixels.processing import apply_modality_lut

    dataset = open_dataset(header.file, PIXEL_TAGS, pixels=False).dataset
    try:
        return np.asarray(apply_modality_lut(values, dataset), np.float64)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, NotImplementedError):
        raise refuse(header.file.label, "its table from stored values to HU is damaged", _AGAIN) from None
