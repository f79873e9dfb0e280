"""A patient whom everything names, to see that the name turns up nowhere."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pydicom
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataset import Dataset

import infnet
from infnet import phantom

WORD = "Zaubermann"
# Identification, patient, acquisition, study, visit, procedure, and the retired groups of free text.
GROUPS = (0x0008, 0x0010, 0x0018, 0x0020, 0x0032, 0x0038, 0x0040, 0x4000, 0x4008)
KINDS = ("PN", "LO", "SH", "LT", "ST", "UT", "UC")
TAGS = [tag for tag, (kind, *_) in DicomDictionary.items() if tag >> 16 in GROUPS and kind in KINDS]
Files = list[tuple[str, bytes]]


def named(content: bytes) -> bytes:
    """A DICOM file with the word in every one of TAGS, in a nested and in a private one."""
    header = pydicom.dcmread(io.BytesIO(content))
    for tag in TAGS:
        kind = DicomDictionary[tag][0]
        header.add_new(tag, kind, f"{WORD}^Eva" if kind == "PN" else WORD)
    nested = Dataset()
    nested.PatientName = nested.PatientComments = WORD
    header.RequestAttributesSequence = header.OtherPatientIDsSequence = [nested]
    header.private_block(0x0011, WORD, create=True).add_new(0x01, "LO", WORD)
    header.preamble = WORD.encode().ljust(128, b"\0")
    buffer = io.BytesIO()
    header.save_as(buffer)
    assert buffer.getvalue().count(WORD.encode()) > len(TAGS) > 300
    return buffer.getvalue()


def slices(study: infnet.Study, folder: Path) -> Files:
    """A study as DICOM files that all carry the word, in their names too. Written to `folder` without it first."""
    return [(f"{WORD}_{path.name}", named(path.read_bytes())) for path in phantom.write_dicom(study, folder)]


def packed(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = WORD.encode()
        for name, content in files:
            archive.writestr(f"{WORD}/{name}", content)
    return buffer.getvalue()


def broken(files: Files) -> Mapping[str, Files]:
    """What cannot be read, in all the ways in which a message may want to name something."""
    name, content = files[0]
    cut = [(name, content[: len(content) // 2])]
    return {
        "text": [(f"{WORD}.txt", b"hello")],
        "several texts": [(f"{WORD}.txt", b"hello"), (f"{WORD}2.txt", b"hello")],
        "cut": cut,
        "cut in a zip": [(f"{WORD}.zip", packed(cut))],
        "text in a zip": [(f"{WORD}.zip", packed([(f"{WORD}.txt", b"hello")]))],
        "long name in a zip": [(f"{WORD}.zip", packed([(f"{WORD}{'x' * 200}{WORD}.txt", b"hello")]))],
        "unsafe zip": [(f"{WORD}.zip", packed([(f"../../../../{WORD}", content)]))],
        "half a zip": [(f"{WORD}.zip", packed(files)[:-300])],
        "empty": [(f"{WORD}.dcm", b"")],
        "nothing of DICOM but its mark": [(f"{WORD}.dcm", WORD.encode().ljust(128, b"\0") + b"DICM" + b"\0" * 99)],
        "half a NIfTI": [(f"{WORD}.nii", (348).to_bytes(4, "little") + WORD.encode().ljust(344, b"\0"))],
        "two patients": [*files[:3], *((f"{WORD}_{n}", _of_another(data)) for n, (_, data) in enumerate(files[3:]))],
        "two series in a zip": [(f"{WORD}.zip", packed([(f"{WORD}{n}.nii", NIFTI) for n in (1, 2)]))],
    }


def _of_another(content: bytes) -> bytes:
    header = pydicom.dcmread(io.BytesIO(content))
    header.PatientID = f"{WORD}2"
    buffer = io.BytesIO()
    header.save_as(buffer)
    return buffer.getvalue()


def _nifti() -> bytes:
    import nibabel
    import numpy as np

    image = nibabel.Nifti1Image(np.zeros((8, 8, 4), np.int16), np.eye(4))
    image.header["descrip"] = WORD.encode()
    return bytes(image.to_bytes())


NIFTI = _nifti()
BROKEN = (
    "text",
    "several texts",
    "cut",
    "cut in a zip",
    "text in a zip",
    "long name in a zip",
    "unsafe zip",
    "half a zip",
    "empty",
    "nothing of DICOM but its mark",
    "half a NIfTI",
    "two patients",
    "two series in a zip",
)


def texts(data: bytes) -> str:
    """All that a file holds, with what is packed in it."""
    if data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return "".join(name + texts(archive.read(name)) for name in archive.namelist())
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("latin-1")


def everything(folder: Path) -> str:
    """Names and contents of all that lies in a folder."""
    found = sorted(folder.rglob("*"))
    return "".join(
        f"{path.relative_to(folder)}\n{texts(path.read_bytes()) if path.is_file() else ''}" for path in found
    )
