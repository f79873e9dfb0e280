"""One DICOM file's header: is it a slice of a chest CT, and where does it lie? Nothing is decoded here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.read import dicom_tags as tags
from infnet.read.dicom_checks import check_kind, trouble_of
from infnet.read.dicom_slice import Facts, Header, Slice
from infnet.read.files import MAX_FILES, File, NotUsed, one_line
from infnet.read.stack import PIXEL_MM, SLICE_MM, plausible

PIXEL_TAGS = [
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "ModalityLUTSequence",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
]
_TAGS = [
    *PIXEL_TAGS,
    "SOPClassUID",
    "ImageType",
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "SeriesDescription",
    "PatientName",
    "PatientID",
    "KVP",
    "ConvolutionKernel",
    "SeriesInstanceUID",
    "SeriesNumber",
    "AcquisitionNumber",
    "InstanceNumber",
    "ContentTime",
    "TemporalPositionIdentifier",
    "SpacingBetweenSlices",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "LossyImageCompression",
    "BurnedInAnnotation",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]

# What DICOM results that go back to where the study came from repeat of it.
_ORIGIN_TAGS = [
    "SpecificCharacterSet",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientPosition",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "SliceThickness",
    "DimensionOrganizationSequence",
    "DimensionIndexSequence",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
]

Get = Callable[[str], Any]  # a tag's value by its keyword


def scan(file: File) -> list[Slice]:
    """The CT slices in `file`, usually one. Raises NotUsed, with the reason, where it holds none."""
    dataset, syntax, guessed = tags.open_dataset(file, [*_TAGS, *_ORIGIN_TAGS], pixels=False)
    get = partial(tags.get, dataset)
    rows, columns = tags.integer(get("Rows")), tags.integer(get("Columns"))
    image_type = [str(word).upper() for word in tags.many(get("ImageType"))]
    check_kind(str(get("SOPClassUID") or ""), str(get("Modality") or "").upper(), rows, image_type)
    if not rows or not columns:
        raise NotUsed("no image size in it (Rows and Columns)", tags.DAMAGED)
    shown_as = str(get("PhotometricInterpretation") or "").strip()
    if (tags.integer(get("SamplesPerPixel")) or 1) != 1 or not (shown_as + "MONO").startswith("MONO"):
        raise NotUsed("a colour picture (screen capture), not CT values", "give the original CT slices")

    allocated = tags.integer(get("BitsAllocated")) or 0
    stored = tags.integer(get("BitsStored")) or allocated
    sign = tags.integer(get("PixelRepresentation"))
    number = get("NumberOfFrames")
    frames = 1 if number is None or str(number).strip() in ("", "0") else tags.integer(number) or 0
    header = Header(
        file=file,
        syntax=syntax,
        frames=frames,
        rows=rows,
        columns=columns,
        allocated=allocated,
        stored=stored,
        signed=sign == 1,
        padding=_padding(get, sign == 1),
        has_lut=bool(tags.many(get("ModalityLUTSequence"))),
        series=one_line(str(get("SeriesInstanceUID") or "").strip()) or "dicom",
        facts=_facts(get, image_type, inverted=shown_as == "MONOCHROME1"),
        private=_private(get),
        patient=str(get("PatientID") or get("PatientName") or "").strip(" ^").lower(),
        odd=tuple(_oddities(dataset, guessed)),
        trouble=None,
        dataset=dataset,
    )
    return _slices(dataset, replace(header, trouble=trouble_of(header, sign in (0, 1))), image_type)


def _oddities(dataset: Any, guessed: bool) -> Iterator[str]:
    """What breaks the standard and leaves little doubt of what is meant."""
    if guessed:
        yield "no transfer syntax"
    for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation"):
        if (kind := tags.kind(dataset, keyword)) not in (None, "US"):
            yield f"{keyword} as {kind}"


def _facts(get: Get, image_type: list[str], inverted: bool) -> Facts:
    return Facts(
        description=str(get("SeriesDescription") or "").strip(),
        series_number=tags.integer(get("SeriesNumber")),
        manufacturer=str(get("Manufacturer") or "").strip(),
        model=str(get("ManufacturerModelName") or "").strip(),
        kernel="/".join(str(word) for word in tags.many(get("ConvolutionKernel"))),
        kvp=tags.number(get("KVP")),
        inverted=inverted,
        projection="MIP" in image_type or "MINIP" in image_type,
        lossy=str(get("LossyImageCompression") or "") == "01",
        burned_in=str(get("BurnedInAnnotation") or "").strip().upper() == "YES",
    )


def _slices(dataset: Any, header: Header, image_type: list[str]) -> list[Slice]:
    """One Slice per frame: per-frame groups first, then the shared ones, then the top level."""
    shared = tags.first(tags.many(tags.get(dataset, "SharedFunctionalGroupsSequence")))
    per_frame = tags.many(tags.get(dataset, "PerFrameFunctionalGroupsSequence"))
    series_phase = {
        "image type": "/".join(image_type),
        "kernel": header.facts.kernel,
        "kV": str(header.facts.kvp),
        "content time": str(tags.get(dataset, "ContentTime")),
    }
    slices = []
    for frame in range(header.frames if header.trouble is None else 1):
        groups = [g for g in (per_frame[frame] if frame < len(per_frame) else None, shared) if g is not None]
        slices.append(_slice(dataset, header, frame, groups, series_phase))
    return slices


def _slice(dataset: Any, header: Header, frame: int, groups: list[Any], series_phase: dict[str, str]) -> Slice:
    """One frame; a tag is asked of the functional `groups` in their order, then of the top level."""

    def holders(sequence: str) -> list[Any]:
        return [*(i for g in groups if (i := tags.first(tags.many(tags.get(g, sequence)))) is not None), dataset]

    def value(sequence: str, keyword: str) -> Any:
        return next((v for holder in holders(sequence) if (v := tags.get(holder, keyword)) is not None), None)

    def geometry(sequence: str, keyword: str, parse: Callable[[Any], NDArray[np.float64] | None]) -> Any:
        """What is absent may be guessed; what is there and makes no sense is damage, and left and right with it."""
        parsed = parse(value(sequence, keyword))
        if parsed is None and any(tags.given(holder, keyword) for holder in holders(sequence)):
            raise NotUsed(f"a place in the patient that makes no sense ({keyword})", tags.DAMAGED)
        return parsed

    def rescale(keyword: str) -> float | None:
        """None where it is absent, NaN where it is no number."""
        given = [h for h in holders("PixelValueTransformationSequence") if tags.given(h, keyword)]
        number = tags.number(tags.get(given[0], keyword)) if given else None
        return math.nan if given and number is None else number

    if "PERFUSION" in [str(word).upper() for word in tags.many(value("CTImageFrameTypeSequence", "FrameType"))]:
        raise NotUsed("a perfusion map, not CT values", "give the CT slices")
    unit = str(value("PixelValueTransformationSequence", "RescaleType") or "").upper().strip()
    if unit not in ("", "HU", "US", "HU_MOD", "UNSPECIFIED"):
        raise NotUsed(f"a map in {unit[:16]}, not in HU", "give the CT slices")
    spacing = tags.numbers(value("PixelMeasuresSequence", "PixelSpacing"), 2)
    usable = spacing is not None and all(plausible(mm, PIXEL_MM) for mm in spacing)
    between = tags.number(value("PixelMeasuresSequence", "SpacingBetweenSlices"))
    acquisition = value("FrameContentSequence", "FrameAcquisitionNumber") or tags.get(dataset, "AcquisitionNumber")
    time_point = value("FrameContentSequence", "TemporalPositionIndex")
    return Slice(
        header=header,
        frame=frame,
        position=geometry("PlanePositionSequence", "ImagePositionPatient", tags.position),
        orientation=geometry("PlaneOrientationSequence", "ImageOrientationPatient", tags.cosines),
        spacing=(float(spacing[0]), float(spacing[1])) if spacing is not None and usable else None,
        between=between if between is not None and plausible(between, SLICE_MM) else None,
        slope=rescale("RescaleSlope"),
        intercept=rescale("RescaleIntercept"),
        instance=(tags.integer(tags.get(dataset, "InstanceNumber")) or 0) * MAX_FILES + frame,
        phase={
            "acquisition": str(acquisition),
            "time point": str(time_point or tags.get(dataset, "TemporalPositionIdentifier")),
            "stack": str(value("FrameContentSequence", "StackID")),
            **series_phase,
        },
    )


def _padding(get: Get, signed: bool) -> tuple[int, int] | None:
    """The stored values that mean padding, lowest and highest. Written unsigned though signed is a common slip."""
    first = tags.integer(get("PixelPaddingValue"))
    if first is None:
        return None
    limit = tags.integer(get("PixelPaddingRangeLimit"))
    values = [v - 65536 if signed and v > 32767 else v for v in (first, first if limit is None else limit)]
    return min(values), max(values)


def _private(get: Get) -> tuple[str, ...]:
    """The words of the patient's name and number, lower case, so that no label repeats them."""
    text = f"{get('PatientName') or ''} {get('PatientID') or ''}".lower()
    for separator in "^=,;\\/":
        text = text.replace(separator, " ")
    return tuple(word for word in text.split() if len(word) > 1)
