"""DICOM: slices grouped into series, and one series made into a Study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.geometry.affine import axial_affine
from infnet.notices import WINDOW_GUESSED, Notice, warn
from infnet.read.archive import Gathered
from infnet.read.dicom_header import PIXEL_TAGS, Slice, scan
from infnet.read.dicom_pixels import stored_values, syntax_name, to_hu
from infnet.read.dicom_tags import open_dataset
from infnet.read.files import MAX_BYTES, NotUsed, in_words, names_someone, natural, refuse
from infnet.read.stack import angle_from_axis, heights, same_places, stack
from infnet.read.values import compact_grey, looks_like_hu
from infnet.study import Study

NOT_AXIAL = 45.0  # degrees from which slices count as coronal or sagittal


@dataclass(frozen=True, eq=False)
class DicomSeries:
    """Slices of one size and one orientation; in place order where they have places, else by instance number."""

    key: str
    slices: tuple[Slice, ...]
    note: str = ""

    @property
    def placed(self) -> bool:
        return self.slices[0].position is not None

    @property
    def description(self) -> str:
        """The series description, unless it repeats the patient's name or number."""
        text = str(self.slices[0].header.facts["description"])
        hidden = names_someone(text, self.private)
        return ", ".join(part for part in ("" if hidden else text, self.note) if part)

    @property
    def private(self) -> set[str]:
        return {word for s in self.slices for word in s.header.private}

    def load(self) -> Study:
        """Decode the pixels. Raises ReadError naming the file that cannot be used."""
        return _load(self)


def find(gathered: Gathered) -> list[DicomSeries]:
    """Every axial CT series among the DICOM files, most slices first; what is none of these is listed as skipped."""
    by_uid: dict[str, list[Slice]] = {}
    for file in gathered.of("dicom"):
        try:
            for one in scan(file):
                by_uid.setdefault(one.header.series, []).append(one)
        except NotUsed as why:
            gathered.skip(file.label, why)
    found: list[DicomSeries] = []
    for uid, slices in by_uid.items():
        groups = [part for group in _alike(slices) if (part := _axial(group, gathered))]
        parts = [split for group in groups for split in _phases(_ordered(group))]
        for number, (part, note) in enumerate(parts):
            key = uid if len(parts) == 1 else f"{uid}#{number + 1}"
            found.append(DicomSeries(key, tuple(part), note))
    return sorted(found, key=lambda s: -len(s.slices))


