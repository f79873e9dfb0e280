"""Uploaded files as a study, through a private folder that is gone afterwards, and under names that say nothing."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import infnet
from infnet.read.files import natural_key, one_line

NEUTRAL = "file_{}"  # numbered in the order of their names, which is the order of loose pictures


class Upload(Protocol):
    """One uploaded file: its name in the user's browser, and its bytes."""

    @property
    def name(self) -> str: ...

    def getbuffer(self) -> memoryview: ...


def read_upload(files: Sequence[Upload], series: str | None = None) -> infnet.Study:
    """Read uploaded files through a private folder that is gone when this returns.

    The study has the name that came with the files. Raises InfNetError, whose line holds none of their names.
    """
    with tempfile.TemporaryDirectory(prefix="infnet-") as folder:
        names = save(files, Path(folder))
        study = read_nameless(list(names), series)
    for path, name in names.items():
        if study.name == path.name:
            return replace(study, name=re.sub(r"(\.nii)?\.\w+$", "", name) or name)
    return study


def save(files: Sequence[Upload], folder: Path) -> dict[Path, str]:
    """Write uploaded files to `folder`, without the hidden ones of a file manager; their paths, and their names."""
    named = [(_plain(file.name), file) for file in files]
    visible = [(name, file) for name, file in named if not name.startswith(".")]  # .DS_Store and the like
    paths = {}
    for number, (name, file) in enumerate(sorted(visible or named, key=lambda pair: natural_key(pair[0])), 1):
        path = folder / NEUTRAL.format(number)
        path.write_bytes(file.getbuffer())
        paths[path] = name
    return paths


def read_nameless(paths: Sequence[Path], series: str | None = None) -> infnet.Study:
    """Read files with neutral names. Raises InfNetError, whose line does not name the files in a zip either."""
    try:
        return infnet.read(paths if len(paths) > 1 else paths[0], series=series)
    except infnet.InfNetError as error:
        error.args = (_without_members(str(error), paths),)
        raise


def _without_members(line: str, paths: Sequence[Path]) -> str:
    """A line that says nothing of how files in a zip are named."""
    for path in paths:
        try:
            with zipfile.ZipFile(path) as archive:
                members = sorted(archive.namelist(), key=len, reverse=True)
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
            continue
        for member in members:
            shown = member.replace("\\", "/")
            line = line.replace(one_line(f"{path.name}/{shown}"), f"a file in {path.name}")
            line = line.replace(f"'{one_line(member, 40)}'", "of a file")
    return line


def _plain(name: str) -> str:
    """A file name without folders and control characters, and not too long."""
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[\x00-\x1f]", "_", last)[-100:] or "file"
