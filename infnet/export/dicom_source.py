"""What DICOM results need of the study that they join: its headers, completed or without the patient, and UIDs."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infnet.errors import InfNetError
from infnet.notices import has
from infnet.study import Origin, Segmentation, Study

MANUFACTURER = "infnet"
# An object needs these of the study it joins; what else the standard wants may be empty.
NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
MAY_BE_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PositionReferenceIndicator",
)
# All that is left of a header where nobody may be named; UIDs, names and dates among it are replaced.
NAMES_NOBODY = {
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber"),
    *("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "FrameOfReferenceUID", "Modality"),
    *("ImageType", "InstanceNumber", "NumberOfFrames", "Rows", "Columns", "SamplesPerPixel", "PixelSpacing"),
    *("ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "SpacingBetweenSlices", "PatientPosition"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "LossyImageCompression"),
    *("LossyImageCompressionRatio", "LossyImageCompressionMethod", "DimensionOrganizationSequence"),
    "DimensionIndexSequence",
}


@dataclass(frozen=True, eq=False)
class Source:
    """The source's headers as an object of the same study needs them: one a file, and the frame of each slice."""

    files: list[Any]
    frames: list[tuple[int, int]]


def refusal(study: Study) -> str:
    """One line that says why no DICOM result can be made of a study; empty where it can."""
    if study.origin is None:
        return f"{study.name}: did not come as DICOM, so no DICOM result can join it; give the DICOM series"
    for keyword in NEEDED:
        if not all(_given(header, keyword) for header in study.origin.headers):
            return f"{study.name}: the source has no {keyword}, so no DICOM result can join it; export the series again"
    if study.affine is None or has(study.notices, "no-positions"):
        return f"{study.name}: the source does not say where its slices lie, so no DICOM result can be made of it"
    return ""


def source_of(study: Study) -> Source:
    """What DICOM results repeat of a study's source. Raises InfNetError where none can be made of it."""
    if why := refusal(study):
        raise InfNetError(why)
    assert study.origin is not None
    files: list[Any] = []
    places: dict[int, int] = {}
    frames = []
    for header, frame in zip(study.origin.headers, study.origin.frames, strict=True):
        if id(header) not in places:
            places[id(header)] = len(files)
            files.append(_completed(header))
        frames.append((places[id(header)], frame))
    return Source(files, frames)


def _given(header: Any, keyword: str) -> bool:
    return bool(str(header.get(keyword) or "").strip())


def _completed(header: Any) -> Any:
    """A copy with what the standard wants even where the source leaves it out."""
    completed = copy.deepcopy(header)
    for keyword in MAY_BE_EMPTY:
        if keyword not in completed:
            setattr(completed, keyword, "")
    if not _given(completed, "FrameOfReferenceUID"):
        completed.FrameOfReferenceUID = _uid("frame of reference", completed.SeriesInstanceUID)
    return completed


def deidentified(study: Study) -> Study:
    """The study with a source that names nobody: names, numbers, dates and UIDs are replaced, alike in all slices.

    Study, series and slices keep their relation to each other, and lose it to the archive that they came from.
    """
    if study.origin is None:
        return study
    from dicognito.anonymizer import Anonymizer

    anonymizer = Anonymizer()
    replaced: dict[int, Any] = {}
    for header in study.origin.headers:
        if id(header) not in replaced:
            replaced[id(header)] = bare = copy.deepcopy(header)
            for element in header:
                if element.keyword not in NAMES_NOBODY:
                    del bare[element.tag]
            anonymizer.anonymize(bare)
    headers = tuple(replaced[id(header)] for header in study.origin.headers)
    return replace(study, origin=Origin(headers, study.origin.frames))


def uid(kind: str, study: Study, result: Segmentation) -> str:
    """A UID (2.25) of a kind of object, by the slices of the source, the weights and settings, and corrections."""
    assert study.origin is not None
    slices = sorted({str(header.SOPInstanceUID) for header in study.origin.headers})
    return _uid(kind, json.dumps([slices, _settings(result.provenance)], sort_keys=True, default=str))


def _settings(provenance: Mapping[str, Any]) -> Any:
    """Provenance without what runs the networks: another engine rounds differently, and is no other result."""
    models = provenance.get("models", {})
    named = {role: (facts.get("name"), facts.get("sha256")) for role, facts in models.items()}
    return [named, {key: value for key, value in provenance.items() if key not in ("models", "infnet")}]


def _uid(*parts: str) -> str:
    return f"2.25.{int(hashlib.sha256('/'.join(parts).encode()).hexdigest()[:31], 16)}"


def identity(kind: str, study: Study, result: Segmentation) -> dict[str, Any]:
    """Which object it is, and who made it, as highdicom asks for it."""
    return {
        "series_instance_uid": uid(f"{kind} series", study, result),
        "sop_instance_uid": uid(kind, study, result),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
    }
