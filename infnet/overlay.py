"""A slice as a person sees it: grey by window, lesions in colour, the lungs outlined. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from infnet.errors import GeometryError
from infnet.geometry.box import resize, resize_nearest
from infnet.grey import window_hu
from infnet.study import CONSOLIDATION, GGO, Segmentation, Study

Axis = Literal["axial", "coronal", "sagittal"]
Colour = tuple[int, int, int]
LUNG_WINDOW = (-1350.0, 150.0)  # HU shown as black and white

# Orange and sky blue (Okabe and Ito): told apart with any colour vision, and neither is met in a grey picture.
COLOURS: dict[int, Colour] = {GGO: (230, 159, 0), CONSOLIDATION: (86, 180, 233)}
LUNG_COLOUR = (0, 158, 115)
# Of two masks: 1 in both, 2 in the first only, 3 in the second only. Yellow, vermilion and sky blue, by the same two.
DIFFERENCE_COLOURS: dict[int, Colour] = {1: (240, 228, 66), 2: (213, 94, 0), 3: (86, 180, 233)}
# Viridis in 17 steps: even to the eye, readable with any colour vision, and in grey it still runs from dark to bright.
VIRIDIS: tuple[Colour, ...] = (
    (68, 1, 84), (72, 24, 106), (71, 45, 123), (66, 64, 134), (59, 82, 139), (51, 99, 141), (44, 114, 142),
    (38, 130, 142), (33, 145, 140), (31, 159, 136), (39, 173, 129), (61, 188, 116), (92, 200, 99), (129, 211, 77),
    (170, 220, 50), (213, 226, 26), (253, 231, 37),
)  # fmt: skip
FAINT = 0.2  # probability below which the colours of the heat map fade


def display(study: Study, index: int, window: tuple[float, float] = LUNG_WINDOW) -> NDArray[np.uint8]:
    """Upright slice `index` (along the upright slice axis) as grey uint8 (row, column).

    HU: `window` (black, white). Grey of 8 bits: as it is. Other grey: by the range of the whole study, so that every
    slice is shown alike. Raises GeometryError for an index out of range.
    """
    volume = study.orientation.apply(study.pixels)
    if not 0 <= index < len(volume):
        raise GeometryError(f"{study.name}: slice {index} of {len(volume)}; give 0 to {len(volume) - 1}")
    return _grey(study, volume[index], window)


def _grey(study: Study, image: NDArray[Any], window: tuple[float, float]) -> NDArray[np.uint8]:
    if study.is_hu:
        return window_hu(image, window)
    if image.dtype == np.uint8:
        return np.array(image)
    return window_hu(image, _grey_range(study.pixels))


def _grey_range(pixels: NDArray[Any]) -> tuple[float, float]:
    low, high = float(np.nanmin(pixels)), float(np.nanmax(pixels))
    return (low, high) if high > low else (low, low + 1)


def cut(study: Study, volume: NDArray[Any], axis: Axis, index: int) -> NDArray[Any]:
    """One plane of a volume on the study's grid, as a view, each voxel one pixel.

    axial: upright slice `index`. coronal: upright row `index`, head on top, patient's right on the left. sagittal:
    upright column `index`, head on top, front on the left. Raises GeometryError for an index out of range, and where
    the slices do not lie one above the other.
    """
    if axis != "axial" and (study.is_picture):
        raise GeometryError(f"{study.name}: loose pictures have no {axis} view; give the DICOM series or a NIfTI")
    upright = study.orientation.apply(volume)
    number = ("axial", "coronal", "sagittal").index(axis)
    count = upright.shape[number]
    if not 0 <= index < count:
        raise GeometryError(f"{study.name}: {axis} plane {index} of {count}; give 0 to {count - 1}")
    image = upright[(slice(None),) * number + (index,)]
    return image if axis == "axial" else image[::-1]


def plane(
    study: Study,
    result: Segmentation | None,
    axis: Axis,
    index: int,
    *,
    window: tuple[float, float] = LUNG_WINDOW,
    opacity: float = 0.45,
    outline: bool = False,
    lungs: bool = True,
    classes: Collection[int] = (GGO, CONSOLIDATION),
) -> NDArray[np.uint8]:
    """A plane of the study with its result drawn on it, as RGB uint8 with square millimetres.

    axis, index: as `cut`; the side with the smaller voxels keeps its number of pixels. result: None shows the grey
    alone. lungs: a line round each lung. classes: those that are drawn. Raises GeometryError as `cut`.
    """
    grey = _grey(study, cut(study, study.pixels, axis, index), window)
    shape = _square_shape(study, axis, grey.shape)
    grey = resize(grey, shape)
    if result is None:
        return np.repeat(grey[:, :, None], 3, axis=2)
    labels, sides = (resize_nearest(cut(study, v, axis, index), shape) for v in (result.labels, result.lungs))
    return overlay(grey, labels, opacity=opacity, outline=outline, lungs=sides if lungs else None, classes=classes)


def _square_shape(study: Study, axis: Axis, shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a plane once its millimetres are square."""
    if study.affine is None:
        return shape[0], shape[1]
    head, back, left = study.orientation.spacing(study.spacing)
    down, across = {"axial": (back, left), "coronal": (head, left), "sagittal": (head, back)}[axis]
    finest = min(down, across)
    return max(round(shape[0] * down / finest), 1), max(round(shape[1] * across / finest), 1)


