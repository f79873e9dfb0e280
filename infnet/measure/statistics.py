"""Numbers of a segmented study: areas, volumes, shares, counts and mean HU. Arrays in, numbers out.

A lesion voxel belongs to the lung that `Segmentation.lungs` names; one in no lung is counted as `outside` and in the
totals, but takes no part in the involvement, which therefore never passes 100 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.geometry.grid import Grid, check_same
from infnet.measure.connected import number_lesions
from infnet.measure.correct import Corrected, compare
from infnet.study import CONSOLIDATION, GGO, LEFT, RIGHT, Segmentation, Study

CLASS_KEYS = {GGO: "ggo", CONSOLIDATION: "consolidation"}
LUNG_KEYS = {RIGHT: "right", LEFT: "left"}
OUTSIDE = 0


@dataclass(frozen=True)
class Load:
    """Lesion in one region, of one class or of both.

    lesion_voxels: voxels of lesion; lung_voxels: voxels of the region's lung, lesion included; inside_voxels: lesion
    voxels within the lung masks. pixel_mm2, voxel_ml: None where there is no such geometry.
    """

    lesion_voxels: int
    inside_voxels: int
    lung_voxels: int
    pixel_mm2: float | None = None
    voxel_ml: float | None = None

    @property
    def involvement_percent(self) -> float | None:
        """Lesion inside the lung as a share of the lung, 0 to 100; None without lung."""
        return 100 * self.inside_voxels / self.lung_voxels if self.lung_voxels else None

    @property
    def lesion_mm2(self) -> float | None:
        return None if self.pixel_mm2 is None else self.lesion_voxels * self.pixel_mm2

    @property
    def lung_mm2(self) -> float | None:
        return None if self.pixel_mm2 is None else self.lung_voxels * self.pixel_mm2

    @property
    def lesion_ml(self) -> float | None:
        return None if self.voxel_ml is None else self.lesion_voxels * self.voxel_ml

    @property
    def lung_ml(self) -> float | None:
        return None if self.voxel_ml is None else self.lung_voxels * self.voxel_ml

    def summary(self) -> dict[str, Any]:
        """JSON-ready numbers of the whole study."""
        return {
            "lesion_volume_ml": self.lesion_ml,
            "lung_volume_ml": self.lung_ml,
            "involvement_percent": self.involvement_percent,
            "lesion_pixels": self.lesion_voxels,
            "lung_pixels": self.lung_voxels,
        }


@dataclass(frozen=True)
class Region:
    """One lung, both, or what lies outside them: the lesion as a whole and by class (keys GGO, CONSOLIDATION)."""

    lesion: Load
    by_class: Mapping[int, Load]

    def summary(self) -> dict[str, Any]:
        return {**self.lesion.summary(), **{CLASS_KEYS[c]: load.summary() for c, load in self.by_class.items()}}


@dataclass(frozen=True)
class SliceStatistics:
    """One slice; `index` runs along axis 0 of the source grid, from 0.

    number: what people call it, from 1 at the feet (the front, the patient's right, where slices were stored so).
    position_mm: of its centre on that axis, LPS; None where it is not known. corrected: how many of its voxels a person
    has given another class, and the lesion voxels of the networks alone; None where nobody corrected the result.
    """

    index: int
    total: Region
    by_lung: Mapping[int, Region]
    outside_voxels: int
    number: int
    position_mm: float | None
    corrected: tuple[int, int] | None = None

    def row(self) -> dict[str, Any]:
        """One flat row of the table: pixels, mm2 (None without geometry), shares in percent (None without lung)."""
        row: dict[str, Any] = {"slice": self.number, "position_mm": self.position_mm, "source_slice": self.index}
        whole = {"": self.total, **{f"{LUNG_KEYS[lung]}_": self.by_lung[lung] for lung in LUNG_KEYS}}
        for prefix, region in whole.items():
            loads = {"lesion": region.lesion, **{CLASS_KEYS[c]: load for c, load in region.by_class.items()}}
            for name, load in loads.items():
                row[f"{prefix}{name}_pixels"] = load.lesion_voxels
                row[f"{prefix}{name}_mm2"] = load.lesion_mm2
                row[f"{prefix}{name}_percent"] = load.involvement_percent
            row[f"{prefix}lung_pixels"] = region.lesion.lung_voxels
            row[f"{prefix}lung_mm2"] = region.lesion.lung_mm2
        row["outside_pixels"] = self.outside_voxels
        if self.corrected is not None:
            row["corrected_pixels"], row["network_lesion_pixels"] = self.corrected
        return row


@dataclass(frozen=True)
class Statistics:
    """A whole study.

    lesion_count: connected lesions, through the slices (26 neighbours) where `counted_in_3d`, else summed over the
    slices (8 neighbours), where one lesion counts once in each slice that cuts it. Mean HU: None where the pixels are
    not HU or the region is empty; the lung's mean includes its lesions. corrected: by a person, and network: the lesion
    and its share of the lungs before that; both None where nobody has corrected it.
    """

    total: Region
    by_lung: Mapping[int, Region]
    outside_voxels: int
    lesion_count: int
    counted_in_3d: bool
    mean_hu_lung: float | None
    mean_hu_lesion: float | None
    mean_hu_by_class: Mapping[int, float | None]
    slices: tuple[SliceStatistics, ...]
    corrected: Corrected | None = None
    network: Load | None = None

    def summary(self) -> dict[str, Any]:
        """JSON-ready numbers; None where there is no geometry, no HU or no lung."""
        lesion = self.total.lesion.summary()
        by_hand = {}
        if self.corrected and self.network:
            by_hand = {"corrected_by_a_person": {**self.corrected.summary(), "network": self.network.summary()}}
        return {
            **by_hand,
            "lesion_volume_ml": lesion["lesion_volume_ml"],
            "lung_volume_ml": lesion["lung_volume_ml"],
            "involvement_percent": lesion["involvement_percent"],
            "lesion_count": self.lesion_count,
            "lesion_count_rule": "3-D, 26 neighbours" if self.counted_in_3d else "per slice, 8 neighbours, summed",
            "mean_hu_lesion": self.mean_hu_lesion,
            "mean_hu_lung": self.mean_hu_lung,
            "lesion_pixels": lesion["lesion_pixels"],
            "lung_pixels": lesion["lung_pixels"],
            "outside_pixels": self.outside_voxels,
            "by_class": {
                CLASS_KEYS[c]: {**load.summary(), "mean_hu": self.mean_hu_by_class[c]}
                for c, load in self.total.by_class.items()
            },
            "by_lung": {LUNG_KEYS[lung]: region.summary() for lung, region in self.by_lung.items()},
        }

    def rows(self) -> list[dict[str, Any]]:
        """One flat row per slice, for the table, in the order of their numbers."""
        return [s.row() for s in sorted(self.slices, key=lambda s: s.number)]


def measure(study: Study, result: Segmentation) -> Statistics:
    """Measure a result on the grid of its study: pixels and shares always, mm2 with an affine, ml where volumetric.

    Raises GeometryError where the result is on another grid.
    """
    check_same(study, result)
    mm2 = study.pixel_area_mm2 if study.affine is not None else None
    ml = study.voxel_volume_ml if study.volumetric else None
    counts = np.empty((len(study.pixels), 9), np.int64)  # lung code * 3 + class
    sums = np.zeros(9)
    for k, (pixels, labels, lungs) in enumerate(zip(study.pixels, result.labels, result.lungs, strict=True)):
        code = (lungs.astype(np.uint8) * np.uint8(3) + labels).ravel()
        counts[k] = np.bincount(code, minlength=9)
        if study.is_hu:
            sums += np.bincount(code, pixels.ravel(), minlength=9)
    volume = counts.sum(0)
    total, by_lung, outside = _regions(volume, mm2, ml)
    count = number_lesions(result.labels, study.volumetric)[2]

    def mean(codes: list[int]) -> float | None:
        voxels = int(volume[codes].sum())
        return float(sums[codes].sum() / voxels) if study.is_hu and voxels else None

    grid, (corrected, by_hand) = Grid.of(study), compare(study, result)

    def slice_(index: int, counts: NDArray[np.int64]) -> SliceStatistics:
        number = grid.slice_number(index)
        place = grid.position_mm(number - 1, grid.stored_along)
        # A single slice has an area but no volume.
        return SliceStatistics(index, *_regions(counts, mm2, None), number, place, by_hand[index])

    lesion_codes = {c: [lung * 3 + c for lung in (OUTSIDE, RIGHT, LEFT)] for c in CLASS_KEYS}
    return Statistics(
        total,
        by_lung,
        outside,
        count,
        study.volumetric,
        mean_hu_lung=mean(list(range(3, 9))),
        mean_hu_lesion=mean([code for codes in lesion_codes.values() for code in codes]),
        mean_hu_by_class={c: mean(codes) for c, codes in lesion_codes.items()},
        slices=tuple(slice_(k, row) for k, row in enumerate(counts)),
        corrected=corrected,
        network=_own(result, counts, mm2, ml),
    )


def _own(result: Segmentation, counts: NDArray[np.int64], mm2: float | None, ml: float | None) -> Load | None:
    """The lesion as the networks found it; `counts` are those of the corrected slices. None where nobody corrected."""
    if (before := result.before) is None:
        return None
    own = counts.copy()
    for k, (labels, lungs) in enumerate(zip(before.labels, before.lungs, strict=True)):
        if not (np.array_equal(labels, result.labels[k]) and np.array_equal(lungs, result.lungs[k])):
            own[k] = np.bincount((lungs * np.uint8(3) + labels).ravel(), minlength=9)
    return _regions(own.sum(0), mm2, ml)[0].lesion


def _regions(counts: NDArray[np.int64], mm2: float | None, ml: float | None) -> tuple[Region, dict[int, Region], int]:
    """Total, each lung, and lesion voxels outside, from voxel counts by lung code * 3 + class."""
    table = counts.reshape(3, 3)  # by lung, outside first, and class
    by_lung = {lung: region_of(table[lung], mm2, ml) for lung in LUNG_KEYS}
    return region_of(table[1:].sum(0), mm2, ml, table[OUTSIDE]), by_lung, int(table[OUTSIDE, 1:].sum())


def region_of(
    inside: NDArray[np.int64], mm2: float | None, ml: float | None, outside: NDArray[np.int64] | None = None
) -> Region:
    """A region of lung from its voxels by class (3,): healthy, GGO, consolidation.

    mm2, ml: of one pixel and voxel, None where not known. outside: voxels by class in no lung, which count as lesion
    but neither as lung nor in its share.
    """
    beside = np.zeros(3, np.int64) if outside is None else outside
    size = int(inside.sum())

    def load(classes: list[int]) -> Load:
        lesion_inside = int(inside[classes].sum())
        return Load(lesion_inside + int(beside[classes].sum()), lesion_inside, size, mm2, ml)

    return Region(load(list(CLASS_KEYS)), {c: load([c]) for c in CLASS_KEYS})
