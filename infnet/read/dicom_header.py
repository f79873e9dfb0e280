"""One DICOM file's header: is it a slice of a chest CT, and where does it lie? Nothing is decoded here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from infnet.read import dicom_tags as tags
from infnet.read.dicom_slice import Facts, Header, Slice
from infnet.read.files import MAX_BYTES, MAX_FILES, MAX_SIDE, File, NotUsed, in_words

_CT = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
_KINDS = {
    "RTSTRUCT": "a structure set (RTSTRUCT), not an image",
    "RTDOSE": "a dose map (RTDOSE), not CT",
    "RTPLAN": "a treatment plan (RTPLAN), not an image",
    "SR": "a report (SR), not an image",
    "KO": "a key-object note (KO), not an image",
    "PR": "a presentation state (PR), not an image",
    "SEG": "a segmentation (SEG), not CT",
    "DOC": "a document (DOC), not an image",
}
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

Get = Callable[[str], Any]  # a tag's value by its keyword


def scan(file: File) -> list[Slice]:
    """The CT slices in `file`, usually one. Raises NotUsed, with the reason, where it holds none."""
    dataset, syntax = tags.open_dataset(file, _TAGS, pixels=False)
    get = partial(tags.get, dataset)
    rows, columns = tags.integer(get("Rows")), tags.integer(get("Columns"))
    image_type = [str(word).upper() for word in tags.many(get("ImageType"))]
    _check_kind(str(get("SOPClassUID") or ""), str(get("Modality") or "").upper(), rows, image_type)
    if not rows or not columns:
        raise NotUsed("no image size in it (Rows and Columns)", tags.DAMAGED)
    shown_as = str(get("PhotometricInterpretation") or "").strip()
    if (tags.integer(get("SamplesPerPixel")) or 1) != 1 or not (shown_as + "MONO").startswith("MONO"):
        raise NotUsed("a colour picture (screen capture), not CT values", "give the original CT slices")

    allocated = tags.integer(get("BitsAllocated")) or 0
    stored = tags.integer(get("BitsStored")) or allocated
    signed = tags.integer(get("PixelRepresentation")) == 1
    number = get("NumberOfFrames")
    frames = 1 if number is None or str(number).strip() == "" else tags.integer(number) or 0
    header = Header(
        file=file,
        syntax=syntax,
        frames=frames,
        rows=rows,
        columns=columns,
        allocated=allocated,
        stored=stored,
        signed=signed,
        padding=_padding(get, signed),
        has_lut=bool(tags.many(get("ModalityLUTSequence"))),
        series=str(get("SeriesInstanceUID") or "").strip() or "dicom",
        facts=_facts(get, image_type, inverted=shown_as == "MONOCHROME1"),
        private=_private(get),
        trouble=_trouble(file, syntax, (frames, rows, columns), allocated, stored),
    )
    return _slices(dataset, header, image_type)


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


def _check_kind(sop_class: str, modality: str, rows: int | None, image_type: list[str]) -> None:
    """Let CT images through; raise NotUsed for everything else."""
    action = "give the CT slices"
    if sop_class == "1.2.840.10008.1.3.10":
        raise NotUsed("a list of DICOM files (DICOMDIR), not an image", action)
    if modality in _KINDS:
        raise NotUsed(_KINDS[modality], action)
    if modality and modality != "CT":
        raise NotUsed(f"{modality[:16]}, not CT", "give a chest CT")
    if not modality and not sop_class:
        reason = "no modality in it, so not known to be CT" if rows else "damaged, or not a DICOM image"
        raise NotUsed(reason, tags.DAMAGED)
    if sop_class and sop_class not in _CT:
        raise NotUsed("a DICOM object that is not a CT image", action)
    if {"LOCALIZER", "SCOUT", "TOPOGRAM"} & set(image_type):
        raise NotUsed("a localizer (scout view), not a slice", action)
    if "PERFUSION" in image_type[2:]:
        raise NotUsed("a perfusion map, not CT values", action)


def _trouble(
    file: File, syntax: str, shape: tuple[int, int, int], allocated: int, stored: int
) -> tuple[str, str] | None:
    """Why these pixels (frame, row, column) must not be decoded: absurd sizes, or a file that is too short for them."""
    frames, rows, columns = shape
    if allocated not in (8, 16, 32) or not 0 < stored <= allocated:
        return f"{allocated} bits a pixel, {stored} of them stored, is no CT", tags.DAMAGED
    if not 0 < frames <= MAX_FILES:
        return "its number of frames makes no sense", tags.DAMAGED
    expected = rows * columns * frames * (allocated // 8)
    size = file.path.stat().st_size
    if syntax in tags.NATIVE and syntax != tags.DEFLATED and expected > size:
        return f"cut short: {rows} x {columns} pixels need {in_words(expected)}, it has {in_words(size)}", tags.DAMAGED
    if rows > MAX_SIDE or columns > MAX_SIDE:
        return f"a slice of {rows} x {columns} pixels", f"give slices of at most {MAX_SIDE} x {MAX_SIDE}"
    if expected > MAX_BYTES:
        return f"{in_words(expected)} of pixels", f"give at most {in_words(MAX_BYTES)}"
    return None


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

    def value(sequence: str, keyword: str) -> Any:
        for group in groups:
            item = tags.first(tags.many(tags.get(group, sequence)))
            if item is not None and (inner := tags.get(item, keyword)) is not None:
                return inner
        return tags.get(dataset, keyword)

    if "PERFUSION" in [str(word).upper() for word in tags.many(value("CTImageFrameTypeSequence", "FrameType"))]:
        raise NotUsed("a perfusion map, not CT values", "give the CT slices")
    unit = str(value("PixelValueTransformationSequence", "RescaleType") or "").upper().strip()
    if unit not in ("", "HU", "US", "HU_MOD", "UNSPECIFIED"):
        raise NotUsed(f"a map in {unit[:16]}, not in HU", "give the CT slices")
    spacing = tags.numbers(value("PixelMeasuresSequence", "PixelSpacing"), 2)
    acquisition = value("FrameContentSequence", "FrameAcquisitionNumber") or tags.get(dataset, "AcquisitionNumber")
    time_point = value("FrameContentSequence", "TemporalPositionIndex")
    return Slice(
        header=header,
        frame=frame,
        position=tags.numbers(value("PlanePositionSequence", "ImagePositionPatient"), 3),
        orientation=tags.cosines(value("PlaneOrientationSequence", "ImageOrientationPatient")),
        spacing=(float(spacing[0]), float(spacing[1])) if spacing is not None and (spacing > 0).all() else None,
        between=tags.number(value("PixelMeasuresSequence", "SpacingBetweenSlices")),
        slope=tags.number(value("PixelValueTransformationSequence", "RescaleSlope")),
        intercept=tags.number(value("PixelValueTransformationSequence", "RescaleIntercept")),
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
