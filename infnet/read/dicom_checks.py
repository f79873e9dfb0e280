"""What is no CT image, and what of one must not be decoded, by a DICOM header."""

from __future__ import annotations

from infnet.read import dicom_tags as tags
from infnet.read.dicom_slice import Header
from infnet.read.files import MAX_BYTES, MAX_FILES, MAX_SIDE, NotUsed, in_words

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


def check_kind(sop_class: str, modality: str, rows: int | None, image_type: list[str]) -> None:
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


def trouble_of(header: Header, sign_is_known: bool) -> tuple[str, str] | None:
    """Why these pixels must not be decoded, (reason, action): a senseless header, or a file too short for them."""
    frames, rows, columns = header.frames, header.rows, header.columns
    if header.allocated not in (8, 16, 32) or not 0 < header.stored <= header.allocated:
        return f"{header.allocated} bits a pixel, {header.stored} of them stored, is no CT", tags.DAMAGED
    if not sign_is_known:
        return "does not say whether its values have a sign (PixelRepresentation)", tags.DAMAGED
    if not 0 < frames <= MAX_FILES:
        return "its number of frames makes no sense", tags.DAMAGED
    expected = frames * header.frame_bytes
    size = header.file.path.stat().st_size
    if header.syntax in tags.NATIVE and header.syntax != tags.DEFLATED and expected > size:
        return f"cut short: {rows} x {columns} pixels need {in_words(expected)}, it has {in_words(size)}", tags.DAMAGED
    if rows > MAX_SIDE or columns > MAX_SIDE:
        return f"a slice of {rows} x {columns} pixels", f"give slices of at most {MAX_SIDE} x {MAX_SIDE}"
    if expected > MAX_BYTES:
        return f"{in_words(expected)} of pixels", f"give at most {in_words(MAX_BYTES)}"
    return None
