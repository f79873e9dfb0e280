"""What the HU say: a histogram of lung and lesion, the lung by HU bands, and where bands and network disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from infnet.geometry.grid import Grid, check_same
from infnet.study import CONSOLIDATION, GGO, Segmentation, Study

EDGES = tuple(range(-1024, 201, 24))  # HU
BAND_EDGES = (-950.0, -700.0, -250.0)  # HU
BAND_NAMES = ("very low", "normal lung", "ground glass", "dense")
NORMAL_BELOW = -700.0  # HU: from here on lung is denser than normal
NETWORK_ONLY, DENSE_ONLY = 1, 2
THINNEST_MM = 5.0  # vessels, airway walls and the rim of the lung are thinner


@dataclass(frozen=True, eq=False)
class HuHistogram:
    """edges: HU, n + 1. lung (without lesion), ggo, consolidation: voxels per bin, n; a bin holds its lower edge."""

    edges: NDArray[np.float64]
    lung: NDArray[np.int64]
    ggo: NDArray[np.int64]
    consolidation: NDArray[np.int64]

    @property
    def centres(self) -> NDArray[np.float64]:
        return (self.edges[:-1] + self.edges[1:]) / 2


@dataclass(frozen=True)
class Band:
    """A range of HU in the lungs, lesion included: from `low` to below `high` (None: open). percent: of the lungs."""

    name: str
    low: float | None
    high: float | None
    voxels: int
    ml: float | None
    percent: float | None


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Where network and HU disagree.

    volume: uint8 on the study's grid, NETWORK_ONLY (1) where the network found infection in HU of normal lung or
    below, DENSE_ONLY (2) where lung is denser than normal and the network left it out. The counts are voxels; the
    ml None where there is no volume.
    """

    volume: NDArray[np.uint8]
    network_only: int
    dense_only: int
    network_only_ml: float | None
    dense_only_ml: float | None


def hu_histogram(study: Study, result: Segmentation, edges: Sequence[float] = EDGES) -> HuHistogram | None:
    """Count voxels by HU in lung without lesion, in GGO and in consolidation; None where the pixels are not HU.

    edges: ascending HU; what lies outside them is not counted. Raises GeometryError where the grids differ.
    """
    check_same(study, result)
    if not study.is_hu:
        return None
    limits = np.asarray(edges, np.float64)
    counts = np.zeros((3, len(limits) - 1), np.int64)
    for pixels, labels, lungs in zip(study.pixels, result.labels, result.lungs, strict=True):
        where = (lungs > 0) | (labels > 0)
        if where.any():
            bins = np.searchsorted(limits, pixels[where], side="right") - 1
            kept = (bins >= 0) & (bins < counts.shape[1])
            code = labels[where][kept].astype(np.int64) * counts.shape[1] + bins[kept]
            counts += np.bincount(code, minlength=counts.size).reshape(counts.shape)
    return HuHistogram(limits, counts[0], counts[GGO], counts[CONSOLIDATION])


def bands(study: Study, result: Segmentation) -> tuple[Band, ...] | None:
    """The lungs, lesion included, by HU: below -950, to -700, to -250, and above; None where the pixels are not HU.

    Below -950 is air or emphysema, -950 to -700 normal lung, -700 to -250 what GGO looks like, above it what
    consolidation and vessels look like. Raises GeometryError where the grids differ.
    """
    check_same(study, result)
    if not study.is_hu:
        return None
    counts = np.zeros(len(BAND_NAMES), np.int64)
    for pixels, lungs in zip(study.pixels, result.lungs, strict=True):
        if lungs.any():
            counts += np.bincount(np.searchsorted(BAND_EDGES, pixels[lungs > 0], side="right"), minlength=len(counts))
    ml = study.voxel_volume_ml if study.volumetric else None
    total = int(counts.sum())
    limits = (None, *BAND_EDGES, None)
    return tuple(
        Band(
            name,
            limits[i],
            limits[i + 1],
            int(n),
            None if ml is None else int(n) * ml,
            100 * int(n) / total if total else None,
        )
        for i, (name, n) in enumerate(zip(BAND_NAMES, counts, strict=True))
    )


def disagreement(study: Study, result: Segmentation) -> Disagreement | None:
    """Mark where network and HU disagree; None where the pixels are not HU.

    They disagree where the network says infection and the HU say normal lung (below -700), and where lung is denser
    than that and the network left it out.

    Structures thinner than 5 mm in an upright slice (most vessels, fissures, the blurred rim of the lung) are left out
    of both, since HU alone cannot tell them from lesion; the large vessels near the hilum stay.
    Raises GeometryError where the grids differ.
    """
    check_same(study, result)
    if not study.is_hu:
        return None
    grid = Grid.of(study)
    volume = np.zeros(result.labels.shape, np.uint8)
    pixels, labels, lungs, upright = (
        grid.orientation.apply(v) for v in (study.pixels, result.labels, result.lungs, volume)
    )
    disc = _ellipse(THINNEST_MM / 2, grid.spacing[1:]) if study.affine is not None else np.ones((1, 1), bool)
    counts = np.zeros(3, np.int64)
    for k, where in grid.boxes(lungs | labels):
        dense = pixels[k][where] >= NORMAL_BELOW
        lesion, lung = labels[k][where] > 0, lungs[k][where] > 0
        marks = upright[k][where]
        marks[_open(lesion & ~dense, disc)] = NETWORK_ONLY
        marks[_open(lung & dense & ~lesion, disc)] = DENSE_ONLY
        counts += np.bincount(marks.ravel(), minlength=3)
    network_only, dense_only = int(counts[NETWORK_ONLY]), int(counts[DENSE_ONLY])
    ml = grid.voxel_ml
    return Disagreement(
        volume=volume,
        network_only=network_only,
        dense_only=dense_only,
        network_only_ml=None if ml is None else network_only * ml,
        dense_only_ml=None if ml is None else dense_only * ml,
    )


def _ellipse(radius_mm: float, spacing: tuple[float, float]) -> NDArray[np.bool_]:
    """Pixels within `radius_mm` of the central one, (row, column)."""
    reach = [int(radius_mm / step) for step in spacing]
    y, x = np.ogrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    return (y * spacing[0]) ** 2 + (x * spacing[1]) ** 2 <= radius_mm**2


def _open(mask: NDArray[np.bool_], disc: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of a mask that are at least as wide as the disc."""
    return ndimage.binary_opening(mask, disc) if disc.size > 1 and mask.any() else mask
