"""Many studies, one table: a row for each, even for one that fails; a run that was killed goes on where it stopped.

`rows.jsonl` in the output folder is the truth: a first line with the settings, then a line for each finished study,
on disk before the next one counts. The tables are written from it. Nothing in a row depends on when, where or in how
many pieces the work was done. Studies are numbered there; `names.json` beside it, which the user alone can read, says
which file or folder each of them is.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import infnet
from infnet import weights
from infnet.cohort.journal import JOURNAL, Journal, held, write_tables
from infnet.cohort.names import INDEX, numbered
from infnet.cohort.row import Case, Row, Settings
from infnet.cohort.workers import by_processes, by_ray
from infnet.errors import InfNetError
from infnet.read.files import File, NotUsed, entries
from infnet.read.sniff import kind_of

__all__ = ["INDEX", "Row", "Settings", "run", "studies"]
LONGEST_MINUTES = 20_000  # two weeks; the system cannot wait much longer than that in one go
Report = Callable[[Row, int, int], None]


def studies(folder: Path) -> list[Path]:
    """The studies in a folder, 2 before 10: each folder, zip or file in it is one; hidden ones are left out.

    Raises InfNetError where there is none, or where the folder is a study itself.
    """
    if not folder.is_dir():
        raise InfNetError(f"{folder}: no such folder; give a folder that holds a folder, zip or file for each study")
    paths = entries(folder)
    if any(_is_dicom(path) for path in paths):
        raise InfNetError(f"{folder}: holds DICOM files itself; give each study a folder of its own, or use `segment`")
    if not paths:
        raise InfNetError(f"{folder}: is empty; give a folder that holds a folder, zip or file for each study")
    return paths


def _is_dicom(path: Path) -> bool:
    try:
        return path.is_file() and kind_of(File(path, path.name)) == "dicom"
    except (NotUsed, InfNetError):
        return False


def run(
    folder: Path,
    out: Path,
    settings: Settings,
    workers: int = 1,
    *,
    retry: bool = False,
    ray: str | None = None,
    report: Report | None = None,
) -> list[Row]:
    """Segment every study in `folder` that has no row in `out` yet; all rows, in the order of `studies`.

    workers: processes, which share the cores. retry: do those again whose row is an error. ray: address of a Ray
    cluster that does the work instead; it must see both folders. report(row, done, total) is called after each study.
    Writes cohort.csv, and cohort.parquet where pyarrow is installed, also when interrupted.
    Raises InfNetError for settings or folders that cannot be used, and where the disk is full: run it again then.
    """
    if workers < 1:
        raise InfNetError(f"workers {workers}: give 1 or more")
    if not 0 < settings.limit_minutes <= LONGEST_MINUTES:
        raise InfNetError(
            f"limit of {settings.limit_minutes:g} minutes: give a number above 0, up to {LONGEST_MINUTES}"
        )
    begun = _settings(folder, settings)  # before anything is written
    paths = [path for path in studies(folder) if path.resolve() != out.resolve()]
    with held(out), _no_room(out), closing(Journal(out / JOURNAL, begun)) as journal:
        done = journal.rows
        names = [path.name for path in paths] if settings.names else numbered(out, folder, paths, begun=bool(done))
        todo = [
            Case(name, path)
            for name, path in zip(names, paths, strict=True)
            if name not in done or (retry and done[name]["error"])
        ]
        total, finished = len(names), len(names) - len(todo)
        rows_of: Callable[..., Generator[Row]] = partial(by_ray, address=ray) if ray else by_processes
        try:
            with closing(rows_of(todo, out, settings, workers, journal.add)) as made:
                for row in made:
                    finished += 1
                    if report:
                        report(row, finished, total)
        finally:
            rows = [done[name] for name in names if name in done]
            if rows:
                write_tables(out, rows)
    return rows


@contextmanager
def _no_room(out: Path) -> Iterator[None]:
    """What the system says of a full disk, also at the writing of the tables, in one line."""
    try:
        yield
    except OSError as error:
        raise InfNetError(f"{out}: cannot be written ({error.strerror}); make room, then run it again") from error


def _settings(folder: Path, settings: Settings) -> dict[str, Any]:
    """What must be the same for all rows of a table. Raises InfNetError for what is unknown or missing here."""
    choice, infection = settings.checked()
    models = (infection, *(weights.find(weights.default(role)) for role in ("lungs", "classes")))
    chosen = asdict(settings)
    del chosen["limit_minutes"]  # it changes no result
    return {
        "infnet": infnet.__version__,
        "input": str(folder.resolve()) if settings.names else None,  # it may name somebody, too
        **chosen,
        "model": infection.name,
        "engine": choice.engine,
        "device": choice.device,
        "weights": [entry.sha256 for entry in models],
    }
