"""Uploaded files as a study, through a private folder that is gone afterwards, and under names that say nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import infnet
from infnet.files import private_folder
from infnet.read.files import natural_key

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
    try:
        with private_folder() as folder:
            names = save(files, folder)
            study = infnet.read(list(names), series=series, alias=alias(names))
    except OSError as error:
        raise infnet.InfNetError(f"upload: not kept ({error.strerror}); make room, then upload it again") from None
    if study.name != NEUTRAL.format(1):
        return study
    (name,) = names.values()
    return replace(study, name=re.sub(r"(\.nii)?\.\w+$", "", name) or name)


def alias(paths: Collection[object]) -> str:
    """What messages call uploaded files."""
    return NEUTRAL.format(1) if len(paths) == 1 else "upload"


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


def _plain(name: str) -> str:
    """A file name without folders and control characters, and not too long."""
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[\x00-\x1f]", "_", last)[-100:] or "file"
