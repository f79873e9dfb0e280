"""The two values that travel: a Study goes in, a Segmentation comes out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.errors import GeometryError, InfNetError
from infnet.geometry.affine import axial_affine
from infnet.geometry.orientation import Orientation
from infnet.notices import NO_MILLIMETRES, Notice, warn, without

BACKGROUND, GGO, CONSOLIDATION = 0, 1, 2
CLASS_NAMES = {GGO: "ground-glass opacity", CONSOLIDATION: "consolidation"}
RIGHT, LEFT = 1, 2
LUNG_NAMES = {RIGHT: "right lung", LEFT: "left lung"}
LOWEST_THRESHOLD = 0.2  # infection probability below which nothing can be called a lesion
CONSOLIDATION_THRESHOLD = 0.5  # share of consolidation from which a lesion counts as such, unless the model has another
SHOWN_FACTS = ("format", "modality", "transfer_syntax")  # an allow list: nothing that could name a patient
PICTURE = "picture"  # `source["format"]` of a loose picture
NO_GEOMETRY = warn(NO_MILLIMETRES, "There are no millimetres: sizes are in pixels and percent.")


@dataclass(frozen=True, eq=False)
class Origin:
    """The DICOM slices that a study was made of, for results that go back to where it came from.

    It names the patient: never shown, never written but into such results. headers: a pydicom Dataset without pixels
    for each slice of the study, in its order; the same one for all slices of a multi-frame file. frames: the place of
    each slice in its file, from 0.
    """

    headers: tuple[Any, ...] = field(repr=False)
    frames: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Study:
    """A chest CT on its own grid.

    pixels: (slice, row, column); HU as int16 or float32 where `is_hu`, else grey as uint8, uint16 or float32.
    affine: 4 x 4, index (slice, row, column, 1) -> patient LPS millimetres; None where there is no geometry (a loose
        picture).
    name: short label for files and messages, never a patient's name.
    volumetric: False where a volume would be wrong (one slice, gaps, uneven or duplicate slices).
    notices: what a reader should know; they travel with every result.
    source: facts about where the pixels came from (format, modality, series, transfer syntax ...), no patient names.
    patient: tells two patients apart in one process and means nothing outside it; empty where the file does not say.
    origin: the DICOM slices that it was made of; None where it came from other files.
    """

    pixels: NDArray[Any]
    affine: NDArray[np.float64] | None = None
    is_hu: bool = True
    name: str = "study"
    volumetric: bool = True
    notices: tuple[Notice, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    patient: str = field(default="", repr=False)
    origin: Origin | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or 0 in self.pixels.shape:
            raise GeometryError(f"{self.name}: pixels of shape {self.pixels.shape}; give (slice, row, column)")
        if self.affine is not None:
            if (
                self.affine.shape != (4, 4)
                or not np.isfinite(self.affine).all()
                or abs(np.linalg.det(self.affine)) < 1e-9
            ):
                raise GeometryError(f"{self.name}: the affine is not an invertible 4 x 4 matrix; correct the geometry")
        elif self.volumetric:
            object.__setattr__(self, "volumetric", False)

    @property
    def is_picture(self) -> bool:
        """Whether it came as loose pictures, even with mm per pixel given; its masks are written as pictures, too."""
        return self.affine is None or self.source.get("format") == PICTURE

    @property
    def shown_source(self) -> dict[str, Any]:
        """The facts of `source` that may be shown and written: none that could name a patient."""
        return {fact: self.source[fact] for fact in SHOWN_FACTS if fact in self.source}

    @cached_property
    def orientation(self) -> Orientation:
        """How its arrays are turned upright: patient's right on the image's left, front on top, slices to the head."""
        return Orientation.of(self.affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres between slices, rows and columns. Raises GeometryError where there is no geometry."""
        lengths = np.linalg.norm(self._affine()[:3, :3], axis=0)
        return float(lengths[0]), float(lengths[1]), float(lengths[2])

    @property
    def pixel_area_mm2(self) -> float:
        """Area of one pixel of a slice, mm2. Raises GeometryError where there is no geometry."""
        axes = self._affine()[:3, :3]
        return float(np.linalg.norm(np.cross(axes[:, 1], axes[:, 2])))

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel, ml. Raises GeometryError where a volume would be wrong."""
        if not self.volumetric:
            raise GeometryError(f"{self.name}: no volume (one slice, or uneven slices); use areas instead")
        axes = self._affine()[:3, :3]
        return float(abs(axes[:, 0] @ np.cross(axes[:, 1], axes[:, 2])) / 1000)  # exact for an upright grid

    def _affine(self) -> NDArray[np.float64]:
        if self.affine is None:
            raise GeometryError(f"{self.name}: a picture has no millimetres; give mm per pixel with `with_spacing`")
        return self.affine

    def with_pixels(self, pixels: NDArray[Any]) -> Study:
        """The same study with other pixels of the same shape. Raises GeometryError for another shape."""
        if pixels.shape != self.pixels.shape:
            raise GeometryError(f"{self.name}: pixels {pixels.shape} do not fit {self.pixels.shape}; keep the grid")
        return replace(self, pixels=pixels)

    def with_spacing(self, row_mm: float, column_mm: float) -> Study:
        """The same picture with its millimetres per pixel; areas become mm2, volumes stay unknown.

        Raises GeometryError unless both are above 0 and finite.
        """
        if not (row_mm > 0 and column_mm > 0 and np.isfinite(row_mm + column_mm)):
            raise GeometryError(f"{self.name}: {row_mm} x {column_mm} mm per pixel; give two numbers above 0")
        affine = axial_affine((1.0, row_mm, column_mm))
        return replace(self, affine=affine, volumetric=False, notices=without(self.notices, NO_MILLIMETRES))

    def with_notices(self, *more: Notice) -> Study:
        """The same study with more notices."""
        return replace(self, notices=(*self.notices, *more))


def check_threshold(threshold: float) -> None:
    """Check a threshold of the infection probability. Raises InfNetError outside LOWEST_THRESHOLD to 1."""
    if not LOWEST_THRESHOLD <= threshold < 1:
        raise InfNetError(f"threshold {threshold}: must lie between {LOWEST_THRESHOLD} and 1; give such a number")


def label(
    probability: NDArray[np.float32],
    consolidation: NDArray[np.uint8],
    threshold: float,
    consolidation_threshold: float = CONSOLIDATION_THRESHOLD,
) -> NDArray[np.uint8]:
    """Codes of voxels by two thresholds, uint8 of the shape of both arrays.

    probability: of infection, 0 to 1; below `threshold` the code is 0. consolidation: its share of the infection, 0 to
    255; from `consolidation_threshold` (0 to 1) on the code is 2, else 1.
    """
    labels = (consolidation >= math.ceil(255 * consolidation_threshold)).view(np.uint8) + np.uint8(GGO)
    labels[probability < threshold] = BACKGROUND
    return labels


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The lesions and lungs of a study, on its grid.

    labels: uint8 (slice, row, column), 0 background, 1 GGO, 2 consolidation.
    probability: float32, infection probability.
    lungs: uint8, 0 none, 1 right, 2 left (the patient's).
    consolidation: uint8, share of consolidation among infection, 0 to 255, wherever `probability` reaches
        LOWEST_THRESHOLD (0 elsewhere); None where it was not kept. With `probability` it is all that other thresholds
        need.
    consolidation_threshold: share (0 to 1) from which a lesion voxel counts as consolidation.
    provenance: models, weights hashes, thresholds, versions.
    before: what the networks found, where a person has corrected `labels` or `lungs`; else None.
    """

    labels: NDArray[np.uint8]
    probability: NDArray[np.float32]
    lungs: NDArray[np.uint8]
    notices: tuple[Notice, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    consolidation: NDArray[np.uint8] | None = None
    consolidation_threshold: float = CONSOLIDATION_THRESHOLD
    before: Segmentation | None = None

    def __post_init__(self) -> None:
        shapes = {a.shape for a in (self.labels, self.probability, self.lungs, self.consolidation) if a is not None}
        if len(shapes) > 1:
            raise GeometryError(
                f"labels {self.labels.shape}, probability {self.probability.shape}, lungs {self.lungs.shape} "
                "and consolidation must share one grid"
            )
