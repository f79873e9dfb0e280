"""A job outlives the page that started it, and ends when it is told to."""

from __future__ import annotations

import threading

import pytest

import infnet
from app.core import jobs
from app.core.jobs import Job, Progress
from tests.app.holding import Held, until


def test_result_and_progress() -> None:
    def work(progress: Progress) -> str:
        progress(1, 4)
        return "found"

    job = Job(work)
    job.wait(10)
    assert (job.state, job.result, job.share, job.alive) == ("done", "found", 0.25, False)


def test_stop_ends_it_at_the_next_step_and_leaves_no_result() -> None:
    work = Held()
    job = Job(work)
    assert work.begun.wait(10)
    job.stop()
    work.go_on.set()
    job.wait(10)
    assert (job.state, job.result) == ("stopped", None)


def test_second_job_waits_for_the_first_and_can_be_stopped_while_it_waits() -> None:
    work = Held("first")
    first = Job(work)
    assert work.begun.wait(10)
    second, third = Job(lambda progress: "second"), Job(lambda progress: "third")
    assert second.state == third.state == "waiting"
    until(lambda: (first.place, second.place, third.place) == (None, 1, 2))
    third.stop()
    third.wait(10)
    assert (third.state, first.state) == ("stopped", "running")
    assert third.place is None
    work.go_on.set()
    for job in (first, second):
        job.wait(10)
    assert (first.result, second.result, third.result) == ("first", "second", None)


def test_who_comes_to_a_full_queue_is_told_so_and_the_others_get_their_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_WAITING", 1)
    monkeypatch.setattr(jobs, "_queue", threading.Semaphore(2))
    work = Held("first")
    first = Job(work)
    assert work.begun.wait(10)
    second = Job(lambda progress: "second")
    while jobs._queue._value:  # until it stands in the queue
        threading.Event().wait(0.01)
    third = Job(lambda progress: "third")
    third.wait(10)
    assert third.error == "study: busy, 1 runs wait already; run it again in a few minutes"
    work.go_on.set()
    for job in (first, second):
        job.wait(10)
    fourth = Job(lambda progress: "fourth")
    fourth.wait(10)
    assert [job.result for job in (first, second, third, fourth)] == ["first", "second", None, "fourth"]


def test_those_who_wait_come_in_their_order() -> None:
    work = Held()
    first = Job(work)
    assert work.begun.wait(10)
    came: list[int] = []
    others = []
    for number in range(4):
        others.append(Job(lambda progress, number=number: came.append(number)))  # type: ignore[misc]
        until(lambda job=others[-1], place=number + 1: job.place == place)  # type: ignore[misc]
    assert came == []
    others[0].stop()
    until(lambda: [job.place for job in others] == [None, 1, 2, 3])
    work.go_on.set()
    for job in (first, *others):
        job.wait(10)
    assert came == [1, 2, 3]


def test_a_users_error_is_a_line_and_a_bug_keeps_its_traceback() -> None:
    def mendable(progress: Progress) -> None:
        raise infnet.InfNetError("weights: missing; restore them")

    def bug(progress: Progress) -> None:
        raise KeyError("bug")

    first, second = Job(mendable), Job(bug)
    first.wait(10)
    second.wait(10)
    assert (first.state, first.error, first.bug) == ("failed", "weights: missing; restore them", None)
    assert second.state == "failed"
    with pytest.raises(KeyError, match="bug"):
        raise second.bug  # type: ignore[misc]


class Hung:
    """Work that makes one step and then none, until the test is over."""

    def __init__(self) -> None:
        self.awake, self.ended = threading.Event(), threading.Event()

    def __call__(self, progress: Progress) -> str:
        try:
            progress(1, 4)
            self.awake.wait()
            progress(2, 4)
            return "too late"
        finally:
            self.ended.set()


def test_work_that_makes_no_step_is_given_up_and_the_next_job_gets_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFNET_PATIENCE_MINUTES", "0.002")
    work, lost = Hung(), list[Job]()
    hung = Job(work, lost.append)
    monkeypatch.delenv("INFNET_PATIENCE_MINUTES")
    following = Job(lambda progress: "found")
    for job in (hung, following):
        job.wait(60)
    assert (hung.state, hung.hung, hung.result) == ("failed", True, None)
    assert hung.error.startswith("study: the networks made no step for 0.002 minutes and were given up; run it again")
    assert lost == [hung]
    assert (following.state, following.result) == ("done", "found")
    work.awake.set()
    assert work.ended.wait(60)
    assert (hung.state, hung.result, hung.done) == ("failed", None, 1), "what wakes up late changes nothing"
    assert not jobs.ONE_AT_A_TIME.locked(), "its place is not given back twice"


def test_work_that_goes_on_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step has the whole time: here all of them together take longer than one may."""
    waits = []

    class Steps:
        def __init__(self) -> None:
            self.queue: list[tuple[str, object]] = []
            self.filled = threading.Semaphore(0)

        def put(self, step: tuple[str, object]) -> None:
            self.queue.append(step)
            self.filled.release()

        def get(self, timeout: float) -> tuple[str, object]:
            waits.append(timeout)
            assert self.filled.acquire(timeout=60)
            return self.queue.pop(0)

    def work(progress: Progress) -> str:
        for done in range(5):
            progress(done, 5)
        return "found"

    monkeypatch.setattr(jobs, "SimpleQueue", Steps)
    job = Job(work)
    job.wait(60)
    assert (job.state, job.result) == ("done", "found")
    assert waits == [600.0] * 6, "five steps and the result, each waited for as long as the first"


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_patience_is_a_number_of_minutes(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFNET_PATIENCE_MINUTES", text)
    with pytest.raises(infnet.InfNetError, match=f"INFNET_PATIENCE_MINUTES {text}: not a number of minutes above 0"):
        jobs.patience()
