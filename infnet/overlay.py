"""A slice as a person sees it: grey by window, lesions in colour, the lungs outlined. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from infnet.errors import GeometryError
from infnet.preprocess import Orientation, window_hu
from infnet.study import CONSOLIDATION, GGO, Study

LUNG_WINDOW = (-1350.0, 150.0)  # HU shown as black and white

# Orange and sky blue (Okabe and Ito): told apart with any colour vision, and neither is met in a grey picture.
COLOURS: dict[int, tuple[int, int, int]] = {GGO: (230, 159, 0), CONSOLIDATION: (86, 180, 233)}
LUNG_COLOUR = (0, 158, 115)


def upright(study: Study) -> Orientation:
    """How to turn the study's arrays upright: patient's right on the image's left, front on top, slices to the head.

    `upright(study).apply(volume)` is a view; its slice index is the one that `display` takes.
    """
    return Orientation.of(study.affine)


def display(study: Study, index: int, window: tuple[float, float] = LUNG_WINDOW) -> NDArray[np.uint8]:
    """Upright slice `index` (along the upright slice axis) as grey uint8 (row, column).

    HU: `window` (black, white). Grey of 8 bits: as it is. Other grey: by the range of the whole study, so that every
    slice is shown alike. Raises GeometryError for an index out of range.
    """
    volume = upright(study).apply(study.pixels)
    if not 0 <= index < len(volume):
        raise GeometryError(f"{study.name}: slice {index} of {len(volume)}; give 0 to {len(volume) - 1}")
    image = volume[index]
    if study.is_hu:
        return window_hu(image, window)
    if image.dtype == np.uint8:
        return np.array(image)
    return window_hu(image, _grey_range(study.pixels))


def _grey_range(pixels: NDArray) -> tuple[float, float]:
    low, high = float(np.nanmin(pixels)), float(np.nanmax(pixels))
    return (low, high) if high > low else (low, low + 1)


def overlay(
    grey: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    *,
    opacity: float = 0.45,
    outline: bool = False,
    lungs: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Draw one slice's labels on its grey (row, column) -> RGB uint8 (row, column, 3).

    opacity: 0 nothing to 1 full colour. outline: draw the lesions' borders only. lungs: draw a thin line round each
    lung too. Pixels without lesion and line keep their grey exactly. Raises GeometryError where shapes differ.
    """
    for name, mask in (("labels", labels), ("lungs", lungs)):
        if mask is not None and mask.shape != grey.shape:
            raise GeometryError(f"overlay: {name} {mask.shape} on a slice {grey.shape}; use masks of the same slice")
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    if lungs is not None:
        for code in np.unique(lungs[lungs > 0]):
            _blend(picture, _border(lungs == code), LUNG_COLOUR, min(1.0, 1.6 * opacity))
    for code, colour in COLOURS.items():
        mask = labels == code
        _blend(picture, _border(mask) if outline else mask, colour, opacity if not outline else min(1.0, 2 * opacity))
    return picture


def _border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The outermost pixels of a mask; the edge of the picture closes it."""
    return mask & ~binary_erosion(mask) if mask.any() else mask


def _blend(picture: NDArray[np.uint8], mask: NDArray[np.bool_], colour: tuple[int, int, int], opacity: float) -> None:
    if not mask.any():
        return
    strength = float(np.clip(opacity, 0, 1))
    under = picture[mask].astype(np.float32)
    picture[mask] = np.rint(under + strength * (np.array(colour, np.float32) - under)).astype(np.uint8)
