"""The same work on many slices, on all cores: NumPy, SciPy, Pillow and the engines let threads run side by side."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")
AHEAD = 8  # items a thread that are taken before the caller asks for their results: enough to keep all threads busy


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory() -> int:
    """Largest resident memory of this process so far, bytes; 0 where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux `ru_maxrss` holds that of the process that started this one, too
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def map_in_threads(work: Callable[[Item], Done], items: Iterable[Item], at_once: int) -> Iterator[Done]:
    """`work(item)` of every item, in their order, up to `at_once` at a time, each in a thread.

    Items are taken as they are needed, so never all of them are in memory. What has not begun is dropped when the
    caller stops iterating or a call fails, whose exception is raised.
    """
    if at_once <= 1:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(at_once)
    try:
        running: deque[Future[Done]] = deque()
        for item in items:
            running.append(pool.submit(work, item))
            if len(running) >= AHEAD * at_once:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def portions(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """`items` cut into runs of `size`; the last may be shorter."""
    return [items[start : start + size] for start in range(0, len(items), size)]
