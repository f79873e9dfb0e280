"""Slices as pictures: data in, picture out. Shared by the app and the demo; colours and masks come from `infnet`."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import infnet
from app.core import units
from app.core.reading import PLANES
from infnet import overlay
from infnet.geometry.box import resize, resize_nearest
from infnet.geometry.grid import Grid
from infnet.measure.statistics import Statistics
from infnet.overlay import LUNG_WINDOW
from infnet.study import CLASS_NAMES, CONSOLIDATION, GGO, LUNG_NAMES

WINDOWS = {"Lung": LUNG_WINDOW, "Wide": (-1000.0, 1000.0), "Mediastinum": (-160.0, 240.0)}  # HU shown black, white
STAGE = 320  # pixels of the longer side of a stage's picture
CODES = [", ".join(n for n in (CLASS_NAMES.get(c, ""), LUNG_NAMES.get(s, "")) if n) for s in range(3) for c in range(3)]


@dataclass(frozen=True)
class Look:
    """How a slice is drawn: window in HU, the classes that are marked, outline or fill, opacity, lung borders."""

    window: tuple[float, float] = LUNG_WINDOW
    classes: tuple[int, ...] = (GGO, CONSOLIDATION)
    outline: bool = False
    opacity: float = 0.45
    lungs: bool = True

    @property
    def bare(self) -> Look:
        """The same without any overlay."""
        return replace(self, classes=(), lungs=False)

    @property
    def marks(self) -> bool:
        return bool(self.classes or self.lungs)


@dataclass(frozen=True, eq=False)
class Cut:
    """A slice of a study: `index`, from 0, along a plane."""

    study: infnet.Study
    index: int
    plane: str = "Axial"

    def of(self, volume: NDArray[Any]) -> NDArray[Any]:
        """This slice, (row, column), of a volume on the study's grid."""
        return overlay.cut(self.study, volume, axis(self.plane), self.index)

    def grey(self, window: tuple[float, float]) -> NDArray[np.uint8]:
        """The slice in a window of HU without anything over it, (row, column) of square millimetres."""
        return overlay.plane(self.study, None, axis(self.plane), self.index, window=window)[:, :, 0]


@dataclass(frozen=True, eq=False)
class SlicePicture:
    """A picture of a slice with square millimetres, and what each pixel of the slice holds.

    png: RGB, `size` (width, height). values: (row, column) HU as int16, or grey as uint16. codes: (row, column) uint8,
    which of `names` a pixel is. alt: the picture in words.
    """

    png: bytes
    size: tuple[int, int]
    values: NDArray[Any]
    codes: NDArray[np.uint8]
    names: list[str]
    unit: str
    alt: str


def count(study: infnet.Study, plane: str) -> int:
    """How many slices there are in a plane."""
    return int(study.orientation.apply(study.pixels).shape[PLANES.index(plane)])


def slice_picture(cut: Cut, look: Look, result: infnet.Segmentation | None = None, alt: str = "") -> SlicePicture:
    """A slice as `look` says."""
    shown = overlay.plane(
        cut.study,
        result if look.marks else None,
        axis(cut.plane),
        cut.index,
        window=look.window,
        opacity=look.opacity,
        outline=look.outline,
        lungs=look.lungs,
        classes=look.classes,
    )
    return _picture(cut, shown, result, alt)


def heat_picture(
    cut: Cut, look: Look, result: infnet.Segmentation, probability: NDArray[np.float32], alt: str
) -> SlicePicture:
    """A slice with a probability map (row, column) of that slice over it."""
    grey = cut.grey(look.window)
    shown = overlay.heat(grey, resize(probability, grey.shape), opacity=look.opacity + 0.25)
    return _picture(cut, shown, result, alt)


def marks_picture(
    cut: Cut, look: Look, result: infnet.Segmentation, marks: NDArray[np.uint8], alt: str
) -> SlicePicture:
    """A slice with the marks (a volume) of `infnet.check.difference` in their colours."""
    grey = cut.grey(look.window)
    return _picture(cut, overlay.difference(grey, resize_nearest(cut.of(marks), grey.shape)), result, alt)


def stage_picture(study: infnet.Study, index: int, probability: NDArray[np.float32], alt: str) -> SlicePicture:
    """A small heat map of one stage of the network on upright slice `index`; tells no values."""
    grey = overlay.plane(study, None, "axial", index)[:, :, 0]
    image = Image.fromarray(overlay.heat(grey, resize(probability, grey.shape), opacity=0.8))
    image.thumbnail((STAGE, STAGE), Image.Resampling.BILINEAR)
    nothing = np.zeros((0, 0), np.uint8)
    return SlicePicture(png_bytes(image), image.size, nothing.astype(np.int16), nothing, CODES, "", alt)


def axis(plane: str) -> overlay.Axis:
    """What `infnet.overlay` calls a plane."""
    return cast(overlay.Axis, plane.lower())


def _picture(cut: Cut, shown: NDArray[np.uint8], result: infnet.Segmentation | None, alt: str) -> SlicePicture:
    """A drawn slice with what its pixels hold."""
    study = cut.study
    pixels = cut.of(study.pixels)
    codes = np.zeros(pixels.shape, np.uint8) if result is None else cut.of(result.lungs) * 3 + cut.of(result.labels)
    limits = np.iinfo(np.int16 if study.is_hu else np.uint16)
    values = np.clip(np.rint(pixels.astype(np.float32)), limits.min, limits.max).astype(limits.dtype)
    image = Image.fromarray(shown)
    if not study.is_picture:
        _name_sides(image, cut.plane)
    return SlicePicture(
        png_bytes(image),
        image.size,
        np.ascontiguousarray(values),
        np.ascontiguousarray(codes, np.uint8),
        CODES,
        "HU" if study.is_hu else "grey",
        alt,
    )


def alternative(position: str, look: Look, statistics: Statistics, row: int | None) -> str:
    """The picture of a slice in words; `row`: its row in the table, None where it cuts across them."""
    if not look.marks:
        return f"{position}, without overlay"
    if row is None:
        return f"{position}, with overlay"
    loads = statistics.slices[row].total.by_class.items()
    return f"{position}, with overlay: " + ", ".join(f"{CLASS_NAMES[c]} {units.area(load)}" for c, load in loads)


def table_row(study: infnet.Study, index: int, plane: str = "Axial") -> int | None:
    """The row of the table, a slice of the source, that a slice on screen is; None where it cuts across them."""
    return Grid.of(study).source_slice(index, PLANES.index(plane))


def where(study: infnet.Study, index: int, plane: str = "Axial") -> str:
    """Where slice `index`, from 0, lies in the patient: ", 12.5 mm"; nothing where that is not known."""
    place = Grid.of(study).position_mm(index, PLANES.index(plane))
    return "" if place is None else f", {units.millimetres(place)}"


def _name_sides(image: Image.Image, plane: str) -> None:
    """Write at the edges which side is which: right and left, or front (A) and back (P)."""
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(image.height / 24, 10))
    edge, middle = image.width * 0.015, image.height / 2
    first, last = "AP" if plane == "Sagittal" else "RL"
    for x, side, anchor in ((edge, first, "lm"), (image.width - edge, last, "rm")):
        draw.text((x, middle), side, "white", font, anchor=anchor, stroke_width=1, stroke_fill="black")


def png_bytes(image: Image.Image) -> bytes:
    """PNG, quick to make."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
