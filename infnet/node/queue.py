"""What came in and what was made of it, on disk. Every step is one rename, so that a kill loses and doubles nothing.

    key                                 of the names that stand for UIDs
    incoming/                           objects that are being received
    studies/NAME/source/SERIES/*.dcm    what was received of a study, an object a file
    studies/NAME/result/record.json     of which objects there is a result, or why there is none
    studies/NAME/result/*.dcm           what is still to be sent of it
    work/, trash/                       a result that is being made; what is being removed

All of it is for this user alone, and no name says anything of a patient.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from infnet.files import replacing, staging, sync_folder
from infnet.node.record import RECORD, RUNNING, WHOLE, Objects, Record, TooLateError, read_record

FAILED_DAYS = 7.0  # that the objects of a study without a result stay, to be looked at
RECORD_DAYS = 30.0  # that it is known which objects a removed study had


class Queue:
    """The folder `out`, which is made where it is missing. One process at a time may hold it (`held`).

    Any thread may call it. Raises OSError where the disk is full.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.studies = out, out / "studies"
        self._lock = threading.RLock()
        self._sizes: dict[str, int] = {}
        self._records: dict[str, Record | None] = {}

    def open(self) -> None:
        """Make what is missing, and remove what a killed process left unfinished."""
        self.out.chmod(0o700)
        for folder in (self.studies, *(self.out / name for name in ("incoming", "work", "trash"))):
            folder.mkdir(mode=0o700, exist_ok=True)
        for name in ("incoming", "work", "trash"):
            for left in (self.out / name).iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        for left in (*self.studies.glob(f"*/{WHOLE}"), *self.studies.glob(f"*/{RUNNING}")):
            left.unlink()
        if not (self.out / "key").exists():
            with replacing(self.out / "key") as path:
                path.touch(0o600)
                path.write_bytes(secrets.token_bytes(32))
        self._key = (self.out / "key").read_bytes()

    def name(self, uid: str) -> str:
        """What stands for a UID: the same one always, and nobody can tell the UID from it."""
        return hmac.new(self._key, uid.encode(), hashlib.sha256).hexdigest()[:16]

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """A private empty file for an object; it is removed unless it was moved away."""
        handle, path = tempfile.mkstemp(suffix=".dcm", dir=self.out / "incoming")
        os.close(handle)
        try:
            yield Path(path)
        finally:
            Path(path).unlink(missing_ok=True)

    def add(self, name: str, series: str, instance: str, path: Path) -> bool:
        """Move a received file to its study; False where the study has that object already.

        name: of the study. series, instance: UIDs. It is on the disk when this returns.
        """
        folder = self.studies / name / "source" / self.name(series)
        target = folder / f"{self.name(instance)}.dcm"
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        with self._lock:
            if (record := self.record(name)) and record.why and not record.removed:
                self._remove(self.studies / name / "result")  # sent again: another try
            if target.exists():
                return False
            self.size(name)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.studies / name / WHOLE).unlink(missing_ok=True)
            self._sizes[name] += path.stat().st_size
            path.rename(target)
            for parent in (folder, *folder.parents[:3]):
                sync_folder(parent)
        return True

    def size(self, name: str) -> int:
        """Bytes that were received of a study."""
        with self._lock:
            if name not in self._sizes:
                self._sizes[name] = sum(path.stat().st_size for path in self.files(name))
            return self._sizes[name]

    def files(self, name: str) -> list[Path]:
        """What was received of a study and is still there."""
        with self._lock:  # nobody takes them away meanwhile
            return list((self.studies / name / "source").glob("*/*.dcm"))

    def objects(self, name: str) -> Objects:
        """The names of `files`."""
        return frozenset(path.stem for path in self.files(name))

    def record(self, name: str) -> Record | None:
        """None where there is no result yet."""
        with self._lock:
            if name not in self._records:
                self._records[name] = read_record(self.studies / name / "result" / RECORD)
            return self._records[name]

    def names(self) -> list[str]:
        """All studies, the one that changed first before the others."""

        def changed(name: str) -> float:
            with suppress(FileNotFoundError):
                return (self.studies / name).stat().st_mtime
            return 0.0

        return sorted((path.name for path in self.studies.iterdir()), key=lambda name: (changed(name), name))

    def is_due(self, name: str, objects: Objects) -> bool:
        """Whether a study that is whole needs a run.

        Raises TooLateError for slices that come alone, after the others were removed; they are removed, too.
        """
        with self._lock:
            record = self.record(name)
            if record is None or not objects:
                return bool(objects)
            known = frozenset(record.objects)
            if not record.removed:
                return not objects <= known
            if known <= objects:
                return True
            late = not objects < known
            if late:
                with self.making() as made:
                    self.commit(name, made, Record(record.objects, str(TooLateError()), True))
            self._remove(self.studies / name / "source")
        if late:
            raise TooLateError
        return False

    def mark(self, name: str, mark: str) -> None:
        """Say in the status that a study is WHOLE or RUNNING."""
        (self.studies / name).mkdir(mode=0o700, exist_ok=True)
        (self.studies / name / mark).touch(0o600)

    def unmark(self, name: str) -> None:
        """The study does not run any more."""
        (self.studies / name / RUNNING).unlink(missing_ok=True)

    @contextmanager
    def making(self) -> Iterator[Path]:
        """An empty folder for a result."""
        with staging(self.out / "work") as folder:
            yield folder

    def commit(self, name: str, made: Path, record: Record) -> None:
        """Put a result in the place of the former one: its files in `made`, all at once."""
        (made / RECORD).write_text(json.dumps(asdict(record)))
        for path in made.iterdir():
            path.chmod(0o600)
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        sync_folder(made)
        with self._lock:
            folder = self.studies / name
            folder.mkdir(mode=0o700, exist_ok=True)
            self._remove(folder / "result")
            made.rename(folder / "result")
            self._records.pop(name, None)
            (folder / WHOLE).unlink(missing_ok=True)
            self.unmark(name)
            sync_folder(folder)

    def to_send(self) -> Iterator[tuple[str, list[Path]]]:
        """Studies with results that are not sent yet, and the files of these. Outdated ones wait for the next."""
        for name in self.names():
            with self._lock:
                files, record = sorted((self.studies / name / "result").glob("*.dcm")), self.record(name)
                current = record is not None and self.objects(name) <= frozenset(record.objects)
            if files and current:
                yield name, files

    def sent(self, path: Path) -> None:
        """The archive has this file."""
        path.unlink(missing_ok=True)
        with suppress(FileNotFoundError):  # a larger study has taken its place
            sync_folder(path.parent)

    def tidy(self, keep_days: float) -> None:
        """Remove the objects of studies that are done since `keep_days` or have failed, and old records."""
        now = datetime.now().timestamp()
        for name in self.names():
            with self._lock:
                folder, record = self.studies / name, self.record(name)
                if record is None or any((folder / "result").glob("*.dcm")):
                    continue
                days = (now - (folder / "result" / RECORD).stat().st_mtime) / 86400
                if record.removed and days >= RECORD_DAYS and not self.objects(name):
                    self._remove(folder)
                elif not record.removed and days >= (max(keep_days, FAILED_DAYS) if record.why else keep_days):
                    self._forget(name, record)

    def _forget(self, name: str, record: Record) -> None:
        """Remove the objects of a study, unless there are new ones. After a kill in between it runs once more."""
        source = self.studies / name / "source"
        if not source.exists() or not self.objects(name) <= frozenset(record.objects):
            return
        with replacing(self.studies / name / "result" / RECORD) as path:
            path.touch(0o600)
            path.write_text(json.dumps(asdict(Record(record.objects, record.why, True))))
        self._records.pop(name, None)
        self._remove(source)

    def _remove(self, folder: Path) -> None:
        """Take a folder away in one step, then delete it."""
        trash = self.out / "trash" / secrets.token_hex(8)
        with self._lock:
            with suppress(FileNotFoundError):
                folder.rename(trash)
            self._sizes.clear()
            self._records.clear()
        shutil.rmtree(trash, ignore_errors=True)
