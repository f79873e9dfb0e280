"""What a file is, told from its first bytes. Names and extensions play no role."""

from __future__ import annotations

import struct
import zlib
from typing import Literal

from infnet.read.files import File, NotUsed, refuse

Kind = Literal["dicom", "nifti", "picture", "zip"]
HEAD = 1024  # bytes that are enough to tell

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"BM")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OTHERS = {
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
    b"\x00\x00\x00\x0cjP": "a loose JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a loose JPEG 2000 picture",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"NRRD": "an NRRD volume",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy file",
}


def kind_of(file: File) -> Kind:
    """The kind of `file` by content. Raises NotUsed for anything else, ReadError where it cannot be opened."""
    try:
        with file.path.open("rb") as opened:
            head = opened.read(HEAD)
    except OSError as error:
        raise refuse(file.label, f"cannot be opened ({error.strerror})", "check the path and the permission") from None
    return kind_of_bytes(head)


def kind_of_bytes(head: bytes) -> Kind:
    """The kind of a file that starts with `head`. Raises NotUsed with the reason for anything else."""
    if not head:
        raise NotUsed("empty file", "export or copy it again")
    if head[128:132] == b"DICM":
        return "dicom"
    if head[:2] == b"\x1f\x8b":
        return _inside_gzip(head)
    if _nifti(head):
        return "nifti"
    if head.startswith(_ZIP):
        return "zip"
    if head.startswith(_PICTURES):
        return "picture"
    for magic, name in _OTHERS.items():
        if head.startswith(magic):
            raise NotUsed(f"{name}, not an image this program reads")
    if _headless_dicom(head):
        return "dicom"
    if all(32 <= c < 127 or c in b"\t\r\n" for c in head):
        raise NotUsed("plain text, not an image")
    raise NotUsed("not an image this program knows")


def _nifti(head: bytes) -> bool:
    size = head[:4]
    if size in (struct.pack("<i", 348), struct.pack(">i", 348)):
        if head[344:347] == b"ni1":
            raise NotUsed("a NIfTI header without its image", "save header and image as one .nii file")
        if head[344:347] != b"n+1":
            raise NotUsed("an Analyze header, or a damaged NIfTI", "save it as NIfTI (.nii) again")
        return True
    return size in (struct.pack("<i", 540), struct.pack(">i", 540)) and head[4:7] == b"n+2"


def _inside_gzip(head: bytes) -> Kind:
    try:
        inside = zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error:
        raise NotUsed("a damaged gzip file", "export or copy it again") from None
    if _nifti(inside):
        return "nifti"
    raise NotUsed("a gzip file without NIfTI in it", "unpack it first")


def _headless_dicom(head: bytes) -> bool:
    """DICOM without its preamble starts with an element of group 2 or 8, in either byte order."""
    if len(head) < 16 or head[:2] not in (b"\x02\0", b"\x08\0", b"\0\x08"):
        return False
    order = ">" if head[:2] == b"\0\x08" else "<"
    element, vr, length = *struct.unpack(order + "H", head[2:4]), head[4:6], struct.unpack(order + "I", head[4:8])[0]
    return element < 0x3000 and ((vr.isalpha() and vr.isupper()) or length <= 1024)
