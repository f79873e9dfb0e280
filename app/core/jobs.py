"""Work that takes longer than a click: one thread for each job, which outlives reruns and browser reloads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import infnet
from app.core.tokens import new_token

Progress = Callable[[int, int], None]
ONE_AT_A_TIME = threading.Lock()  # the networks use every core: two runs side by side only slow each other down


class StoppedError(Exception):
    """Somebody pressed Stop."""


class Job:
    """`work(progress)` in a thread; whoever draws the page asks it how far it is.

    state: "waiting" for another job, "running", "done", "stopped" or "failed". result: what `work` returned. error: the
    line of an InfNetError. bug: any other exception, for the page to raise. token: tells it from every other job.
    """

    def __init__(self, work: Callable[[Progress], Any]) -> None:
        self.token = new_token()
        self.state = "waiting"
        self.done, self.total = 0, 0
        self.result: Any = None
        self.error = ""
        self.bug: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True, name="infnet-job")
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self.state in ("waiting", "running")

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return self.done / self.total if self.total else 0.0

    def stop(self) -> None:
        """End it at the next step of its progress."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> None:
        """Return when it has ended."""
        self._thread.join(seconds)

    def _run(self, work: Callable[[Progress], Any]) -> None:
        try:
            while not ONE_AT_A_TIME.acquire(timeout=0.2):
                self._go_on()
            try:
                self.state = "running"
                self.result = work(self._progress)
                self._go_on()
            finally:
                ONE_AT_A_TIME.release()
            self.state = "done"
        except StoppedError:
            self.result, self.state = None, "stopped"
        except infnet.InfNetError as error:
            self.error, self.state = str(error), "failed"
        except Exception as error:
            self.bug, self.state = error, "failed"

    def _progress(self, done: int, total: int) -> None:
        self._go_on()
        self.done, self.total = done, total

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise StoppedError
