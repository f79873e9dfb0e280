"""One study after another, as they become whole, until the program is told to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from infnet.cohort.row import Case, Row, Settings
from infnet.cohort.workers import Worker
from infnet.errors import InfNetError, UnwritableError
from infnet.node.queue import Queue
from infnet.node.record import RUNNING, WHOLE, Objects, Record
from infnet.node.work import examine

POLL = 0.5  # s
FULL_PAUSE = 60.0  # s, after a full disk
CRASHED = "the process that worked on it died, perhaps for want of memory"
Say = Callable[[str], None]


class Feed(Protocol):
    """Where studies come from."""

    def cases(self) -> Iterator[tuple[Case, Objects]]:
        """Those that are whole, and the objects of each."""

    def objects(self, case: Case) -> Objects:
        """The objects of a study as they are now."""


def work_off(queue: Queue, feed: Feed, settings: Settings, keep_days: float, say: Say) -> None:
    """Segment every study that `feed` has, for ever; an exception such as Ctrl-C ends it, and the study is left.

    What the disk does not take is tried again; no study's fault and no full disk ends it.
    """
    worker = Worker(examine)
    try:
        while True:
            try:
                case, objects = _next(queue, feed, say)
                if case is not None:
                    worker = _run(queue, feed, case, objects, settings, worker, say)
                queue.tidy(keep_days)
            except (OSError, UnwritableError) as error:
                why = error.strerror if isinstance(error, OSError) else "No room for the results"
                say(f"the disk takes nothing ({why}); make room. Tried again in {FULL_PAUSE:.0f} s")
                time.sleep(FULL_PAUSE)
            else:
                if case is None:
                    time.sleep(POLL)
    finally:
        worker.end()


def _next(queue: Queue, feed: Feed, say: Say) -> tuple[Case | None, Objects]:
    """The first study that is due; the others are marked as waiting."""
    due: list[tuple[Case, Objects]] = []
    for case, objects in feed.cases():
        try:
            if queue.is_due(case.name, objects):
                queue.mark(case.name, WHOLE)
                due.append((case, objects))
        except InfNetError as error:
            say(f"{case.name}: {error}")
    return due[0] if due else (None, frozenset())


def _run(
    queue: Queue, feed: Feed, case: Case, objects: Objects, settings: Settings, worker: Worker, say: Say
) -> Worker:
    """Segment one study and put its result where it is sent from; the worker for the next one."""
    queue.mark(case.name, RUNNING)
    begun = time.monotonic()
    try:
        with queue.making() as made:
            row, worker = _row(case, made, settings, worker)
            if feed.objects(case) != objects:
                say(f"{case.name}: it changed meanwhile; it runs again when it is whole")
                return worker
            why = (row["error"] or "").removeprefix(f"{case.name}: ")
            if why:
                _empty(made)
            queue.commit(case.name, made, Record(tuple(sorted(objects)), why))
    finally:
        queue.unmark(case.name)
    if why:
        say(f"{case.name}: failed: {why}")
    else:
        say(f"{case.name}: {row['made']} of {row['series']} series segmented in {time.monotonic() - begun:.0f} s")
    return worker


def _row(case: Case, made: Path, settings: Settings, worker: Worker) -> tuple[Row, Worker]:
    """The row of a study, and the worker for the next one. A process that died, perhaps idle, is replaced once."""
    why = ""
    for _ in range(2):
        try:
            return worker.row(case, made, settings, None), worker
        except (EOFError, TimeoutError) as error:
            late = isinstance(error, TimeoutError)
            why = f"not done within {settings.limit_minutes:g} minutes" if late else CRASHED
        worker.end()
        worker = Worker(examine)
        _empty(made)
        if late:
            break
    return case.failed(why), worker


def _empty(folder: Path) -> None:
    """What a process that died has left is no result."""
    for path in folder.iterdir():
        path.unlink()
