"""The few types to which every reader brings its voxel values. Arrays in, arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

AIR = -1024  # HU; the lowest that scanners store for real air, and what padding is set to
MAX_VALUE = 1e9  # beyond it a value is damage, not HU or grey
HAS_AIR = -200  # HU; a CT of a chest that is really in HU goes below this (lung, air around the body)


def compact(values: NDArray[Any]) -> NDArray[Any]:
    """HU as int16 where every value is an integer that fits, else as float32. Any shape; kept as it is if it can be."""
    if values.dtype == np.int16:
        return values
    low, high = values.min(), values.max()
    if low >= -32768 and high <= 32767 and (values.dtype.kind in "iub" or bool((values == np.rint(values)).all())):
        return values.astype(np.int16)
    return values.astype(np.float32, copy=False)


def compact_grey(values: NDArray[Any]) -> NDArray[Any]:
    """Grey without HU as uint8 or uint16 where that loses nothing, else as float32."""
    if values.dtype in (np.uint8, np.uint16):
        return values
    if values.dtype.kind in "iub" and values.min() >= 0 and values.max() <= 65535:
        return values.astype(np.uint8 if values.max() <= 255 else np.uint16)
    return values.astype(np.float32, copy=False)


def blank_padding(hu: NDArray[Any]) -> NDArray[Any]:
    """HU with everything below air, which is padding outside the field of view, set to air; the type is kept."""
    return np.maximum(hu, hu.dtype.type(AIR)) if hu.min() < AIR else hu


def looks_like_hu(values: NDArray[Any]) -> bool:
    """True where the values go below what fat and water can have: only HU does."""
    return bool(values.min() < HAS_AIR)


def all_finite(values: NDArray[Any]) -> bool:
    """False where a voxel is not a number or is infinite."""
    return values.dtype.kind not in "fc" or bool(np.isfinite(values).all())


def largest_of(values: NDArray[Any]) -> float:
    """The largest magnitude of values that are all finite."""
    return max(abs(float(values.min())), abs(float(values.max())))