def overlay(
    grey: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    *,
    opacity: float = 0.45,
    outline: bool = False,
    lungs: NDArray[np.uint8] | None = None,
    classes: Collection[int] = (GGO, CONSOLIDATION),
    colours: Mapping[int, Colour] = COLOURS,
) -> NDArray[np.uint8]:
    """Draw one slice's labels on its grey (row, column) -> RGB uint8 (row, column, 3).

    opacity: 0 nothing to 1 full colour. outline: draw the lesions' borders only. lungs: draw a thin line round each
    lung too. classes: those that are drawn; the others keep their grey. colours: of each code in `labels`. Pixels
    without lesion and line keep their grey exactly. Raises GeometryError where shapes differ.
    """
    for name, mask in (("labels", labels), ("lungs", lungs)):
        _check_shape(grey, mask, name)
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    if lungs is not None:
        for code in np.unique(lungs[lungs > 0]):
            _blend(picture, _border(lungs == code), LUNG_COLOUR, min(1.0, 1.6 * opacity))
    for code, colour in colours.items():
        if code in classes:
            mask = labels == code
            strength = min(1.0, 2 * opacity) if outline else opacity
            _blend(picture, _border(mask) if outline else mask, colour, strength)
    return picture


def difference(grey: NDArray[np.uint8], marks: NDArray[np.uint8], *, opacity: float = 0.55) -> NDArray[np.uint8]:
    """Draw where two masks agree and differ on a slice's grey (row, column) -> RGB uint8; colours: DIFFERENCE_COLOURS.

    marks: 1 in both, 2 in the first only, 3 in the second only, as `measure.check.difference` gives them. Raises
    GeometryError where shapes differ.
    """
    return overlay(grey, marks, opacity=opacity, classes=tuple(DIFFERENCE_COLOURS), colours=DIFFERENCE_COLOURS)


def heat(grey: NDArray[np.uint8], probability: NDArray[np.float32], *, opacity: float = 0.7) -> NDArray[np.uint8]:
    """Draw a probability map on a slice's grey (row, column) -> RGB uint8, in the colours of `heat_scale`.

    opacity: of the colour from a probability of 0.2 on; below it the colour fades, at 0 the grey is untouched.
    Raises GeometryError where shapes differ.
    """
    _check_shape(grey, probability, "probability")
    level = np.clip(np.nan_to_num(probability), 0, 1)
    colour = heat_scale()[np.rint(level * np.float32(255)).astype(np.uint8)].astype(np.float32)
    strength = (float(np.clip(opacity, 0, 1)) * np.minimum(level / np.float32(FAINT), 1))[:, :, None]
    under = grey[:, :, None].astype(np.float32)
    mixed: NDArray[np.float32] = under + strength * (colour - under)
    return np.rint(mixed).astype(np.uint8)


def heat_scale() -> NDArray[np.uint8]:
    """The colours of probabilities 0, 1/255 ... 1 as RGB uint8 (256, 3), for a legend."""
    steps = np.linspace(0, 255, len(VIRIDIS)).round()
    anchors = np.array(VIRIDIS, np.float64)
    scale: NDArray[np.float64] = np.stack([np.interp(np.arange(256), steps, c) for c in anchors.T], axis=1)
    return np.rint(scale).astype(np.uint8)


def _check_shape(grey: NDArray[Any], mask: NDArray[Any] | None, name: str) -> None:
    if mask is not None and mask.shape != grey.shape:
        raise GeometryError(f"overlay: {name} {mask.shape} on a slice {grey.shape}; use masks of the same slice")


def _border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The outermost pixels of a mask; the edge of the picture closes it."""
    return mask & ~binary_erosion(mask) if mask.any() else mask


def _blend(picture: NDArray[np.uint8], mask: NDArray[np.bool_], colour: tuple[int, int, int], opacity: float) -> None:
    if not mask.any():
        return
    strength = float(np.clip(opacity, 0, 1))
    under = picture[mask].astype(np.float32)
    picture[mask] = np.rint(under + strength * (np.array(colour, np.float32) - under)).astype(np.uint8)
