"""Zips and folders: what is in them, and how they are packed."""

from __future__ import annotations

import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.read.catalogue.dicom import put, series, slices
from tests.read.catalogue.kind import Makers
from tests.read.catalogue.nifti import plain
from tests.read.catalogue.pictures import encoded, grey

Members = list[tuple[str | zipfile.ZipInfo, bytes]]


def ct(folder: Path) -> Members:
    """The series as members of a zip."""
    paths = [put(dataset, folder / f"made{index}") for index, dataset in enumerate(slices())]
    members: Members = [(f"ct/IM{index}", path.read_bytes()) for index, path in enumerate(paths)]
    for path in paths:
        path.unlink()
    return members


def zipped(
    *more: tuple[str | zipfile.ZipInfo, bytes],
    with_ct: bool = True,
    method: int = zipfile.ZIP_DEFLATED,
    change: Callable[[bytearray], bytes | bytearray] = bytes,
) -> Callable[[Path], Path]:
    """A zip of the series and further members, its bytes changed."""

    def make(folder: Path) -> Path:
        members = [*(ct(folder) if with_ct else []), *more]
        path = folder / "x.zip"
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method, compresslevel=1) as out:
            warnings.simplefilter("ignore")
            for name, content in members:
                out.writestr(name, content)
        path.write_bytes(change(bytearray(path.read_bytes())))
        return path

    return make


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def locked(data: bytearray) -> bytearray:
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return data


def flipped(data: bytearray) -> bytearray:
    data[5000] ^= 0xFF
    return data


def lying(data: bytearray) -> bytes:
    size = 8 << 20
    return bytes(data).replace(struct.pack("<I", size), struct.pack("<I", 1000))


def twice(folder: Path) -> Path:
    members = ct(folder)
    return zipped(*members[:3], ("ct/IM2", members[3][1]), with_ct=False)(folder)


def folder_with(**files: bytes) -> Callable[[Path], Path]:
    """The series in a folder, beside further files."""

    def make(folder: Path) -> Path:
        series()(folder)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder

    return make


def volumes(folder: Path) -> Path:
    for name in ("a.nii", "b.nii"):
        (folder / name).write_bytes(plain())
    return folder


def hostile_name(folder: Path) -> Path:
    path = folder / "a\r\x1b[31m\n.dcm"
    path.write_bytes(b"")
    return path


UNSAFE = "holds the unsafe name"
MAKERS: Makers = {
    "a series in a zip": zipped(),
    "a series in a zip that is not packed": zipped(method=zipfile.ZIP_STORED),
    "what systems leave in a zip": zipped(("__MACOSX/._IM0", b"x" * 50), ("ct/.DS_Store", b"y")),
    "a text beside the slices": zipped(("notes.txt", b"hello there")),
    "a link beside the slices": zipped((link("ct/latest"), b"IM0")),
    "a link to /etc/passwd alone": zipped((link("ct"), b"/etc/passwd"), with_ct=False),
    "a name twice": twice,
    "a name with ..": zipped(("../evil", b"x")),
    "a name from the root": zipped(("/etc/evil", b"x")),
    "a name with a drive": zipped(("C:\\evil", b"x")),
    "a file without a name": zipped((zipfile.ZipInfo(""), b"x" * 50)),
    "a password": zipped(("a", b"x" * 50), with_ct=False, change=locked),
    "packed by LZMA": zipped(method=zipfile.ZIP_LZMA),
    "a zip in a zip": zipped(("inner.zip", b"PK\x03\x04" + bytes(99)), with_ct=False),
    "a zip without its end": zipped(change=lambda data: data[: len(data) // 2]),
    "a zip with a flipped byte": zipped(change=flipped),
    "300 MiB of nothing": zipped(("a.png", bytes(300 << 20)), with_ct=False),
    "a member larger than it says": zipped(
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes((8 << 20) - 8)), with_ct=False, change=lying
    ),
    "an empty zip": zipped(with_ct=False),
    "a zip without images": zipped(("a.txt", b"hello"), ("b.pdf", b"%PDF-1.4"), with_ct=False),
    "a preview beside the slices": lambda folder: folder_with(preview=encoded(grey()))(folder),
    "a volume beside the slices": lambda folder: folder_with(volume=plain())(folder),
    "two volumes": volumes,
    "an empty folder": lambda folder: folder,
    "a path that is not there": lambda folder: folder / "none",
    "a name with line breaks and escapes": hostile_name,
}
