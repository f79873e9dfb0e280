"""From the positions of slices to one volume: their order, the affine, and notices. Arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infnet.notices import Notice, warn

SAME_POSITION = 0.01  # mm: slices nearer than this along the normal share a position
EVEN = 0.03  # of the step that steps may differ by; positions are often rounded to 0.1 mm, hence the next line
ROUNDING = 0.11  # mm
TILTED = 0.5  # degrees between the steps and the normal from which a notice says so
OBLIQUE = 10.0  # degrees between the normal and the patient's long axis
PIXEL_MM = (0.05, 20.0)  # what pixels of a chest CT measure, with room for small animals and thinned-out volumes
SLICE_MM = (0.05, 100.0)  # from slice to slice, with room for the few slices of an old protocol
SINGLE_SLICE = warn("single-slice", "This is a single slice: areas can be measured, volumes cannot.")


@dataclass(frozen=True, eq=False)
class Stack:
    """affine: index (slice, row, column, 1) -> LPS mm. volumetric: False where a volume would be wrong."""

    affine: NDArray[np.float64]
    volumetric: bool
    notices: tuple[Notice, ...]


def plausible(mm: float, limits: tuple[float, float]) -> bool:
    """Whether a length lies within `limits`, PIXEL_MM or SLICE_MM; never for what is no number."""
    return bool(limits[0] <= mm <= limits[1])


def normal_of(orientation: NDArray[np.float64]) -> NDArray[np.float64]:
    """The direction in which slices ascend: row cosines x column cosines, unit length (3,)."""
    normal = np.cross(orientation[:3], orientation[3:])
    return normal / np.linalg.norm(normal)


def angle_from_axis(orientation: NDArray[np.float64]) -> float:
    """Degrees between the slice normal and the patient's long axis: 0 is axial, 90 coronal or sagittal."""
    return float(np.degrees(np.arccos(min(1.0, abs(normal_of(orientation)[2])))))


def heights(positions: NDArray[np.float64], orientation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where slices (n, 3) lie along their normal, mm (n,)."""
    return positions @ normal_of(orientation)


def same_positions(ascending: NDArray[np.float64]) -> list[list[int]]:
    """Indices of ascending heights (n,) mm, grouped where several slices share a position."""
    groups: list[list[int]] = []
    for index, height in enumerate(ascending):
        if groups and height - ascending[groups[-1][0]] < SAME_POSITION:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def stack(
    positions: NDArray[np.float64],
    orientation: NDArray[np.float64],
    spacing: tuple[float, float],
    between: float | None = None,
) -> Stack:
    """Lay slices out as a volume.

    positions: (n, 3) LPS mm of each slice's first pixel, ascending along the normal, no two at one position.
    orientation: (6,) row then column cosines. spacing: mm between rows, and between columns.
    between: mm to the next slice, used for a single slice only (1 mm where unknown).
    """
    normal = normal_of(orientation)
    notices: list[Notice] = []
    if (angle := angle_from_axis(orientation)) > OBLIQUE:
        notices.append(warn("oblique", f"The slices are oblique: {angle:.0f} degrees from axial."))
    volumetric = True
    if len(positions) == 1:
        volumetric = False
        step = normal * (between if between and between > 0 else 1.0)
        notices.append(SINGLE_SLICE)
    else:
        along_normal = positions @ normal
        uneven, distance = _evenness(np.diff(along_normal))
        notices += uneven
        volumetric = not uneven
        if not plausible(distance, SLICE_MM):
            text = f"The slices are {distance:.3g} mm apart, which no scanner makes. No volumes are given."
            notices.append(warn("slice-distance", text))
            volumetric = False
        step, sideways = _step(positions, along_normal, distance, normal)
        tilt = float(np.degrees(np.arccos(min(1.0, float(step @ normal) / float(np.linalg.norm(step))))))
        if tilt > TILTED:
            text = (
                f"The gantry was tilted: each slice is shifted sideways against the one before, {tilt:.1f} degrees off "
                "the normal. Masks follow the tilt."
            )
            notices.append(warn("tilt", text))
        if sideways > max(1.0, 2 * max(spacing)):
            text = f"The slices are not in one line: one lies {sideways:.1f} mm to the side."
            notices.append(warn("sideways", text))
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = orientation[3:] * spacing[0]
    affine[:3, 2] = orientation[:3] * spacing[1]
    affine[:3, 3] = positions[0]
    return Stack(affine, volumetric, tuple(notices))


def _evenness(steps: NDArray[np.float64]) -> tuple[list[Notice], float]:
    """Notices about uneven distances between slices (n - 1,) mm, and the one distance to use for all, mm."""
    usual = float(np.median(steps))
    off = np.abs(steps - usual)
    wrong = off > max(EVEN * usual, ROUNDING)
    if not wrong.any():
        return [], float(steps.mean())  # the mean keeps the last slice in place where positions are rounded
    times = np.rint(steps / usual)
    gaps = wrong & (times >= 2) & (np.abs(steps - times * usual) <= np.maximum(EVEN * steps, ROUNDING))
    notices = []
    if gaps.any():
        missing = int((times[gaps] - 1).sum())
        text = (
            f"{missing} {'slice seems' if missing == 1 else 'slices seem'} to be missing: a gap of "
            f"{steps[gaps].max():.1f} mm where slices are {usual:.1f} mm apart. No volumes are given."
        )
        notices.append(warn("gap", text))
    if (wrong & ~gaps).any():
        text = f"The slices are unevenly spaced, {steps.min():.2f} to {steps.max():.2f} mm apart. No volumes are given."
        notices.append(warn("uneven", text))
    return notices, usual


def _step(
    positions: NDArray[np.float64], along_normal: NDArray[np.float64], distance: float, normal: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """The vector from one slice to the next, and the largest distance of a slice from the line through all, mm."""
    # A line through all slices: positions = first + (height above the first) * slope. Its part along the normal is 1.
    rise, moved = along_normal - along_normal[0], positions - positions[0]
    slope = rise @ moved / (rise @ rise)
    away = np.linalg.norm(moved - np.outer(rise, slope), axis=1).max()
    slope += normal * (1 - slope @ normal)
    return slope * distance, float(away)
