"""Corrections of a result by a person: which voxels, what they are now, what that changes. Arrays in, arrays out."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.errors import GeometryError, InfNetError
from infnet.geometry.grid import check_same
from infnet.study import CONSOLIDATION, GGO, LOWEST_THRESHOLD, Segmentation, Study

KEEP = 255  # code of a voxel that is left to the networks
Voxels = NDArray[np.int64]
Codes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Layer:
    """Voxels that a person has set, and to what.

    voxels: (n,) int64, flat index on the study's grid in row-major order, rising, each once. codes: (n,) uint8.
    """

    voxels: Voxels = field(default_factory=lambda: np.zeros(0, np.int64))
    codes: Codes = field(default_factory=lambda: np.zeros(0, np.uint8))

    def set(self, voxels: Voxels, codes: Codes) -> Layer:
        """The layer with more voxels set. KEEP gives a voxel back; of a voxel named twice, the last code counts."""
        every, first = np.unique(np.concatenate([voxels[::-1], self.voxels]), return_index=True)
        chosen = np.concatenate([codes[::-1], self.codes])[first]
        return Layer(every[chosen != KEEP], chosen[chosen != KEEP])

    def of(self, volume: Codes) -> Codes:
        """What `volume` (slice, row, column) holds at the voxels, (n,)."""
        found: Codes = volume[np.unravel_index(self.voxels, volume.shape)]
        return found

    def on(self, volume: Codes) -> Codes:
        """`volume` with the voxels set; itself where there are none."""
        if not len(self.voxels):
            return volume
        changed = np.array(volume, order="C")
        changed.reshape(-1)[self.voxels] = self.codes
        return changed


@dataclass(frozen=True, eq=False)
class Corrections:
    """What a person says of voxels, whatever the networks say at any threshold.

    labels: 0 no lesion, 1 GGO, 2 consolidation. lungs: 0 none, 1 right, 2 left.
    """

    labels: Layer = field(default_factory=Layer)
    lungs: Layer = field(default_factory=Layer)

    @property
    def digest(self) -> str:
        """A short hash of voxels and codes: tells corrections from others of the same size."""
        layers = (part for layer in (self.labels, self.lungs) for part in (layer.voxels, layer.codes))
        return hashlib.sha256(b"|".join(part.tobytes() for part in layers)).hexdigest()[:12]

    @property
    def none(self) -> bool:
        """Whether nobody has said anything."""
        return not (len(self.labels.voxels) or len(self.lungs.voxels))


@dataclass(frozen=True)
class Corrected:
    """How far a corrected result differs from that of the networks, in voxels.

    added, removed: lesion that they did not mark, and that they marked wrongly. reclassed: lesion of the other class.
    lung: voxels in another lung, or in none. pixel_mm2, voxel_ml: None where there is no such geometry.
    """

    added: int
    removed: int
    reclassed: int
    lung: int = 0
    pixel_mm2: float | None = None
    voxel_ml: float | None = None

    @classmethod
    def of(cls, study: Study, moved: NDArray[np.int64], lung: int = 0) -> Corrected:
        """From voxels by class before and after, (3, 3)."""
        added, removed = int(moved[0, 1:].sum()), int(moved[1:, 0].sum())
        mm2 = None if study.affine is None else study.pixel_area_mm2
        ml = study.voxel_volume_ml if study.volumetric else None
        return cls(added, removed, int(moved[1, 2] + moved[2, 1]), lung, mm2, ml)

    @property
    def voxels(self) -> int:
        return self.added + self.removed + self.reclassed

    @property
    def text(self) -> str:
        """For people: "by a person: 120 voxels, +1.20 / -0.30 ml"."""
        size, unit, digits = 1.0, "px", 0
        if self.voxel_ml is not None:
            size, unit, digits = self.voxel_ml, "ml", 2
        elif self.pixel_mm2 is not None:
            size, unit = self.pixel_mm2, "mm²"
        plus, minus = (f"{count * size:,.{digits}f}" for count in (self.added, self.removed))
        parts = [f"{_voxels(self.voxels)}, +{plus} / -{minus} {unit}"]
        if self.reclassed:
            parts.append(f"{self.reclassed:,} of them to the other class")
        if self.lung:
            parts.append(f"{_voxels(self.lung)} of the lungs")
        return "by a person: " + ", ".join(parts)

    def summary(self) -> dict[str, Any]:
        """JSON-ready."""
        ml = self.voxel_ml
        return {
            "voxels": self.voxels,
            "added_voxels": self.added,
            "removed_voxels": self.removed,
            "reclassed_voxels": self.reclassed,
            "added_ml": None if ml is None else self.added * ml,
            "removed_ml": None if ml is None else self.removed * ml,
            "lung_voxels": self.lung,
        }


def _voxels(count: int) -> str:
    return f"{count:,} voxel{'s' * (count != 1)}"


def corrected(study: Study, result: Segmentation, corrections: Corrections) -> Segmentation:
    """The result as a person has corrected it; `before` is what it was. Itself where nothing differs.

    Raises GeometryError where result or corrections are not on the study's grid.
    """
    check_same(study, result)
    for layer in (corrections.labels, corrections.lungs):
        if len(layer.voxels) and not 0 <= layer.voxels[0] <= layer.voxels[-1] < study.pixels.size:
            raise GeometryError(f"{study.name}: corrections of another grid; use them with the study they belong to")
    labels, lungs = corrections.labels, corrections.lungs
    moved = np.bincount(labels.of(result.labels) * np.uint8(3) + labels.codes, minlength=9).reshape(3, 3)
    change = Corrected.of(study, moved, int(np.count_nonzero(lungs.of(result.lungs) != lungs.codes)))
    if not (change.voxels or change.lung):
        return result
    return replace(
        result,
        labels=labels.on(result.labels),
        lungs=lungs.on(result.lungs),
        before=result,
        provenance={**result.provenance, "corrected": change.text, "corrections": corrections.digest},
    )


def compare(study: Study, result: Segmentation) -> tuple[Corrected | None, list[tuple[int, int] | None]]:
    """How a corrected result differs from `before`, and for each slice: voxels of another class, lesion voxels before.

    None and Nones for a result that nobody has corrected.
    """
    before = result.before
    if before is None:
        return None, [None] * len(result.labels)
    pairs = list(zip(before.labels, result.labels, strict=True))
    moved = np.zeros((len(pairs), 3, 3), np.int64)
    for each, (a, b) in zip(moved, pairs, strict=True):
        if not np.array_equal(a, b):
            each += np.bincount((a * np.uint8(3) + b).ravel(), minlength=9).reshape(3, 3)
    lung = sum(int(np.count_nonzero(a != b)) for a, b in zip(before.lungs, result.lungs, strict=True))
    slices = [
        (int(each.sum() - each.trace()), int(np.count_nonzero(a))) for each, (a, _) in zip(moved, pairs, strict=True)
    ]
    return Corrected.of(study, moved.sum(0), lung), [*slices]


def as_corrections(result: Segmentation, mask: Codes) -> Layer:
    """A whole mask (0, 1, 2 on the study's grid) as corrections of a result, so that it counts at any threshold.

    Set are the voxels of its lesions, and those where the networks could find one. Raises GeometryError for a mask of
    another shape.
    """
    if mask.shape != result.labels.shape:
        raise GeometryError(f"mask {mask.shape} on a result {result.labels.shape}; give it on the same grid")
    could = (result.probability >= np.float32(LOWEST_THRESHOLD)) | (result.labels > 0)
    return _where((mask > 0) | could, mask)


def as_lungs(result: Segmentation, mask: NDArray[Any]) -> Layer:
    """Lungs (0 none, 1 right, 2 left, on the study's grid) as corrections of a result: where they differ from its own.

    Raises InfNetError for other codes, GeometryError for a mask of another shape.
    """
    if mask.shape != result.lungs.shape:
        raise GeometryError(f"lungs {mask.shape} on a result {result.lungs.shape}; give them on the same grid")
    if not np.isin(mask, (0, 1, 2)).all():
        raise InfNetError("lungs: hold other codes than 0, 1 and 2; give 0 none, 1 right lung, 2 left lung")
    return _where(mask != result.lungs, mask.astype(np.uint8))


def labels_of(result: Segmentation, mask: NDArray[Any]) -> Codes:
    """A lesion mask that somebody drew, as labels: 0, 1 GGO and 2 consolidation stay; infection alone (0 and 255, or
    true and false) gets the class that the networks give it.

    Raises InfNetError for other values, GeometryError for a mask of another shape.
    """
    if mask.shape != result.labels.shape:
        raise GeometryError(f"mask {mask.shape} on a result {result.labels.shape}; give it on the same grid")
    if mask.dtype != np.bool_ and np.isin(mask, (0, 1, 2)).all():
        return mask.astype(np.uint8)
    if mask.dtype != np.bool_ and not np.isin(mask, (0, 255)).all():
        raise InfNetError("mask: holds other values than 0, 1, 2; give 0, 1 (GGO) and 2 (consolidation), or 0 and 255")
    share = np.uint8(0) if result.consolidation is None else result.consolidation
    dense = np.where(share >= math.ceil(255 * result.consolidation_threshold), CONSOLIDATION, GGO)
    return np.where(mask > 0, dense, 0).astype(np.uint8)


def _where(chosen: NDArray[np.bool_], mask: Codes) -> Layer:
    flat = np.ascontiguousarray(mask).reshape(-1)
    voxels = np.flatnonzero(np.ascontiguousarray(chosen).reshape(-1))
    return Layer(voxels, flat[voxels])
