"""From what the user gave - files, folders, zips - to a flat list of files.

Members of a zip are written under made-up names into a private folder that is deleted afterwards, so a hostile name
can reach nothing; their bytes are counted while they are written, so a false size cannot fill the disk.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import IO

from infnet.errors import ReadError
from infnet.files import private_folder
from infnet.notices import Notice, warn
from infnet.read import sniff
from infnet.read.files import (
    LONGEST,
    MAX_BYTES,
    MAX_FILES,
    File,
    NotUsed,
    Skipped,
    in_words,
    natural_key,
    one_line,
    refuse,
)

MAX_RATIO = 200  # times smaller than its contents: beyond it, and with much inside, a zip is a bomb
RATIO_MATTERS = 256 << 20  # bytes of contents; a small phantom of one grey may well shrink 500 times
MAX_DIRECTORY = 16 << 20  # bytes of a zip's list of members
_CHUNK = 1 << 20
# The zip library raises as many exceptions as there are kinds of damage.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
    OSError,
)
_REPACK = "pack the folder of one CT series again"


@dataclass
class Gathered:
    """The usable files by kind, those left out, what is to be said of all, and a name for them together.

    nameless: no label repeats the name of a file.
    """

    title: str
    nameless: bool = False
    files: dict[sniff.Kind, list[File]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def add(self, file: File, kind: sniff.Kind) -> None:
        self.files.setdefault(kind, []).append(file)

    def of(self, kind: sniff.Kind) -> list[File]:
        return self.files.get(kind, [])

    def skip(self, label: str, why: NotUsed) -> None:
        self.skipped.append(Skipped(one_line(label), one_line(why.reason, LONGEST), why.action))


@contextmanager
def gather(paths: str | Path | Sequence[str | Path], alias: str | None = None) -> Iterator[Gathered]:
    """List the files in `paths` by kind; unpacked zips live until the context ends.

    alias: what one path is called in place of its name; what lies in it, or several paths, are then `alias/file_1` and
    so on, in the natural order of their names, and what is packed in a zip `.../member_1`.
    Raises ReadError where a path is missing, a folder is too large, or a zip is unsafe.
    """
    given = [Path(paths)] if isinstance(paths, str | Path) else [Path(p) for p in paths]
    if not given:
        raise refuse("input", "nothing was given", "give a DICOM folder, a zip, a NIfTI file or pictures")
    title = given[0].resolve().name if len(given) == 1 else f"{len(given)} files"
    gathered = Gathered(title if alias is None else alias, nameless=alias is not None)
    with ExitStack() as stack:
        for file in _walk(given, alias):
            try:
                kind = sniff.kind_of(file)
            except NotUsed as why:
                gathered.skip(file.label, why)
                continue
            if kind == "zip":
                _unpack(file, stack, gathered)
            else:
                gathered.add(file, kind)
        yield gathered


def _walk(given: list[Path], alias: str | None) -> Iterator[File]:
    count = 0
    labels = [path.name for path in given]
    if alias is not None:
        labels = [alias] if len(given) == 1 else numbered(labels, f"{alias}/file")
    for path, label in zip(given, labels, strict=True):
        if path.is_dir():
            files = _inside(path)
        elif path.is_file():
            files = iter([File(path, label)])
        elif path.exists():
            raise refuse(label, "neither a file nor a folder", "give a file or a folder")
        else:
            raise refuse(label, "no such file or folder", "check the path")
        found = list(islice(files, MAX_FILES - count + 1))
        count += len(found)
        if count > MAX_FILES:
            raise refuse(label, f"more than {MAX_FILES} files", "give the folder of one CT series")
        if alias is not None and path.is_dir():
            neutral = numbered([file.label for file in found], f"{label}/file")
            found = [replace(file, label=name) for file, name in zip(found, neutral, strict=True)]
        yield from found


def numbered(names: Sequence[str], word: str) -> list[str]:
    """`word_1` in place of the first of `names` in their natural order, and so on; in the order of `names`."""
    places = {at: place for place, at in enumerate(sorted(range(len(names)), key=lambda at: natural_key(names[at])), 1)}
    return [f"{word}_{places[at]}" for at in range(len(names))]


def _inside(folder: Path) -> Iterator[File]:
    for base, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(base) / name
            if path.is_file() and not _clutter(name):
                yield File(path, path.relative_to(folder).as_posix())


def _clutter(name: str) -> bool:
    """Files that systems leave in every folder; not worth a line."""
    return name.startswith(".") or name.lower() in ("thumbs.db", "desktop.ini")


def _unpack(file: File, stack: ExitStack, gathered: Gathered) -> None:
    """Write the usable members of a zip to a folder that goes with `stack`, and list them in `gathered`."""
    _check_directory(file)
    try:
        folder = stack.enter_context(private_folder())
        with zipfile.ZipFile(file.path) as archive:
            members = [m for m in archive.infolist() if not m.filename.endswith("/")]
            _check_members(file, members, gathered.nameless)
            gathered.notices += _same_names(members)
            written = 0
            names = [member.filename.replace("\\", "/") for member in members]
            labels = numbered(names, "member") if gathered.nameless else names
            for number, (member, name, label) in enumerate(zip(members, names, labels, strict=True)):
                if _clutter(name.rsplit("/", 1)[-1]) or name.startswith("__MACOSX/"):
                    continue
                target = File(folder / f"{number:06d}", f"{file.label}/{label}")
                try:
                    if stat.S_ISLNK(member.external_attr >> 16):
                        raise NotUsed("a link, not a file", _REPACK)
                    with archive.open(member) as source:
                        kind = _kind_of_member(source)
                    with archive.open(member) as source, target.path.open("wb") as out:
                        while chunk := source.read(_CHUNK):
                            written += len(chunk)
                            if written > min(_allowed(file), MAX_BYTES):
                                raise refuse(file.label, "unpacks to far more than a chest CT holds", _REPACK)
                            out.write(chunk)
                    gathered.add(target, kind)
                except NotUsed as why:
                    gathered.skip(target.label, why)
    except ReadError:
        raise
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # those two mean a wrong offset
            action = "free some space, or name another folder in TMPDIR"
            raise refuse(file.label, f"no place to unpack it ({error.strerror})", action) from None
        raise refuse(file.label, "a damaged zip", "pack or download it again") from None


def _kind_of_member(source: IO[bytes]) -> sniff.Kind:
    kind = sniff.kind_of_bytes(source.read(sniff.HEAD))
    if kind == "zip":
        raise NotUsed("a zip inside a zip", "unpack the outer zip first")
    return kind


def _allowed(file: File) -> int:
    return max(file.path.stat().st_size * MAX_RATIO, RATIO_MATTERS)


def _check_members(file: File, members: list[zipfile.ZipInfo], nameless: bool) -> None:
    """Refuse a zip that may harm the machine or cannot be unpacked. Raises ReadError."""
    if not members:
        raise refuse(file.label, "an empty zip", _REPACK)
    for member in members:
        name = member.filename.replace("\\", "/")
        if not name:
            raise refuse(file.label, "a damaged zip: it holds a file without a name", _REPACK)
        if name.startswith("/") or ".." in name.split("/") or (len(name) > 1 and name[1] == ":"):
            unsafe = "an unsafe name" if nameless else f"the unsafe name '{one_line(member.filename, 40)}'"
            raise refuse(file.label, f"holds {unsafe}", _REPACK)
        if member.flag_bits & 1:
            raise refuse(file.label, "protected by a password", "unpack it first, or pack it without a password")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise refuse(file.label, "packed by an unusual method", "pack it again as an ordinary zip")
    total = sum(member.file_size for member in members)
    if total > min(_allowed(file), MAX_BYTES):
        raise refuse(file.label, f"unpacks to {in_words(total)}, far more than a chest CT holds", _REPACK)
    if total > shutil.disk_usage(tempfile.gettempdir()).free:
        raise refuse(file.label, f"unpacks to {in_words(total)}, more than the free disk space", "free some space")


def _same_names(members: list[zipfile.ZipInfo]) -> list[Notice]:
    """Two files of one name: an unpacking program keeps one of them, and which one nobody knows."""
    again = sum(count > 1 for count in Counter(member.filename for member in members).values())
    if not again:
        return []
    names = "1 name stands" if again == 1 else f"{again} names stand"
    return [warn("same-name", f"{names} more than once in the zip: all files were read.")]


def _check_directory(file: File) -> None:
    """Look at the size of the member list before the zip library loads all of it. Raises ReadError."""
    size = file.path.stat().st_size
    with file.path.open("rb") as opened:
        opened.seek(max(0, size - 65_557))  # the end record is 22 bytes and a comment of up to 65535
        tail = opened.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) < at + 22:
            raise refuse(file.label, "a zip without its end (cut short?)", "pack or download it again")
        entries, directory = struct.unpack("<HI", tail[at + 10 : at + 16])
        record = tail[max(at - 76, 0) : at]  # a zip64 has its own end record, then a pointer to it, before this one
        if len(record) == 76 and record.startswith(b"PK\x06\x06") and record[56:60] == b"PK\x06\x07":
            entries, directory = struct.unpack("<32xQQ", record[:48])
    if entries > MAX_FILES or directory > MAX_DIRECTORY:
        raise refuse(file.label, f"lists more than {MAX_FILES} files", "pack the folder of one CT series")
