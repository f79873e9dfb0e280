"""The work on a cohort by processes of this machine or a Ray cluster; each row is kept as soon as it is done."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from infnet.cohort.row import Row, Settings, examine
from infnet.concurrency import cores, map_in_threads
from infnet.errors import InfNetError
from infnet.export.table import printable

CRASHED = "the process that worked on it died, perhaps for want of memory; try it alone with `segment`"


def by_processes(
    todo: Sequence[Path], out: Path, settings: Settings, workers: int, keep: Callable[[Row], None]
) -> Iterator[Row]:
    """The rows of `todo` by processes of this machine, each kept as soon as it is done."""
    workers = max(1, min(workers, len(todo)))
    threads = None if workers == 1 else max(1, cores() // workers)
    idle: SimpleQueue[Executor] = SimpleQueue()
    for _ in range(workers):
        idle.put(_process())

    def work(path: Path) -> Row:
        process = idle.get()
        try:
            row = process.submit(examine, path, out, settings, threads).result()
        except BrokenProcessPool:  # a library that aborts, or the system took the memory back
            process.shutdown()
            process = _process()
            row = {"study": path.name, "error": f"{printable(path.name)}: {CRASHED}"}
        finally:
            idle.put(process)
        keep(row)
        return row

    try:
        yield from map_in_threads(work, todo, workers)
    finally:
        for _ in range(workers):
            idle.get().shutdown(cancel_futures=True)


def _process() -> Executor:
    """A process of its own, so that a study that crashes it harms no other."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_follow_parent)


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
            return {"row": json.dumps(examine(Path(item["path"]), folder, settings, threads))}

        for done in items.map(work, concurrency=workers, num_cpus=threads).iter_rows():
            row = json.loads(done["row"])
            keep(row)
            yield row
    finally:
        ray.shutdown()
