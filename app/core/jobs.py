"""Work that takes longer than a click: one thread for each job, which outlives reruns and browser reloads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from queue import Empty, SimpleQueue
from typing import Any

import infnet
from app.core.tokens import new_token

Progress = Callable[[int, int], None]
ONE_AT_A_TIME = threading.Lock()  # the networks use every core: two runs side by side only slow each other down
MOST_WAITING = 8  # runs that may wait for their turn; who comes then is asked to come back
_queue = threading.Semaphore(1 + MOST_WAITING)
_line: list[Job] = []  # who waits, the next one first
PATIENCE_MINUTES = 10.0  # loading the networks and the slowest batch of slices take far less


class StoppedError(Exception):
    """Somebody pressed Stop."""


class HungError(infnet.InfNetError):
    """Nothing came from the networks for longer than anybody should wait."""


def patience() -> float:
    """Seconds that a run may take from one step to the next: INFNET_PATIENCE_MINUTES. Raises InfNetError."""
    text = os.environ.get("INFNET_PATIENCE_MINUTES") or str(PATIENCE_MINUTES)
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 1e6:
        raise infnet.InfNetError(f"INFNET_PATIENCE_MINUTES {text}: not a number of minutes above 0; correct it")
    return 60 * minutes


class Job:
    """`work(progress)` in a thread; whoever draws the page asks it how far it is.

    state: "waiting" for another job, "running", "done", "stopped" or "failed". result: what `work` returned. error: the
    line of an InfNetError. bug: any other exception, for the page to raise. hung: given up, because no step of its
    progress came for `patience` seconds; its place is free then, and what it still does is ignored. token: tells it
    from every other job. `lost(job)` is called when it ends without a result.
    """

    def __init__(self, work: Callable[[Progress], Any], lost: Callable[[Job], None] | None = None) -> None:
        self.token = new_token()
        self.state = "waiting"
        self.done, self.total = 0, 0
        self.result: Any = None
        self.error = ""
        self.bug: BaseException | None = None
        self.hung = False
        self._lost = lost
        self._patience = patience()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True, name="infnet-job")
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self.state in ("waiting", "running")

    @property
    def place(self) -> int | None:
        """Its place among those who wait, 1 for the next one; None where it does not wait."""
        with suppress(ValueError):  # its turn may come at any moment
            return _line.index(self) + 1
        return None

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
            self._end(self._outcome(work), "done")
        except StoppedError:
            self._end(None, "stopped")
        except infnet.InfNetError as error:
            self.error, self.hung = str(error), isinstance(error, HungError)
            self._end(None, "failed")
        except Exception as error:
            self.bug = error
            self._end(None, "failed")

    def _end(self, result: Any, state: str) -> None:
        if state != "done" and self._lost is not None:
            self._lost(self)  # before anybody can see that it has ended
        self._lost = None  # it may hold the study
        self.result, self.state = result, state

    def _outcome(self, work: Callable[[Progress], Any]) -> Any:
        """What `work` returned or raised, when its turn has come. Raises HungError where it makes no step."""
        if not _queue.acquire(blocking=False):
            raise infnet.InfNetError(f"study: busy, {MOST_WAITING} runs wait already; run it again in a few minutes")
        with ExitStack() as held:
            held.callback(_queue.release)
            self._wait_for_turn()
            held.callback(ONE_AT_A_TIME.release)
            self.state = "running"
            result = self._watched(work)
            self._go_on()
        return result

    def _wait_for_turn(self) -> None:
        """Take ONE_AT_A_TIME in the order of coming."""
        _line.append(self)
        try:
            while _line[0] is not self or not ONE_AT_A_TIME.acquire(timeout=0.2):
                self._go_on()
                if _line[0] is not self:
                    self._stop.wait(0.1)
        finally:
            _line.remove(self)

    def _watched(self, work: Callable[[Progress], Any]) -> Any:
        """`work` in a thread that is left to itself when it hangs: nothing can end a thread from outside."""
        steps: SimpleQueue[tuple[str, Any]] = SimpleQueue()

        def progress(done: int, total: int) -> None:
            self._go_on()
            self.done, self.total = done, total
            steps.put(("step", None))

        def run() -> None:
            try:
                steps.put(("result", work(progress)))
            except BaseException as error:
                steps.put(("error", error))

        threading.Thread(target=run, daemon=True, name="infnet-work").start()
        while True:
            try:
                kind, value = steps.get(timeout=self._patience)
            except Empty:
                self._stop.set()  # should it wake up after all, it ends at its next step
                raise HungError(
                    f"study: the networks made no step for {self._patience / 60:g} minutes and were given up; run it "
                    "again, and restart the program where that happens again"
                ) from None
            if kind == "result":
                return value
            if kind == "error":
                raise value

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise StoppedError
