"""Files and folders that are whole or not there at all, and their SHA-256."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STAGING = ".infnet-"  # the names of unfinished files and folders begin with this


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a file beside `path` to write to.

    When the block ends well it replaces `path`, flushed to the disk; after an exception it is removed. Raises OSError
    where the folder cannot be written.
    """
    beside = path.with_name(f"{STAGING}{path.name}.part")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yield a private empty folder inside `folder` to fill; it is removed at the end with whatever is left in it."""
    made = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
