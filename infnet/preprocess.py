"""The one convention that the networks are trained on, and the way back.

A network sees an upright slice, cropped to the box of the lungs, in the grey of a lung window (-1150 to 250 HU as
0 to 255), stretched to a square. Hospital slices arrive upright, uncropped and in HU; loose pictures arrive in grey
whose window is unknown. Each step has its inverse beside it. Arrays in, arrays out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter1d
from skimage.filters import threshold_otsu

WINDOW = (-1150.0, 250.0)  # HU shown as black and white; the median window of the COVID-SemiSeg slices
AIR, SOFT_TISSUE = -1000.0, 40.0  # HU of the two anchors by which grey of unknown window is read
NARROW_WINDOW = 166  # soft tissue brighter than this grey: the picture is in a lung window already
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def window_hu(hu: NDArray, window: tuple[float, float] = WINDOW) -> NDArray[np.uint8]:
    """HU of any shape -> grey 0..255: `window[0]` and below is black, `window[1]` and above white."""
    low, high = window
    grey = (hu.astype(np.float32) - low) * np.float32(255 / (high - low))
    return np.clip(grey + 0.5, 0, 255).astype(np.uint8)


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
    split = int(threshold_otsu(grey)) + 1
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


@dataclass(frozen=True)
class Box:
    """Half-open pixel box [top, bottom) x [left, right) on a slice."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)


def lung_box(lungs: NDArray, margin: float = 0.04, smallest: int = 0) -> Box | None:
    """The box round the lungs of one slice (row, column), widened by `margin` of its sides; None without lung.

    `smallest`: sides in pixels below which the box is widened, so that an apex is not blown up to a whole chest.
    """
    rows, columns = np.flatnonzero(lungs.any(1)), np.flatnonzero(lungs.any(0))
    if not len(rows):
        return None

    def widen(first: int, last: int, limit: int) -> tuple[int, int]:
        side = last + 1 - first
        extra = max(int(np.ceil(margin * side)), (min(smallest, limit) - side + 1) // 2, 0)
        return max(first - extra, 0), min(last + 1 + extra, limit)

    top, bottom = widen(int(rows[0]), int(rows[-1]), lungs.shape[0])
    left, right = widen(int(columns[0]), int(columns[-1]), lungs.shape[1])
    return Box(top, left, bottom, right)


def crop(image: NDArray, box: Box) -> NDArray:
    """Cut `box` out of the last two axes."""
    return image[(..., *box.slices)]


def paste(part: NDArray, box: Box, shape: tuple[int, int]) -> NDArray:
    """The undo of `crop`: put `part` back on a slice of `shape` rows and columns, zero outside the box."""
    whole = np.zeros((*part.shape[:-2], *shape), part.dtype)
    whole[(..., *box.slices)] = part
    return whole


def resize(image: NDArray, shape: tuple[int, int]) -> NDArray:
    """Resize one slice (row, column), uint8 or float32, to `shape` bilinearly; antialiased when it shrinks."""
    if image.shape == shape:
        return image
    picture = Image.fromarray(np.ascontiguousarray(image, np.uint8 if image.dtype == np.uint8 else np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def restore(probability: NDArray[np.float32], box: Box, shape: tuple[int, int]) -> NDArray[np.float32]:
    """The undo of crop and resize: a square probability map back on its slice of `shape`, zero outside the box."""
    return paste(resize(probability.astype(np.float32), box.shape), box, shape)


def normalise(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey (N, S, S) uint8 -> (N, 3, S, S) float32 with ImageNet mean and standard deviation."""
    x = grey.astype(np.float32)[:, None] / 255
    mean = np.array(IMAGENET_MEAN, np.float32)[:, None, None]
    std = np.array(IMAGENET_STD, np.float32)[:, None, None]
    return ((x - mean) / std).astype(np.float32, copy=False)


@dataclass(frozen=True)
class Orientation:
    """How a volume (slice, row, column) is turned upright: slices to the head, rows to the back, columns to the left.

    `axes`: which source axis becomes slice, row, column; `flips`: which of these then run backward.
    """

    axes: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)

    @classmethod
    def of(cls, affine: NDArray[np.float64] | None) -> Orientation:
        """The turn for an affine (index -> LPS mm), by the nearest axes; none where there is no geometry."""
        if affine is None:
            return cls()
        directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        # Pick the assignment of patient axes (S, P, L) to source axes that is nearest over all, so an oblique
        # study never uses one axis twice.
        best = max(
            permutations(range(3)), key=lambda p: sum(abs(directions[w, a]) for w, a in zip((2, 1, 0), p, strict=True))
        )
        flips = tuple(bool(directions[w, a] < 0) for w, a in zip((2, 1, 0), best, strict=True))
        return cls(best, flips)  # type: ignore[arg-type]

    def apply(self, volume: NDArray) -> NDArray:
        """A view of `volume` turned upright."""
        turned = volume.transpose(self.axes)
        return turned[tuple(slice(None, None, -1) if f else slice(None) for f in self.flips)]

    def undo(self, volume: NDArray) -> NDArray:
        """The upright `volume` back on its source grid."""
        unflipped = volume[tuple(slice(None, None, -1) if f else slice(None) for f in self.flips)]
        return unflipped.transpose(tuple(int(a) for a in np.argsort(self.axes)))

    def spacing(self, spacing: tuple[float, float, float]) -> tuple[float, float, float]:
        """Source spacing (slice, row, column) in the upright order."""
        return spacing[self.axes[0]], spacing[self.axes[1]], spacing[self.axes[2]]
