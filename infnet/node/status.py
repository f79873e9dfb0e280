"""Where the studies of a node are, in one small table that says nothing of a patient."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from infnet.errors import InfNetError
from infnet.node.queue import Queue
from infnet.node.record import RUNNING, WHOLE
from infnet.read.files import in_words

STATES = {
    "received": "received, not whole yet",
    "waiting": "whole, waiting",
    "running": "running",
    "to send": "to be sent",
    "failed": "failed",
    "done": "done",
}


def state_of(queue: Queue, name: str) -> str:
    """One of STATES."""
    folder, record = queue.studies / name, queue.record(name)
    for mark, state in ((RUNNING, "running"), (WHOLE, "waiting")):
        if (folder / mark).exists():
            return state
    if any((folder / "result").glob("*.dcm")):
        return "to send"
    if record is None or not queue.objects(name) <= frozenset(record.objects):
        return "received"
    return "failed" if record.why else "done"


def status(out: Path) -> str:
    """The table, and below it why studies have failed. The node may be running.

    Raises InfNetError where `out` is not the folder of a node.
    """
    queue = Queue(out)
    if not queue.studies.is_dir():
        raise InfNetError(f"{out}: no node has run there; give the folder of its --out")
    counted, failed = dict.fromkeys(STATES, 0), []
    files = size = 0
    for name in queue.names():
        state = ""
        with suppress(FileNotFoundError):  # the node takes it away just now
            state = state_of(queue, name)
            counted[state] += 1
            for path in queue.files(name):
                size += path.stat().st_size
                files += 1
        if state == "failed" and (record := queue.record(name)):
            failed.append(f"{name}: {record.why}")
    lines = [f"{text:<24}{counted[state]:>6}" for state, text in STATES.items()]
    return "\n".join(["studies", *lines, f"{files} objects on the disk, {in_words(size)}", *failed])
