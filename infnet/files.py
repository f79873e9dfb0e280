"""Files and folders that are whole or not there at all, and their SHA-256."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
    """Yield a private empty folder inside `folder` to fill; it is removed at the end with whatever is left in it.

    Folders of this kind that killed processes left there are removed, too.
    """
    with ExitStack() as stack:
        with _lock(folder, wait=True):  # nobody sweeps between the making of a folder and its locking
            _sweep(folder)
            made = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
            stack.enter_context(_lock(made, wait=False))
        stack.callback(shutil.rmtree, made, ignore_errors=True)
        yield made


def sweep(folder: Path) -> None:
    """Remove unfinished folders that killed processes left in `folder`; those of running ones are locked, and stay."""
    if folder.is_dir():
        with _lock(folder, wait=True):
            _sweep(folder)


def _sweep(folder: Path) -> None:
    for left in folder.glob(f"{STAGING}*"):
        if left.is_dir() and not left.is_symlink():
            with _lock(left, wait=False) as locked:
                if locked:
                    shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _lock(folder: Path, wait: bool) -> Iterator[bool]:
    """Lock a folder against other processes and yield whether that was possible; the system frees it after a kill."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield False
        return
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            locked = True
        except OSError:  # another process has it, or this disk knows no locks
            locked = False
        yield locked
    finally:
        os.close(handle)


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
