"""When a received study is whole: nobody is sending it, and for a while nothing of it has come."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterator

from infnet.cohort.row import Case
from infnet.node.queue import Queue
from infnet.node.record import Objects


class Arrivals:
    """Which associations carry which studies, and when something of each came last, s of a clock that never jumps.

    What lies there from before the start counts as come at the start. Any thread may call it.
    """

    def __init__(self, queue: Queue, quiet: float) -> None:
        self._queue, self._quiet, self._begun = queue, quiet, time.monotonic()
        self._lock = threading.Lock()
        self._carried: dict[Hashable, set[str]] = {}
        self._last: dict[str, float] = {}

    def came(self, association: Hashable, name: str) -> None:
        """An object of a study comes."""
        with self._lock:
            self._carried.setdefault(association, set()).add(name)
            self._last[name] = time.monotonic()

    def over(self, association: Hashable) -> int:
        """An association has ended, in whatever way; how many studies it carried."""
        with self._lock:
            names = self._carried.pop(association, set())
            self._last.update(dict.fromkeys(names, time.monotonic()))
            return len(names)

    def is_whole(self, name: str) -> bool:
        """Whether nobody sends a study and it was quiet long enough."""
        with self._lock:
            open_ = any(name in names for names in self._carried.values())
            return not open_ and time.monotonic() - self._last.get(name, self._begun) >= self._quiet

    def cases(self) -> Iterator[tuple[Case, Objects]]:
        """The studies that are whole, and their objects."""
        for name in self._queue.names():
            if self.is_whole(name) and (objects := self._queue.objects(name)):
                yield Case(name, self._queue.studies / name / "source"), objects

    def objects(self, case: Case) -> Objects:
        """The objects of a study as they are now."""
        return self._queue.objects(case.name)
