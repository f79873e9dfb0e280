"""DICOM: slices grouped into series, and one series made into a Study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from infnet.geometry.affine import axial_affine
from infnet.notices import BURNED_IN, WINDOW_GUESSED, Notice, has, warn
from infnet.read.archive import Gathered
from infnet.read.dicom_children import syntax_name
from infnet.read.dicom_groups import alike, by_patient, heights_of, ordered, phases_of
from infnet.read.dicom_header import scan
from infnet.read.dicom_pixels import stored_values, to_hu
from infnet.read.dicom_slice import Slice
from infnet.read.files import MAX_BYTES, NotUsed, in_words, names_someone, refuse
from infnet.read.memory import check_room
from infnet.read.reader import Format, keyed
from infnet.read.stack import angle_from_axis, same_positions, stack
from infnet.read.values import compact_grey, looks_like_hu
from infnet.study import Origin, Study

KIND: Final = "dicom"  # of files, as `sniff` tells it
NOISE = 250.0  # HU between neighbours, median, or half the mean: noise has 1000, the grainiest scans below 100
NOISE_ROWS = 64  # rows of a slice that are looked at
NOT_AXIAL = 45.0  # degrees from which slices count as coronal or sagittal


@dataclass(frozen=True, eq=False)
class DicomSeries:
    """Slices of one size and one orientation, ordered by position where they have one, else by instance number.

    phase: what tells them from other slices under the same series UID, such as "kernel B70f"; empty without such.
    """

    format: ClassVar[Format] = "DICOM"
    modality: ClassVar[str] = "CT"
    key: str
    slices: tuple[Slice, ...]
    phase: str

    @property
    def count(self) -> int:
        return len(self.slices)

    @property
    def description(self) -> str:
        """The series description, unless it repeats the patient's name or number."""
        text = self.slices[0].header.facts.description
        shown = "" if names_someone(text, self.private) else text
        return ", ".join(words for words in (shown, self.phase) if words)

    @property
    def patient(self) -> str:
        return self.slices[0].header.patient

    @property
    def private(self) -> set[str]:
        return {word for s in self.slices for word in s.header.private}

    def load(self) -> Study:
        """Decode the pixels. Raises ReadError naming the file that cannot be used."""
        return _load(self)


def find(gathered: Gathered) -> list[DicomSeries]:
    """Every axial CT series among the DICOM files, most slices first; what is none of these is listed as skipped."""
    by_uid: dict[str, list[Slice]] = {}
    for file in gathered.of(KIND):
        try:
            for slice_ in scan(file):
                by_uid.setdefault(slice_.header.series, []).append(slice_)
        except NotUsed as why:
            gathered.skip(file.label, why)
    series: list[DicomSeries] = []
    for uid, slices in by_uid.items():
        groups = [group for patient in by_patient(slices) for group in alike(patient)]
        axial = [group for group in groups if _is_axial(group, gathered)]
        phases = [phase for group in axial for phase in phases_of(ordered(group))]
        for number, (slices_of_phase, phase) in enumerate(phases, 1):
            key = uid if len(phases) == 1 else f"{uid}#{number}"
            series.append(DicomSeries(key, tuple(slices_of_phase), phase))
    return sorted(series, key=lambda s: -s.count)


def _is_axial(group: list[Slice], gathered: Gathered) -> bool:
    """False where the slices are coronal or sagittal; their files are then listed as skipped."""
    first = group[0]
    if not first.has_position or first.orientation is None or angle_from_axis(first.orientation) <= NOT_AXIAL:
        return True
    why = NotUsed("coronal or sagittal slices, not axial ones", "give the axial series")
    for label in dict.fromkeys(s.header.file.label for s in group):
        gathered.skip(label, why)
    return False


def _load(series: DicomSeries) -> Study:
    slices = list(series.slices)
    for slice_ in slices:
        if slice_.header.trouble is not None:
            raise refuse(slice_.header.file.label, *slice_.header.trouble)
    total = sum(s.header.frame_bytes for s in slices)
    if total > MAX_BYTES:
        limit = in_words(MAX_BYTES)
        raise refuse(slices[0].header.file.label, f"in a series of {in_words(total)}", f"give at most {limit}")
    try:
        check_room(2 * total)
        pixels = to_hu(stored_values(slices), slices)
    except NotUsed as why:
        raise refuse(slices[0].header.file.label, why.reason, why.action) from None
    except MemoryError:
        raise refuse(slices[0].header.file.label, f"no memory for {in_words(total)}", "close other programs") from None
    notices: list[Notice] = []
    pixels, is_hu = _hu_or_grey(pixels, slices, notices)
    pixels, slices, unambiguous = _one_per_position(pixels, slices, notices)
    affine, even = _geometry(slices, notices)
    first = slices[0].header
    facts = first.facts
    notices += _notices(slices)
    source = {
        "format": series.format,
        "modality": series.modality,
        "manufacturer": facts.manufacturer,
        "model": facts.model,
        "kernel": facts.kernel,
        "kvp": facts.kvp,
        "series_number": facts.series_number,
        "description": series.description,
        "series": series.key,
        "transfer_syntax": syntax_name(first.syntax),
        "slices": len(slices),
    }
    if has(notices, BURNED_IN.code):
        source["burned_in_annotation"] = "YES"
    origin = Origin(tuple(s.header.dataset for s in slices), tuple(s.frame for s in slices))
    name = "series" if facts.series_number is None else f"series {facts.series_number}"
    volumetric = unambiguous and even
    return Study(pixels, affine, is_hu, name, volumetric, tuple(notices), source, keyed(first.patient), origin)


