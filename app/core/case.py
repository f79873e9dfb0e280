"""What one user has open, where a browser reload finds it again and nobody else does."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from numpy.typing import NDArray

import infnet
from app.core.corrections import Revisions
from app.core.jobs import Job
from app.core.tokens import new_token
from infnet.notices import Notice
from infnet.pipeline.run import Growing

GRACE = 120.0  # seconds that a case outlives its last browser and its last run
SWEEP = 15.0  # seconds between two looks
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Reference:
    """A mask to check a result against, on the study's grid.

    notices: what is odd about its place. token: tells it from every other reference.
    """

    mask: NDArray[Any]
    notices: tuple[Notice, ...] = ()
    token: int = field(default_factory=new_token)


@dataclass(eq=False)
class Exam:
    """One study of the patient, and what was made from it.

    study: its name is neutral; `label` is the one that came with the files; `date` what the user calls it. job: the
    segmentation; growing: what run number `run` has found so far; others: those of other networks, by name. mirrored:
    probabilities of the mirrored study. reference: a mask to check against. revisions: what a person has corrected.
    cache: what pages made from all that, see `once`. token: tells it from every other exam.
    """

    study: infnet.Study
    label: str
    date: str = "Date 1"
    job: Job | None = None
    growing: Growing | None = None
    run: int = 0
    others: dict[str, Job] = field(default_factory=dict)
    mirrored: Job | None = None
    reference: Reference | None = None
    revisions: Revisions = field(default_factory=Revisions)
    cache: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    token: int = field(default_factory=new_token)

    @property
    def jobs(self) -> list[Job]:
        return [job for job in (self.job, self.mirrored, *self.others.values()) if job is not None]

    def once(self, name: str, key: Any, make: Callable[[], T]) -> T:
        """What `make` gave for this `key`; the last one of each name is kept. A key holds tokens, never an `id`."""
        last = self.cache.get(name)
        if last is None or last[0] != key:
            last = self.cache[name] = (key, make())
        value: T = last[1]
        return value


class Case:
    """The exams of one patient in one browser: the first one is shown, others are compared with it.

    browser: what only this browser knows; empty where it keeps nothing, and then no other session gets the case.
    """

    def __init__(self, browser: str) -> None:
        self.browser = browser
        self.token = secrets.token_urlsafe(16)
        self.exams: list[Exam] = []
        self.sessions: set[str] = set()
        self.closed = False
        self.seen = time.monotonic()

    @property
    def running(self) -> bool:
        return any(job.alive for exam in self.exams for job in exam.jobs)

    def close(self) -> None:
        """Stop what runs and let go of every pixel, whoever still holds the case itself."""
        self.closed = True
        for exam in self.exams:
            forget(exam)
        self.exams.clear()


def forget(exam: Exam) -> None:
    """Stop what runs for an exam and let go of what was made from it."""
    for job in exam.jobs:
        job.stop()
        job.result = None
    exam.job = exam.growing = exam.mirrored = exam.reference = None
    exam.revisions = Revisions()
    exam.others.clear()
    exam.cache.clear()


class Registry:
    """Open cases by token and browser, for one server. A case is dropped when it is closed, or when it has
    neither a browser nor a run left.

    `active` tells whether a session of this name still has a browser.
    """

    def __init__(self, active: Callable[[str], bool]) -> None:
        self._active = active
        self._cases: dict[str, Case] = {}
        self._lock = threading.Lock()
        threading.Thread(target=_keep_sweeping, args=(weakref.ref(self),), daemon=True, name="infnet-sweep").start()

    def __len__(self) -> int:
        return len(self._cases)

    def open(self, session: str, browser: str) -> Case:
        case = Case(browser)
        case.sessions.add(session)
        with self._lock:
            self._cases[case.token] = case
        return case

    def find(self, token: str, session: str, browser: str) -> Case | None:
        """The case of this token, from now on this session's too; None for another browser than the one it is in."""
        with self._lock:
            case = self._cases.get(token)
            if case is not None and not case.closed and browser and hmac.compare_digest(case.browser, browser):
                case.sessions.add(session)
                return case
        return None

    def close(self, case: Case) -> None:
        case.close()
        with self._lock:
            self._cases.pop(case.token, None)

    def sweep(self, now: float) -> None:
        """Close every case that was left alone for longer than GRACE. `now` on the monotonic clock, seconds."""
        with self._lock:
            cases = list(self._cases.values())
        for case in cases:
            if case.running or any(self._active(session) for session in list(case.sessions)):
                case.seen = now
            elif case.closed or now - case.seen > GRACE:
                self.close(case)


def _keep_sweeping(registry: weakref.ref[Registry]) -> None:
    while (alive := registry()) is not None:
        alive.sweep(time.monotonic())
        del alive  # no reference while it sleeps: the registry may go meanwhile
        time.sleep(SWEEP)
