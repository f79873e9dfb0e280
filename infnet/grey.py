"""Grey of a slice: from HU by a window, or from a picture whose window is unknown. Arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from skimage.filters import threshold_otsu

WINDOW = (-1150.0, 250.0)  # HU shown as black and white; the median window of the COVID-SemiSeg slices
AIR, SOFT_TISSUE = -1000.0, 40.0  # HU of the two anchors by which grey of unknown window is read
NARROW_WINDOW = 166  # soft tissue brighter than this grey: the picture is in a lung window already


def window_hu(hu: NDArray[Any], window: tuple[float, float] = WINDOW) -> NDArray[np.uint8]:
    """HU of any shape -> grey 0..255: `window[0]` and below is black, `window[1]` and above white."""
    low, high = window
    grey: NDArray[np.float32] = (hu.astype(np.float32) - low) * np.float32(255 / (high - low))
    rounded: NDArray[np.float32] = np.clip(grey + 0.5, 0, 255)
    return rounded.astype(np.uint8)


def otsu(image: NDArray[Any]) -> float:
    """The value that parts dark from bright best (Otsu, 1979), in an image of any shape."""
    return float(threshold_otsu(image))  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class GreyScale:
    """What a picture without HU seems to show: the grey of air and of soft tissue, each 0..255."""

    air: float
    soft_tissue: float

    @property
    def lung_window(self) -> bool:
        """True where the picture is already shown in something like a lung window."""
        return self.soft_tissue >= NARROW_WINDOW


def estimate_grey_scale(grey: NDArray[np.uint8]) -> GreyScale:
    """Find air (the darkest hundredth) and soft tissue (the brighter of the two peaks) in an 8-bit chest slice."""
    if grey.min() == grey.max():
        return GreyScale(0.0, 255.0)
    counts = np.bincount(grey.ravel(), minlength=256).astype(np.float64)
    split = int(otsu(grey)) + 1
    smooth = gaussian_filter1d(counts, 2)
    return GreyScale(float(np.percentile(grey, 1)), float(split + np.argmax(smooth[split:])))


def window_grey(grey: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], GreyScale]:
    """Bring one 8-bit slice (row, column) of unknown window to the convention; also what was assumed about it.

    A picture in a lung window is left as it is. One that spans the whole CT range (soft tissue in mid grey) is read
    as HU by its two anchors, air and soft tissue, and windowed.
    """
    scale = estimate_grey_scale(grey)
    if scale.lung_window:
        return grey, scale
    step = (SOFT_TISSUE - AIR) / max(scale.soft_tissue - scale.air, 1.0)
    return window_hu(AIR + (grey.astype(np.float32) - scale.air) * step), scale
