"""Uploaded files as a study, through a private folder that is gone afterwards."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import infnet


class Upload(Protocol):
    """One uploaded file: its name in the user's browser, and its bytes."""

    @property
    def name(self) -> str: ...

    def getbuffer(self) -> memoryview: ...


def read_upload(files: Sequence[Upload], series: str | None = None) -> infnet.Study:
    """Read uploaded files through a private folder that is gone when this returns. Raises InfNetError."""
    with tempfile.TemporaryDirectory(prefix="infnet-") as folder:
        paths = save(files, Path(folder))
        return infnet.read(paths if len(paths) > 1 else paths[0], series=series)


def save(files: Sequence[Upload], folder: Path) -> list[Path]:
    """Write uploaded files to `folder`, without the hidden ones of a file manager; returns their paths."""
    named = [(_plain(file.name), file) for file in files]
    visible = [(name, file) for name, file in named if not name.startswith(".")]  # .DS_Store and the like
    paths = []
    for number, (name, file) in enumerate(visible or named):
        # A folder each, since files of one name may come from several folders.
        path = Path(folder, f"{number:06d}", name)
        path.parent.mkdir()
        path.write_bytes(file.getbuffer())
        paths.append(path)
    return paths


def _plain(name: str) -> str:
    """A file name without folders and control characters, short enough for any file system."""
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[\x00-\x1f]", "_", last)[-100:] or "file"