def _alike(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Slices that fit one grid: the same size, direction and pixel spacing, and a place or none."""
    groups: list[list[Slice]] = []
    for one in slices:
        for group in groups:
            if _fits(one, group[0]):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _fits(one: Slice, other: Slice) -> bool:
    def close(a: Any, b: Any, tolerance: float) -> bool:
        return (a is None) == (b is None) and (a is None or bool(np.allclose(a, b, rtol=0, atol=tolerance)))

    same_size = (one.header.rows, one.header.columns) == (other.header.rows, other.header.columns)
    return (
        same_size
        and _has_place(one) == _has_place(other)
        and close(one.orientation, other.orientation, 1e-3)
        and close(one.spacing, other.spacing, 1e-3)
    )


def _has_place(one: Slice) -> bool:
    return one.position is not None and one.orientation is not None


def _axial(group: list[Slice], gathered: Gathered) -> list[Slice]:
    """The group, or nothing where it is coronal or sagittal."""
    first = group[0]
    if not _has_place(first) or first.orientation is None or angle_from_axis(first.orientation) <= NOT_AXIAL:
        return group
    why = NotUsed("coronal or sagittal slices, not axial ones", "give the axial series")
    for label in dict.fromkeys(s.header.file.label for s in group):
        gathered.skip(label, why)
    return []


def _ordered(group: list[Slice]) -> list[Slice]:
    by_instance = sorted(group, key=lambda s: (s.instance, natural(s.header.file.label)))
    if not _has_place(group[0]):
        return by_instance
    at = _heights(by_instance)
    return [by_instance[i] for i in np.argsort(at, kind="stable")]


def _heights(slices: Sequence[Slice]) -> NDArray[np.float64]:
    orientation = slices[0].orientation
    assert orientation is not None
    return heights(np.array([s.position for s in slices]), orientation)


def _phases(slices: list[Slice]) -> list[tuple[list[Slice], str]]:
    """Take apart what one series UID mixes (phases, kernels): wherever a tag explains why slices share a place."""
    if not _has_place(slices[0]):
        return [(slices, "")]
    places = same_places(_heights(slices))
    most = max(len(place) for place in places)
    shared = [place for place in places if len(place) > 1]
    if most == 1 or all(_copies([slices[i] for i in place]) for place in shared[:3]):
        return [(slices, "")]
    for name in slices[0].phase:
        parts: dict[str, list[Slice]] = {}
        for one in slices:
            parts.setdefault(one.phase[name], []).append(one)
        if len(parts) == most and all(max(map(len, same_places(_heights(p)))) == 1 for p in parts.values()):
            return [(part, f"{name} {value}") for value, part in parts.items()]
    return [(slices, "")]


def _copies(slices: list[Slice]) -> bool:
    """True where the files hold the same pixels, byte for byte. Frames of one file are never taken as copies."""
    if any(s.header.frames > 1 for s in slices):
        return False
    try:
        opened = [open_dataset(s.header.file, [*PIXEL_TAGS, "PixelData"], pixels=True)[0] for s in slices]
    except NotUsed:
        return False
    data = [d.PixelData if "PixelData" in d else None for d in opened]
    return all(each == data[0] for each in data)


def _load(series: DicomSeries) -> Study:
    slices = list(series.slices)
    for one in slices:
        if one.header.trouble is not None:
            raise refuse(one.header.file.label, *one.header.trouble)
    total = sum(s.header.frame_bytes for s in slices)
    if total > MAX_BYTES:
        limit = in_words(MAX_BYTES)
        raise refuse(slices[0].header.file.label, f"in a series of {in_words(total)}", f"give at most {limit}")
    try:
        pixels = to_hu(stored_values(slices), slices)
    except MemoryError:
        raise refuse(slices[0].header.file.label, f"no memory for {in_words(total)}", "close other programs") from None
    notices: list[Notice] = []
    pixels, is_hu = _hu_or_grey(pixels, slices, notices)
    pixels, slices, whole = _one_per_place(pixels, slices, notices)
    affine, even = _geometry(slices, notices)
    first = slices[0].header
    notices += _notices(slices)
    number = first.facts["series_number"]
    facts = {k: first.facts[k] for k in ("modality", "manufacturer", "model", "kernel", "kvp", "series_number")}
    source = {
        "format": "DICOM",
        **facts,
        "description": series.description,
        "series": series.key,
        "transfer_syntax": syntax_name(first.syntax),
        "slices": len(slices),
    }
    if any(s.header.facts["burned_in"] for s in slices):
        source["burned_in_annotation"] = "YES"
    name = "series" if number is None else f"series {number}"
    return Study(pixels, affine, is_hu, name, whole and even, tuple(notices), source)


def _hu_or_grey(pixels: NDArray[Any], slices: list[Slice], notices: list[Notice]) -> tuple[NDArray[Any], bool]:
    """Decide whether the values are HU: by the rescale that the header gives, or by what the values look like."""
    rescaled = [s.slope is not None or s.intercept is not None or s.header.has_lut for s in slices]
    if all(rescaled):
        identity = all((s.slope or 1, s.intercept or 0) == (1, 0) and not s.header.has_lut for s in slices)
        if identity and pixels.min() >= 0 and pixels.max() > 300:
            text = "The header says HU, but no value is below 0: read as grey, the window was guessed."
            notices.append(warn(WINDOW_GUESSED, text))
            return compact_grey(pixels), False
        return pixels, True
    if looks_like_hu(pixels):
        text = "The header has no rescale to HU; the stored values look like HU and were taken as such."
        notices.append(warn("looks-like-hu", text))
        return pixels, True
    text = "The header has no rescale to HU: the values were read as grey, the window was guessed."
    notices.append(warn(WINDOW_GUESSED, text))
    return compact_grey(pixels), False


def _one_per_place(
    pixels: NDArray[Any], slices: list[Slice], notices: list[Notice]
) -> tuple[NDArray[Any], list[Slice], bool]:
    """Keep one slice at each place. False where the ones left out were not the same picture."""
    if not _has_place(slices[0]):
        return pixels, slices, True
    places = same_places(_heights(slices))
    if len(places) == len(slices):
        return pixels, slices, True
    copies = sum(int((pixels[i] == pixels[place[0]]).all()) for place in places for i in place[1:])
    others = len(slices) - len(places) - copies
    if copies:
        notices.append(warn("duplicates", f"{copies} duplicate {_slices(copies)} left out."))
    if others:
        text = f"{others} {_slices(others)} left out: a different one lies at the same place. No volumes are given."
        notices.append(warn("same-place", text))
    kept = [place[0] for place in places]
    return pixels[kept], [slices[i] for i in kept], not others


def _slices(count: int) -> str:
    return "slice was" if count == 1 else "slices were"


def _geometry(slices: list[Slice], notices: list[Notice]) -> tuple[NDArray[np.float64] | None, bool]:
    """The affine, None without pixel spacing, and whether volumes can be trusted."""
    first = slices[0]
    if first.spacing is None:
        text = "The header has no pixel spacing: sizes are in pixels, not in millimetres."
        notices.append(warn("no-pixel-spacing", text))
        return None, False
    if not _has_place(first) or first.orientation is None:
        text = (
            "The header does not say where the slices lie: they are in the order of their numbers, taken as upright. "
            "No volumes are given."
        )
        notices.append(warn("no-positions", text))
        return axial_affine((1.0, *first.spacing)), False
    result = stack(np.array([s.position for s in slices]), first.orientation, first.spacing, first.between)
    notices += result.notices
    return result.affine, result.volumetric


def _notices(slices: list[Slice]) -> list[Notice]:
    texts = {
        "lossy": "The slices were compressed with loss: HU are not exact.",
        "projection": "These are intensity projections, not plain slices.",
        "inverted": "The slices are marked to be shown inverted (MONOCHROME1); HU stay as they are.",
    }
    return [warn(fact, text) for fact, text in texts.items() if any(s.header.facts[fact] for s in slices)]
