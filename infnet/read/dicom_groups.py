"""DICOM slices grouped: those that fit one grid, in their order, and apart by phase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.read.dicom_header import PIXEL_TAGS
from infnet.read.dicom_slice import Slice
from infnet.read.dicom_tags import open_dataset
from infnet.read.files import NotUsed, natural_key
from infnet.read.stack import heights, same_positions


def alike(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Slices that fit one grid: the same size, direction and pixel spacing, and all with a position or all without."""
    groups: list[list[Slice]] = []
    for slice_ in slices:
        for group in groups:
            if _fits(slice_, group[0]):
                group.append(slice_)
                break
        else:
            groups.append([slice_])
    return groups


def by_patient(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Slices that name another patient apart; those that name none stay together, with the only one there is."""
    named: dict[str, list[Slice]] = {}
    for slice_ in slices:
        named.setdefault(slice_.header.patient, []).append(slice_)
    return list(named.values()) if len(named.keys() - {""}) > 1 else [list(slices)]


def _fits(slice_: Slice, other: Slice) -> bool:
    def close(a: Any, b: Any, tolerance: float) -> bool:
        return (a is None) == (b is None) and (a is None or bool(np.allclose(a, b, rtol=0, atol=tolerance)))

    same_size = (slice_.header.rows, slice_.header.columns) == (other.header.rows, other.header.columns)
    return (
        same_size
        and slice_.has_position == other.has_position
        and close(slice_.orientation, other.orientation, 1e-3)
        and close(slice_.spacing, other.spacing, 1e-3)
    )


def ordered(group: list[Slice]) -> list[Slice]:
    """The slices by their height along the normal, by instance number where they have no position."""
    by_instance = sorted(group, key=lambda s: (s.instance, natural_key(s.header.file.label)))
    if not group[0].has_position:
        return by_instance
    at = heights_of(by_instance)
    return [by_instance[i] for i in np.argsort(at, kind="stable")]


def heights_of(slices: Sequence[Slice]) -> NDArray[np.float64]:
    """Where slices with positions lie along their normal, mm (n,)."""
    orientation = slices[0].orientation
    assert orientation is not None
    return heights(np.array([s.position for s in slices]), orientation)


def phases_of(slices: list[Slice]) -> list[tuple[list[Slice], str]]:
    """Split what one series UID mixes (phases, kernels), wherever a tag explains why slices share a position."""
    if not slices[0].has_position:
        return [(slices, "")]
    positions = same_positions(heights_of(slices))
    most = max(map(len, positions))
    shared = [indices for indices in positions if len(indices) > 1]
    if most == 1 or all(_copies([slices[i] for i in indices]) for indices in shared[:3]):
        return [(slices, "")]
    for name in slices[0].phase:
        phases: dict[str, list[Slice]] = {}
        for slice_ in slices:
            phases.setdefault(slice_.phase[name], []).append(slice_)
        if len(phases) == most and all(max(map(len, same_positions(heights_of(p)))) == 1 for p in phases.values()):
            return [(phase, f"{name} {value}") for value, phase in phases.items()]
    return [(slices, "")]


def _copies(slices: list[Slice]) -> bool:
    """True where the files hold the same pixels, byte for byte. Frames of one file are never taken as copies."""
    if any(s.header.frames > 1 for s in slices):
        return False
    try:
        opened = [open_dataset(s.header.file, [*PIXEL_TAGS, "PixelData"], pixels=True).dataset for s in slices]
    except NotUsed:
        return False
    data = [d.PixelData if "PixelData" in d else None for d in opened]
    return all(pixels == data[0] for pixels in data)
