"""The output folder of a cohort: locked by one run, its finished rows, and the tables written from them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infnet.cohort.row import STUDIES, Row
from infnet.errors import InfNetError
from infnet.export.table import cell, printable
from infnet.files import STAGING, replacing

JOURNAL, LOCK = "rows.jsonl", ".lock"


class Journal:
    """The finished rows, by study. An incomplete last line, left by a kill, is removed when the journal is opened.

    A damaged line is as good as none: its study is done again.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Raises InfNetError where it was begun with other settings, which are named, or its first line is damaged."""
        self._lock = threading.Lock()
        self.rows: dict[str, Row] = {}
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        complete = [line for line in lines if line.endswith(b"\n")]
        if complete:
            begun = _parsed(complete[0])
            if begun is None:
                raise InfNetError(f"{path}: its first line is damaged; choose another folder")
            other = sorted(key for key in {*begun, *settings} if begun.get(key) != settings.get(key))
            if other:
                raise InfNetError(
                    f"{path.parent}: holds results of other settings ({', '.join(other)}); "
                    "choose another folder, or give the same settings"
                )
            rows = [row for line in complete[1:] if (row := _parsed(line)) is not None]
            self.rows = {row["study"]: row for row in rows if isinstance(row.get("study"), str) and "error" in row}
        self._file = path.open("r+b" if path.exists() else "wb")
        self._file.truncate(sum(map(len, complete)))
        self._file.seek(0, os.SEEK_END)
        if not complete:
            self._append(settings)

    def add(self, row: Row) -> None:
        """Put a finished study on disk; a study that was there before is replaced."""
        with self._lock:
            self._append(row)
            self.rows[row["study"]] = row

    def _append(self, values: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(values, allow_nan=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A line as the mapping that it holds, None where it holds none."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Make the output folder and lock it against a second run.

    What a killed run left unfinished is removed, and at the end what this one's processes left that had to be ended.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / LOCK).open("w")
    except OSError as error:
        raise InfNetError(f"{out}: cannot be written ({error.strerror}); choose another folder") from error
    with lock:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # freed by the system when this process ends
            except OSError:
                raise InfNetError(f"{out}: another run writes to it; wait for it, or choose another folder") from None
        _clear(out / STUDIES)
        try:
            yield
        finally:
            _clear(out / STUDIES)


def _clear(folder: Path) -> None:
    for left in folder.glob(f"{STAGING}*"):
        shutil.rmtree(left, ignore_errors=True)


def _kept(value: Any) -> Any:
    """A value for the typed table; names of files may hold what its texts cannot."""
    return printable(value) if isinstance(value, str) else value


def write_tables(out: Path, rows: Sequence[Row]) -> list[Path]:
    """Write cohort.csv, and cohort.parquet where pyarrow is installed; each appears whole or not at all."""
    columns = list(dict.fromkeys(key for row in sorted(rows, key=lambda r: bool(r["error"])) for key in row))
    written = [out / "cohort.csv"]
    with replacing(written[0]) as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: cell(value) for key, value in row.items()} for row in rows)
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return written
    written.append(out / "cohort.parquet")
    with replacing(written[1]) as path:
        filled = [{column: _kept(row.get(column)) for column in columns} for row in rows]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(filled), path)
    return written
