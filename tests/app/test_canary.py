"""A word in every place that can name a patient turns up nowhere: not on a page, in a file, a message or a log."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataset import Dataset
from streamlit.testing.v1 import AppTest

import infnet
from app.core.uploads import read_upload
from app.views.parts import downloads
from tests.app.apptest import dicom, finish, go, press, upload
from tests.app.examples import small

WORD = "Zaubermann"
PAGES = ("Study", "Viewer", "Numbers", "Compare", "Check", "About")
# Identification, patient, acquisition, study, visit, procedure, and the retired groups of free text.
GROUPS = (0x0008, 0x0010, 0x0018, 0x0020, 0x0032, 0x0038, 0x0040, 0x4000, 0x4008)
KINDS = ("PN", "LO", "SH", "LT", "ST", "UT", "UC")
TAGS = [tag for tag, (kind, *_) in DicomDictionary.items() if tag >> 16 in GROUPS and kind in KINDS]


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


@pytest.fixture
def files(tmp_path: Path) -> list[tuple[str, bytes]]:
    """A study of a patient whom everything names."""
    return [(f"{WORD}_{name}", named(content)) for name, content in dicom(small(), tmp_path / "dicom")]


def packed(files: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = WORD.encode()
        for name, content in files:
            archive.writestr(f"{WORD}/{name}", content)
    return buffer.getvalue()


def texts(data: bytes) -> str:
    """All that a file holds, with what is packed in it."""
    if data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return "".join(name + texts(archive.read(name)) for name in archive.namelist())
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("latin-1")


def test_no_page_no_file_no_log_and_no_folder_holds_it(
    app: AppTest,
    files: list[tuple[str, bytes]],
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    offered: dict[str, bytes] = {}

    def keep(label: str, data: Any, name: str, *_: str) -> None:
        offered[name] = data if isinstance(data, bytes) else data()

    monkeypatch.setattr(downloads, "button", keep)
    for uploaded in (files, [(f"{WORD}.zip", packed(files))], [*files, (f"{WORD}.txt", WORD.encode())]):
        offered.clear()
        finish(upload(app, *uploaded))
        for title in PAGES:
            go(app, title)
            assert not app.exception, title
            assert WORD not in str(app), title
            assert WORD not in str(dict(app.query_params)), title
        assert len(offered) >= 6
        for name, data in offered.items():
            assert WORD not in name + texts(data), name
        assert not list(temporary.rglob("*"))
        press(go(app, "Study"), "Close study")
    said = capfd.readouterr()
    assert WORD not in said.out + said.err + caplog.text


class File:
    """An uploaded file."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name, self._content = name, content

    def getbuffer(self) -> memoryview:
        return memoryview(self._content)


def broken(kind: str, files: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Uploads that cannot be read, in all the ways that a message may want to name something."""
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
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
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
    ],
)
def test_no_message_about_a_file_holds_it(kind: str, files: list[tuple[str, bytes]], temporary: Path) -> None:
    with pytest.raises(infnet.InfNetError) as error:
        read_upload([File(name, content) for name, content in broken(kind, files)])
    line = str(error.value)
    assert WORD[:5].lower() not in line.lower(), line
    assert "; " in line, "it still says what to do"
    assert str(temporary) not in line
    assert not list(temporary.rglob("*"))
