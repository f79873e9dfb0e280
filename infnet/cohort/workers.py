"""The work on a cohort by processes of this machine or a Ray cluster; each row is kept as soon as it is done."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from infnet.cohort.row import Case, Row, Settings, examine
from infnet.concurrency import cores
from infnet.errors import InfNetError, UnwritableError
from infnet.export.table import printable
from infnet.files import sweep

CRASHED = "the process that worked on it died, perhaps for want of memory; try it alone with `segment`"
LATE = "not done within {:g} minutes; look at it alone with `segment`, or give it more with --limit-minutes and --retry"
_kept: dict[str, Worker] = {}  # of a process of a Ray cluster: its own worker


class Worker:
    """A process of its own for one study after another, so that one that crashes or hangs it harms no other.

    work: what it does for a study, `examine` where not given.
    """

    def __init__(self, work: Callable[[Case, Path, Settings, int | None], Row] | None = None) -> None:
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, work), daemon=True)
        self._process.start()
        theirs.close()

    def row(self, case: Case, out: Path, settings: Settings, threads: int | None) -> Row:
        """The row of a study.

        Raises EOFError where the process died, TimeoutError where the study took too long, UnwritableError where its
        files cannot be written.
        """
        try:
            self._connection.send((case, out, settings, threads))
        except OSError:
            raise EOFError from None
        if not self._connection.poll(60 * settings.limit_minutes):
            raise TimeoutError
        try:
            row: Row | UnwritableError = self._connection.recv()
        except OSError:
            raise EOFError from None
        if isinstance(row, UnwritableError):
            raise row
        return row

    def kill(self) -> None:
        """Kill the process; a thread that waits for its row gets an EOFError."""
        self._process.kill()

    def end(self) -> None:
        """End the process, whatever it does, and remove what it had unpacked."""
        self._connection.close()
        self._process.kill()
        self._process.join()
        sweep()


def _serve(connection: Connection, work: Callable[[Case, Path, Settings, int | None], Row] | None) -> None:
    """What a worker's process does: a row for each study that it is told, until nobody is there any more."""
    _follow_parent()
    with suppress(EOFError):
        while True:
            told = connection.recv()
            try:
                connection.send((work or examine)(*told))
            except UnwritableError as error:
                connection.send(error)


def by_processes(
    todo: Sequence[Case], out: Path, settings: Settings, workers: int, keep: Callable[[Row], None]
) -> Generator[Row]:
    """The rows of `todo` by processes of this machine, each kept as soon as it is done.

    When the caller stops, or a row cannot be kept, the studies that are being worked on are dropped at once.
    """
    if not todo:
        return
    workers = min(workers, len(todo))
    threads = None if workers == 1 else max(1, cores() // workers)
    idle: SimpleQueue[Worker] = SimpleQueue()
    for _ in range(workers):
        idle.put(_process())
    used: set[Worker] = set()
    over = threading.Event()

    def work(case: Case) -> Row:
        worker = idle.get()
        used.add(worker)
        try:
            if over.is_set():
                raise CancelledError
            row, worker = _row(worker, case, out, settings, threads)
            if over.is_set():  # its process was killed for that: no fault of the study
                raise CancelledError
        finally:
            idle.put(worker)
        keep(row)
        return row

    pool = ThreadPoolExecutor(workers)
    try:
        for done in as_completed([pool.submit(work, case) for case in todo]):
            yield done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        over.set()
        for worker in list(used):
            worker.kill()
        pool.shutdown()
        for _ in range(workers):
            idle.get().end()


def _row(worker: Worker, case: Case, out: Path, settings: Settings, threads: int | None) -> tuple[Row, Worker]:
    """The row of a study, and the worker for the next one: a new one where this one died or had to be ended."""
    try:
        return worker.row(case, out, settings, threads), worker
    except EOFError:  # a library that aborts, or the system took the memory back
        error = CRASHED
    except TimeoutError:
        error = LATE.format(settings.limit_minutes)
    worker.end()
    return case.failed(error), _process()


def _row_by_kept(case: Case, out: Path, settings: Settings, threads: int | None) -> Row:
    """The row of a study by the one worker that this process of a Ray cluster keeps."""
    worker = _kept.pop("worker") if _kept else _process()
    try:
        row, worker = _row(worker, case, out, settings, threads)
    except UnwritableError as error:  # another node may have room
        row = {"study": case.name, "error": printable(str(error))}
    _kept["worker"] = worker
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
    todo: Sequence[Case], out: Path, settings: Settings, workers: int, keep: Callable[[Row], None], address: str
) -> Generator[Row]:
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
        cases = [{"name": case.name, "path": str(case.path.resolve())} for case in todo]
        items = ray.data.from_items(cases, override_num_blocks=len(todo))
        folder = out.resolve()
        # A task stays on one node: no larger than the smallest.
        cluster: Any = ray  # these two have no types
        smallest = min(int(node["Resources"].get("CPU", 0)) or 1 for node in cluster.nodes() if node["Alive"])
        threads = max(1, min(smallest, int(cluster.cluster_resources().get("CPU", 1)) // workers))

        def work(item: Row) -> Row:
            case = Case(item["name"], Path(item["path"]))
            return {"row": json.dumps(_row_by_kept(case, folder, settings, threads))}

        for done in items.map(work, concurrency=workers, num_cpus=threads).iter_rows():
            row = json.loads(done["row"])
            keep(row)
            yield row
    finally:
        ray.shutdown()
