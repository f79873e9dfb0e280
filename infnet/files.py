"""Files and folders that are whole or not there at all, and their SHA-256."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

STAGING = ".infnet-"  # the names of unfinished files and folders begin with this
PATIENCE = 2.0  # s; whoever else makes or sweeps such folders is done in less


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
        sync_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yield a private empty folder inside `folder` to fill; it is removed at the end with whatever is left in it.

    Folders of this kind that killed processes left there are removed, too.
    """
    with ExitStack() as stack:
        with _lock(folder, PATIENCE) as alone:  # nobody sweeps between the making of a folder and its locking
            if alone:
                _sweep(folder)
            made = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
            stack.enter_context(_lock(made))
        stack.callback(shutil.rmtree, made, ignore_errors=True)
        yield made


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield an empty folder among the system's temporary files that only this user may open, and that goes at the end.

    Those that killed processes left there are removed, too. Raises OSError where there is no room for it.
    """
    with staging(Path(tempfile.gettempdir())) as folder:
        yield folder


def sweep(folder: Path | None = None) -> None:
    """Remove unfinished folders that killed processes left in `folder`; those of running ones are locked, and stay.

    folder: where None, the one for the system's temporary files.
    """
    if folder is None:
        try:
            folder = Path(tempfile.gettempdir())
        except OSError:  # there is none, or none that can be written: nothing was left there
            return
    if folder.is_dir():
        with _lock(folder) as alone:
            if alone:
                _sweep(folder)


def _sweep(folder: Path) -> None:
    for left in folder.glob(f"{STAGING}*"):
        if left.is_dir() and not left.is_symlink():
            with _lock(left) as locked:
                if locked:
                    shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _lock(folder: Path, patience: float = 0.0) -> Iterator[bool]:
    """Lock a folder against other processes and yield whether that was possible; the system frees it after a kill.

    patience: seconds to wait for another process. Not for ever: who calls us may hold the lock (`flock FOLDER ...`).
    """
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
        until, locked = time.monotonic() + patience, False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                locked = True
            except BlockingIOError:  # another process has it
                if time.monotonic() < until:
                    time.sleep(0.02)
                    continue
            except OSError:  # this disk knows no locks
                pass
            break
        yield locked
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
