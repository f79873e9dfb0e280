"""A case is reached by its token only, and is let go when nobody is there any more."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

from app.core.case import GRACE, Exam, Reference, Registry
from app.core.jobs import Job, Progress
from tests.app.examples import small
from tests.app.holding import Held


@pytest.fixture
def browsers() -> set[str]:
    """Names of the sessions that have a browser."""
    return {"one", "two"}


@pytest.fixture
def registry(browsers: set[str]) -> Registry:
    return Registry(browsers.__contains__)


def test_reload_finds_the_case_by_its_token_and_nobody_else_does(registry: Registry) -> None:
    first, second = registry.open("one"), registry.open("two")
    assert first.token != second.token
    assert len(first.token) >= 20
    assert registry.find(first.token, "one, reloaded") is first
    assert registry.find(first.token[:-1], "two") is None
    assert registry.find("", "two") is None


def test_case_goes_some_time_after_its_last_browser(registry: Registry, browsers: set[str]) -> None:
    case = registry.open("one")
    case.exams.append(Exam(small(), "scan"))
    pixels = weakref.ref(case.exams[0].study.pixels)
    registry.sweep(case.seen + 10 * GRACE)
    assert not case.closed
    browsers.clear()
    registry.sweep(case.seen + GRACE)
    assert registry.find(case.token, "one, reloaded") is case
    registry.sweep(case.seen + GRACE + 1)
    assert case.closed
    assert registry.find(case.token, "one") is None
    assert len(registry) == 0
    gc.collect()
    assert pixels() is None, "the session may still hold the case, but no pixels"


def test_case_stays_while_its_networks_run(registry: Registry, browsers: set[str]) -> None:
    go_on = threading.Event()

    def work(progress: Progress) -> str:
        assert go_on.wait(10)
        return "found"

    case = registry.open("one")
    case.exams.append(Exam(small(), "scan", job=Job(work)))
    browsers.clear()
    registry.sweep(case.seen + 10 * GRACE)
    assert not case.closed
    go_on.set()
    case.exams[0].jobs[0].wait(10)
    registry.sweep(case.seen + GRACE)
    assert case.exams[0].job is not None
    assert case.exams[0].job.result == "found", "a reload soon after still finds the result"


def test_closing_stops_the_run_and_lets_go_of_everything(registry: Registry) -> None:
    work = Held()
    case = registry.open("one")
    exam = Exam(small(), "scan", job=Job(work))
    job = exam.jobs[0]
    exam.once("numbers", 1, lambda: "kept")
    case.exams.append(exam)
    assert work.begun.wait(10)
    registry.close(case)
    work.go_on.set()
    job.wait(10)
    assert (job.state, job.result) == ("stopped", None)
    assert not case.exams
    assert not exam.cache
    assert not exam.jobs


def test_once_makes_again_only_for_another_key() -> None:
    keys: list[int] = []
    exam = Exam(small(), "scan")
    for key in (1, 1, 2, 2, 1):
        assert exam.once("numbers", key, lambda key=key: keys.append(key) or key) == key
    assert keys == [1, 2, 1]


def test_no_token_is_given_out_twice() -> None:
    """Addresses are: each of these objects is gone before the next one is made."""
    mask = np.zeros((1, 1, 1), np.uint8)
    tokens = [Reference(mask).token for _ in range(50)] + [Exam(small(), "scan").token for _ in range(2)]
    assert len(set(tokens)) == len(tokens)