def _hu_or_grey(pixels: NDArray[Any], slices: list[Slice], notices: list[Notice]) -> tuple[NDArray[Any], bool]:
    """Decide whether the values are HU: by the rescale that the header gives, or by what the values look like."""
    rescaled = [s.slope is not None or s.intercept is not None or s.header.has_lut for s in slices]
    if any(rescaled) and not all(rescaled):
        label = slices[rescaled.index(False)].header.file.label
        raise refuse(label, "has no rescale to HU, unlike other slices of its series", "export the series again")
    if all(rescaled):
        identity = all((s.slope or 1, s.intercept or 0) == (1, 0) and not s.header.has_lut for s in slices)
        if identity and pixels.min() >= 0 and pixels.max() > 300:
            text = "The header says HU, but no value is below 0: read as grey, the window was guessed."
            notices.append(warn(WINDOW_GUESSED, text))
            return compact_grey(pixels), False
        _check_noise(pixels, slices)
        return pixels, True
    if looks_like_hu(pixels):
        text = "The header has no rescale to HU; the stored values look like HU and were taken as such."
        notices.append(warn("looks-like-hu", text))
        return pixels, True
    text = "The header has no rescale to HU: the values were read as grey, the window was guessed."
    notices.append(warn(WINDOW_GUESSED, text))
    return compact_grey(pixels), False


def _check_noise(hu: NDArray[Any], slices: list[Slice]) -> None:
    """Raise ReadError for a slice of noise: JPEG 2000 has no checksum, and decodes damage to pixels without a word."""
    for slice_, plane in zip(slices, hu, strict=True):
        rows = plane[:: max(1, len(plane) // NOISE_ROWS)].astype(np.float32)
        steps = np.abs(np.diff(rows, axis=1))
        if np.median(steps) > NOISE or steps.mean() > 2 * NOISE:
            raise refuse(slice_.header.file.label, "its pixels are noise, no picture", "export or copy it again")


def _one_per_position(
    pixels: NDArray[Any], slices: list[Slice], notices: list[Notice]
) -> tuple[NDArray[Any], list[Slice], bool]:
    """Keep one slice at each position. False where a different slice was left out."""
    if not slices[0].has_position:
        return pixels, slices, True
    positions = same_positions(heights_of(slices))
    if len(positions) == len(slices):
        return pixels, slices, True
    copies = sum(int((pixels[i] == pixels[first]).all()) for first, *others in positions for i in others)
    others = len(slices) - len(positions) - copies
    if copies:
        notices.append(warn("duplicates", f"{copies} duplicate {_slices_were(copies)} left out."))
    if others:
        differing = sum(any((pixels[i] != pixels[first]).any() for i in more) for first, *more in positions)
        if 2 * differing > len(positions):
            label, places = slices[0].header.file.label, f"{differing} of {len(positions)} places"
            reason = f"in a series with two different slices at {places}"
            raise refuse(label, reason, "export each reconstruction or phase as a series of its own")
        text = (
            f"{others} {_slices_were(others)} left out: a different one lies at the same place. No volumes are given."
        )
        notices.append(warn("same-place", text))
    kept = [first for first, *_ in positions]
    return pixels[kept], [slices[i] for i in kept], not others


def _slices_were(count: int) -> str:
    return "slice was" if count == 1 else "slices were"


def _geometry(slices: list[Slice], notices: list[Notice]) -> tuple[NDArray[np.float64] | None, bool]:
    """The affine, None without pixel spacing, and whether volumes can be trusted."""
    first = slices[0]
    if first.spacing is None:
        text = "The header has no pixel spacing, or none that a scanner makes: sizes are in pixels, not in millimetres."
        notices.append(warn("no-pixel-spacing", text))
        return None, False
    if not first.has_position or first.orientation is None:
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
    """What the headers say of any of the slices that their numbers do not show."""
    facts = [s.header.facts for s in slices]
    notices = []
    if odd := list(dict.fromkeys(words for s in slices for words in s.header.odd)):
        text = f"The header breaks the DICOM standard ({', '.join(odd)}) and was read as it seems to be meant."
        notices.append(warn("nonstandard", text))
    if any(f.burned_in for f in facts):
        notices.append(BURNED_IN)
    if any(f.lossy for f in facts):
        notices.append(warn("lossy", "The slices were compressed with loss: HU are not exact."))
    if any(f.projection for f in facts):
        notices.append(warn("projection", "These are intensity projections, not plain slices."))
    if any(f.inverted for f in facts):
        text = "The slices are marked to be shown inverted (MONOCHROME1); HU stay as they are."
        notices.append(warn("inverted", text))
    return notices
