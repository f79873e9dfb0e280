"""A case is reached by its token only, and is let go when nobody is there any more."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

from app.core.browser import secret
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
    first, second = registry.open("one", "mine"), registry.open("two", "theirs")
    assert first.token != second.token
    assert len(first.token) >= 20
    assert registry.find(first.token, "one, reloaded", "mine") is first
    assert registry.find(first.token[:-1], "two", "mine") is None
    assert registry.find("", "two", "mine") is None


def test_another_browser_gets_nothing_for_the_right_token(registry: Registry) -> None:
    case, nameless = registry.open("one", "mine"), registry.open("two", "")
    assert registry.find(case.token, "two", "theirs") is None
    assert registry.find(case.token, "two", "") is None
    assert registry.find(nameless.token, "two", "") is None
    assert case.sessions == {"one"}


def test_a_browser_is_known_by_the_number_in_its_cookie_whatever_its_mask() -> None:
    from streamlit.web.server.starlette.starlette_app_utils import generate_xsrf_token_string

    number = bytes(range(16))
    once, again = (generate_xsrf_token_string(number, 1) for _ in range(2))
    assert once != again
    assert secret(once) == secret(again) == number.hex()
    for bad in (None, "", "2|00|00|1", "1|" + once, "2||00|1", "2|zz|zz|1", "x"):
        assert secret(bad) == ""


def test_case_goes_some_time_after_its_last_browser(registry: Registry, browsers: set[str]) -> None:
    case = registry.open("one", "mine")
    case.exams.append(Exam(small(), "scan"))
    pixels = weakref.ref(case.exams[0].study.pixels)
    registry.sweep(case.seen + 10 * GRACE)
    assert not case.closed
    browsers.clear()
    registry.sweep(case.seen + GRACE)
    assert registry.find(case.token, "one, reloaded", "mine") is case
    registry.sweep(case.seen + GRACE + 1)
    assert case.closed
    assert registry.find(case.token, "one", "mine") is None
    assert len(registry) == 0
    gc.collect()
    assert pixels() is None, "the session may still hold the case, but no pixels"


def test_case_stays_while_its_networks_run(registry: Registry, browsers: set[str]) -> None:
    go_on = threading.Event()

    def work(progress: Progress) -> str:
        assert go_on.wait(10)
        return "found"

    case = registry.open("one", "mine")
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
    case = registry.open("one", "mine")
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
