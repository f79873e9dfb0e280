"""The work on a cohort by processes of this machine or a Ray cluster; each row is kept as soon as it is done."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from infnet.cohort.row import Row, Settings, examine
from infnet.concurrency import cores, map_in_threads
from infnet.errors import InfNetError
from infnet.export.table import printable

CRASHED = "the process that worked on it died, perhaps for want of memory; try it alone with `segment`"
LATE = "not done within {:g} minutes; look at it alone with `segment`, or give it more with --limit-minutes and --retry"
_kept: dict[str, Worker] = {}  # of a process of a Ray cluster: its own worker


class Worker:
    """A process of its own for one study after another, so that one that crashes or hangs it harms no other."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def row(self, path: Path, out: Path, settings: Settings, threads: int | None) -> Row:
        """The row of a study. Raises EOFError where the process died, TimeoutError where the study took too long."""
        try:
            self._connection.send((path, out, settings, threads))
        except OSError:
            raise EOFError from None
        if not self._connection.poll(60 * settings.limit_minutes):
            raise TimeoutError
        try:
            row: Row = self._connection.recv()
        except OSError:
            raise EOFError from None
        return row

    def end(self) -> None:
        """End the process, whatever it does."""
        self._connection.close()
        self._process.kill()
        self._process.join()


def _serve(connection: Connection) -> None:
    """What a worker's process does: a row for each study that it is told, until nobody is there any more."""
    _follow_parent()
    with suppress(EOFError):
        while True:
            connection.send(examine(*connection.recv()))


def by_processes(
    todo: Sequence[Path], out: Path, settings: Settings, workers: int, keep: Callable[[Row], None]
) -> Iterator[Row]:
    """The rows of `todo` by processes of this machine, each kept as soon as it is done."""
    workers = max(1, min(workers, len(todo)))
    threads = None if workers == 1 else max(1, cores() // workers)
    idle: SimpleQueue[Worker] = SimpleQueue()
    for _ in range(workers):
        idle.put(_process())

    def work(path: Path) -> Row:
        worker = idle.get()
        try:
            row, worker = _row(worker, path, out, settings, threads)
        finally:
            idle.put(worker)
        keep(row)
        return row

    try:
        yield from map_in_threads(work, todo, workers)
    finally:
        for _ in range(workers):
            idle.get().end()


def _row(worker: Worker, path: Path, out: Path, settings: Settings, threads: int | None) -> tuple[Row, Worker]:
    """The row of a study, and the worker for the next one: a new one where this one died or had to be ended."""
    try:
        return worker.row(path, out, settings, threads), worker
    except EOFError:  # a library that aborts, or the system took the memory back
        error = CRASHED
    except TimeoutError:
        error = LATE.format(settings.limit_minutes)
    worker.end()
    return {"study": path.name, "error": f"{printable(path.name)}: {error}"}, _process()


def _row_by_kept(path: Path, out: Path, settings: Settings, threads: int | None) -> Row:
    """The row of a study by the one worker that this process of a Ray cluster keeps."""
    worker = _kept.pop("worker") if _kept else _process()
    row, _kept["worker"] = _row(worker, path, out, settings, threads)
    return row


def _process() -> Worker:
    return Worker()


def _follow_parent() -> None:
    """End this process when the program that started it ends, in whatever way; Ctrl-C is left to that program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def by_ray(
    todo: Sequence[Path], out: Path, settings: Settings, workers: int, keep: Callable[[Row], None], address: str
) -> Iterator[Row]:
    """The rows of `todo` by `workers` tasks at a time on a Ray cluster, whose nodes have infnet installed."""
    try:
        import ray.data
    except ImportError:
        raise InfNetError("--ray: Ray is not installed; run `pip install 'infnet[ray]'`") from None
    if not todo:
        return
    try:
        ray.init(address=address, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InfNetError(f"--ray {address}: cannot be reached ({error}); start a cluster with `ray start`") from error
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        items = ray.data.from_items([{"path": str(path.resolve())} for path in todo], override_num_blocks=len(todo))
        folder = out.resolve()
        # A task stays on one node: no larger than the smallest.
        cluster: Any = ray  # these two have no types
        smallest = min(int(node["Resources"].get("CPU", 0)) or 1 for node in cluster.nodes() if node["Alive"])
        threads = max(1, min(smallest, int(cluster.cluster_resources().get("CPU", 1)) // workers))

        def work(item: Row) -> Row:
            return {"row": json.dumps(_row_by_kept(Path(item["path"]), folder, settings, threads))}

        for done in items.map(work, concurrency=workers, num_cpus=threads).iter_rows():
            row = json.loads(done["row"])
            keep(row)
            yield row
    finally:
        ray.shutdown()
