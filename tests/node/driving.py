"""A sender and an archive for the tests of the node, and the node itself in this process with engines of no weight."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
from pynetdicom import AE, evt
from pynetdicom import DEFAULT_TRANSFER_SYNTAXES as DEFAULTS

from infnet.cohort.row import Case, Settings
from infnet.node import run, work
from infnet.node.arrivals import Arrivals
from infnet.node.listen import CT, TRANSFER_SYNTAXES, VERIFICATION, Options, listening
from infnet.node.queue import Queue
from infnet.node.record import Objects
from infnet.node.send import Archive, Sender, Target
from infnet.phantom import write_dicom
from tests.pipeline.test_run import chest

RESULTS = (
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.104.1",  # Encapsulated PDF
)


class Here:
    """A worker that is no process of its own."""

    def __init__(self, examine: Callable[..., Any] = work.examine) -> None:
        self.row = examine

    def end(self) -> None:
        pass


class Enough(Exception):  # noqa: N818
    """What the test waited for has come."""


class Until:
    """A feed that ends the work when `done`."""

    def __init__(self, feed: Any, done: Callable[[], bool]) -> None:
        self._feed, self._done = feed, done
        self.objects = feed.objects

    def cases(self) -> Iterator[tuple[Case, Objects]]:
        if self._done():
            raise Enough
        yield from self._feed.cases()


def ct(folder: Path, name: str = "one") -> list[pydicom.Dataset]:
    """The slices of a box-shaped chest; another name is another study."""
    paths = write_dicom(replace(chest()[0], name=name), folder / name)
    return [pydicom.dcmread(path) for path in paths]


def sent(port: int, datasets: Iterable[pydicom.Dataset], aet: str = "SCANNER", tls: Any = None) -> list[int | None]:
    """Send objects by C-STORE in one association; the statuses, None where there was no answer.

    What was not answered is sent once more: on a busy machine pynetdicom may take an answer for a question.
    """
    entity = AE(ae_title=aet)
    entity.dimse_timeout = 5
    for sop_class in CT:
        entity.add_requested_context(sop_class, TRANSFER_SYNTAXES[0])
    association = entity.associate("127.0.0.1", port, tls_args=tls)
    assert association.is_established
    statuses: list[int | None] = []
    for dataset in datasets:
        status = association.send_c_store(dataset).get("Status")
        if status is None:
            association = entity.associate("127.0.0.1", port, tls_args=tls)
            status = association.send_c_store(dataset).get("Status")
        statuses.append(status)
    association.release()
    return statuses


def echo(port: int, aet: str = "SCANNER", tls: Any = None) -> bool:
    """Whether the node answers a C-ECHO."""
    entity = AE(ae_title=aet)
    entity.add_requested_context(VERIFICATION)
    association = entity.associate("127.0.0.1", port, tls_args=tls)
    try:
        return association.is_established and association.send_c_echo().get("Status") == 0
    finally:
        association.release()


class Store:
    """What an archive got: how often each object came, and the objects."""

    def __init__(self) -> None:
        self.came: Counter[str] = Counter()
        self.held: dict[str, pydicom.Dataset] = {}
        self.status = 0

    def __call__(self, event: Any) -> int:
        if self.status == 0:
            self.held[str(event.dataset.SOPInstanceUID)] = event.dataset
            self.came[str(event.dataset.SOPInstanceUID)] += 1
        return self.status

    def kinds(self) -> list[str]:
        return sorted(str(dataset.SOPClassUID) for dataset in self.held.values())


@contextmanager
def archive(
    store: Callable[[Any], int], port: int = 0, syntaxes: Sequence[str] = DEFAULTS, tls: Any = None
) -> Iterator[int]:
    """A Storage SCP for results; yields its port."""
    entity = AE(ae_title="ARCHIVE")
    for sop_class in RESULTS:
        entity.add_supported_context(sop_class, list(syntaxes))
    handlers: list[Any] = [(evt.EVT_C_STORE, store)]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers, ssl_context=tls)
    assert server is not None
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


class Node:
    """A node in this process. `said` is its log."""

    def __init__(self, out: Path, quiet: float = 0.0) -> None:
        out.mkdir(exist_ok=True)
        self.queue, self.said = Queue(out), list[str]()
        self.queue.open()
        self.arrivals = Arrivals(self.queue, quiet)

    @contextmanager
    def listening(self, **options: Any) -> Iterator[int]:
        given = {"aet": "INFNET", "host": "127.0.0.1", "port": 0, **options}
        with listening(self.queue, self.arrivals, Options(**given), self.said.append) as (_, port):
            yield port

    def work(self, done: Callable[[], bool], feed: Any = None, keep_days: float = 0.0, **settings: Any) -> None:
        """Work until `done`, which is asked between two studies."""
        until = Until(feed or self.arrivals, done)
        try:
            run.work_off(self.queue, until, Settings(**settings), keep_days, self.said.append)
        except Enough:
            return

    @contextmanager
    def sending(self, port: int = 0, target: Target | None = None) -> Iterator[Sender]:
        sender = Sender(self.queue, target or Archive("ARCHIVE", "127.0.0.1", port, "INFNET", None), self.said.append)
        sender.start()
        try:
            yield sender
        finally:
            sender.stop()

    def names(self) -> list[str]:
        return self.queue.names()

    def results(self) -> list[str]:
        return sorted(path.name for path in self.queue.studies.glob("*/result/*.dcm"))


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a state; the limit is for a test that would hang."""
    over = threading.Event()
    timer = threading.Timer(seconds, over.set)
    timer.start()
    try:
        while not condition():
            assert not over.wait(0.01), "it did not come"
    finally:
        timer.cancel()
