"""The folder of a node: what is due, and that a kill between any two steps leaves it sound."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from infnet.node.queue import Queue
from infnet.node.record import Record, TooLateError
from infnet.node.status import state_of, status
from tests.faults.killing import killed_at


def opened(out: Path) -> Queue:
    out.mkdir(exist_ok=True)
    queue = Queue(out)
    queue.open()
    return queue


def add(queue: Queue, *instances: str, name: str = "study") -> list[bool]:
    added = []
    for instance in instances:
        with queue.incoming() as path:
            path.write_bytes(instance.encode())
            added.append(queue.add(name, "series", instance, path))
    return added


def finish(queue: Queue, why: str = "", name: str = "study") -> None:
    with queue.making() as made:
        if not why:
            (made / "1-report.dcm").write_bytes(b"result")
        queue.commit(name, made, Record(tuple(sorted(queue.objects(name))), why))


def send_all(queue: Queue) -> list[str]:
    sent = []
    for _, paths in queue.to_send():
        for path in paths:
            queue.sent(path)
            sent.append(path.name)
    return sent


def test_names_are_the_same_after_a_start_and_of_nobody_else(tmp_path: Path) -> None:
    queue = opened(tmp_path / "a")
    assert queue.name("1.2.3") == opened(tmp_path / "a").name("1.2.3") != opened(tmp_path / "b").name("1.2.3")
    assert (tmp_path / "a" / "key").stat().st_mode & 0o777 == 0o600


def test_an_object_is_there_once(tmp_path: Path) -> None:
    queue = opened(tmp_path / "out")
    assert add(queue, "1", "2", "1") == [True, True, False]
    assert len(queue.files("study")) == 2
    assert queue.size("study") == 2 == opened(tmp_path / "out").size("study")


def test_what_is_due(tmp_path: Path) -> None:
    queue = opened(tmp_path / "out")
    assert not queue.is_due("study", frozenset())
    add(queue, "1", "2")
    assert queue.is_due("study", queue.objects("study"))
    finish(queue)
    assert not queue.is_due("study", queue.objects("study"))
    add(queue, "3")
    assert queue.is_due("study", queue.objects("study"))
    assert send_all(queue) == [], "an outdated result waits for the next one"
    finish(queue)
    assert send_all(queue) == ["1-report.dcm"]
    queue.tidy(0)
    assert queue.files("study") == []
    add(queue, "1")
    assert not queue.is_due("study", queue.objects("study"))
    assert queue.files("study") == []
    add(queue, "4")
    with pytest.raises(TooLateError):
        queue.is_due("study", queue.objects("study"))
    assert queue.files("study") == []
    add(queue, "1", "2", "3", "4")
    assert queue.is_due("study", queue.objects("study"))


def test_a_failed_study_is_tried_again_when_it_is_sent_again(tmp_path: Path) -> None:
    queue = opened(tmp_path / "out")
    add(queue, "1")
    finish(queue, "no lung was found")
    assert state_of(queue, "study") == "failed"
    assert not queue.is_due("study", queue.objects("study"))
    queue.tidy(0)
    assert len(queue.files("study")) == 1, "it can be looked at"
    add(queue, "1")
    assert queue.is_due("study", queue.objects("study"))


def test_a_damaged_record_is_as_good_as_none(tmp_path: Path) -> None:
    queue = opened(tmp_path / "out")
    add(queue, "1")
    finish(queue)
    (tmp_path / "out" / "studies" / "study" / "result" / "record.json").write_text("{")
    queue = opened(tmp_path / "out")
    assert queue.is_due("study", queue.objects("study"))


def killed_from_now(step: int) -> Callable[[], int]:
    """From now on the `step`-th file to be moved, made or removed kills this process instead."""
    counted, done = killed_at(step)
    for name in ("rename", "replace", "unlink", "mkdir"):
        setattr(Path, name, counted(getattr(Path, name)))
    os.rmdir, os.fsync, os.unlink = counted(os.rmdir), counted(os.fsync), counted(os.unlink)  # type: ignore[assignment]
    return done


def life(queue: Queue) -> None:
    """All that happens to a study: it comes, gets a result, a further slice, a larger result, is sent, and goes."""
    queue.open()
    if not (queue.out / "over").exists():
        add(queue, "1", "2", "3")
    if queue.is_due("study", queue.objects("study")):
        finish(queue)
    if not (queue.out / "over").exists():
        add(queue, "4")
    if queue.is_due("study", queue.objects("study")):
        finish(queue)
    with (queue.out / "sent").open("a") as file:
        for name in send_all(queue):
            file.write(f"{len(queue.objects('study'))} {name}\n")
    (queue.out / "over").touch()
    queue.tidy(0)


def test_a_kill_before_any_step_loses_nothing(tmp_path: Path) -> None:
    """The sender sends again what was not answered, as senders do."""
    for step in range(400):
        out = tmp_path / str(step)
        out.mkdir()
        child = os.fork()
        if not child:
            try:
                killed_from_now(step)
                life(Queue(out))
            finally:
                os._exit(0)
        _, status_ = os.waitpid(child, 0)
        life(Queue(out))
        queue = Queue(out)
        assert queue.files("study") == []
        record = json.loads((queue.studies / "study" / "result" / "record.json").read_text())
        assert (len(record["objects"]), record["why"], record["removed"]) == (4, "", True)
        assert [path.name for path in (queue.studies / "study" / "result").iterdir()] == ["record.json"]
        assert not any(any((out / name).iterdir()) for name in ("incoming", "work", "trash"))
        assert status(out).splitlines()[6].split() == ["done", "1"]
        if not os.WIFSIGNALED(status_):
            break
    assert step > 40
    print(f"{step} steps")
