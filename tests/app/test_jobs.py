"""A job outlives the page that started it, and ends when it is told to."""

from __future__ import annotations

import pytest

import infnet
from app.core.jobs import Job, Progress
from tests.app.holding import Held


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
    third.stop()
    third.wait(10)
    assert (third.state, first.state) == ("stopped", "running")
    work.go_on.set()
    for job in (first, second):
        job.wait(10)
    assert (first.result, second.result, third.result) == ("first", "second", None)


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
