"""Twenty studies from four associations at once to a node that is killed ten times; run in a network of its own.

    python -m tests.node.kills FOLDER [WHERE]

WHERE: of `--to`; the archive's DICOM port without it.
Prints, as JSON, what the archive holds, what it should hold, and where the kills fell.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
from pynetdicom import AE

import infnet
from infnet.cohort.row import Case, Settings
from infnet.node.listen import CT, TRANSFER_SYNTAXES
from infnet.node.queue import Queue
from infnet.node.status import STATES, state_of
from infnet.node.work import examine
from tests.export import orthanc
from tests.fakes import fake_engines
from tests.node.driving import ct

ROOT = Path(__file__).parents[2]
KILLS, STUDIES, ASSOCIATIONS = 10, 20, 4
QUIET = 5  # s; a sender is back sooner
PORT = 11112


def send(studies: Sequence[Sequence[pydicom.Dataset]]) -> None:
    """Send studies, in one association as long as the node lives; what was not answered is sent again."""
    left = [dataset for study in studies for dataset in study]
    entity = AE(ae_title="SCANNER")
    entity.add_requested_context(CT[0], TRANSFER_SYNTAXES[0])
    while left:
        association = entity.associate("127.0.0.1", PORT)
        while left and association.is_established:
            try:
                if association.send_c_store(left[0]).get("Status") != 0:
                    break
            except (RuntimeError, ValueError):  # the association is gone
                break
            del left[0]
        if association.is_established:
            association.release()
        time.sleep(0.05)


@contextmanager
def started(folder: Path, log: Any, to: str) -> Iterator[subprocess.Popen[bytes]]:
    """The node, when it listens."""
    command = [sys.executable, "-m", "tests.faults.command", "node", "--out", str(folder / "node")]
    command += ["--port", str(PORT), "--to", to, "--quiet-seconds", str(QUIET)]
    at = log.tell()
    child = subprocess.Popen(command, cwd=ROOT, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        while b"listening" not in Path(log.name).read_bytes()[at:]:
            assert child.poll() is None, Path(log.name).read_text()
            time.sleep(0.02)
        yield child
    finally:
        child.kill()
        child.wait()


def where(queue: Queue) -> dict[str, int]:
    """How many studies are in which state."""
    found = [state_of(queue, name) for name in queue.names()] if queue.studies.is_dir() else []
    return {state: found.count(state) for state in STATES if state in found}


def expected(folder: Path, names: Sequence[str]) -> set[str]:
    """The SOP instances of the results of all studies, made without a node."""
    infnet.load_engines = lambda *_: fake_engines()  # type: ignore[assignment]
    made = set()
    for name in names:
        out = folder / "expected" / name
        out.mkdir(parents=True)
        row = examine(Case(name, folder / "scans" / name), out, Settings(dicom=True))
        assert row["error"] is None
        made |= {str(pydicom.dcmread(path).SOPInstanceUID) for path in out.iterdir()}
    return made


def main(folder: Path, to: str = f"ORTHANC@127.0.0.1:{orthanc.DICOM}") -> None:
    names = [f"study {number}" for number in range(STUDIES)]
    studies = [ct(folder / "scans", name) for name in names]
    should = expected(folder, names)
    rng, fell = random.Random(0), []
    (folder / "archive").mkdir()
    with orthanc.running(folder / "archive"), (folder / "log").open("ab") as log:
        senders = [threading.Thread(target=send, args=(studies[n::ASSOCIATIONS],)) for n in range(ASSOCIATIONS)]
        for sender in senders:
            sender.start()
        for kill in range(KILLS):
            with started(folder, log, to):
                time.sleep(rng.uniform(0, 0.4) if kill < KILLS // 2 else QUIET + rng.uniform(1, 3.5))
            fell.append(where(Queue(folder / "node")))
        with started(folder, log, to) as node:
            for sender in senders:
                sender.join()
            while where(Queue(folder / "node")) != {"done": STUDIES}:
                assert node.poll() is None, (folder / "log").read_text()
                time.sleep(0.2)
            node.terminate()
            node.wait(30)
        held = orthanc.instances()
    print(json.dumps({"held": [one["instance"] for one in held], "should": sorted(should), "fell": fell}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3])
