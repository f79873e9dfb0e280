"""From a sender through the node to an archive, with all that may come between."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import generate_uid

from infnet.node import run, work
from infnet.node.queue import Queue
from infnet.node.status import status
from tests.node.driving import RESULTS, Node, Store, archive, ct, sent, until


def line(text: str, words: str) -> str:
    """The number in a line of the status."""
    (found,) = (row for row in text.splitlines() if row.startswith(words))
    return found.split()[-1]


def received(node: Node, *studies: list[Any]) -> None:
    with node.listening() as port:
        for slices in studies:
            assert set(sent(port, slices)) == {0}


def test_a_study_becomes_seg_sr_and_pdf_in_the_archive_and_its_source_goes(node: Node, tmp_path: Path) -> None:
    slices, store = ct(tmp_path), Store()
    received(node, slices)
    assert line(status(node.queue.out), "received") == "1"
    with archive(store) as port, node.sending(port):
        node.work(lambda: node.names() != [] and not node.queue.files(node.names()[0]))
    assert store.kinds() == sorted(RESULTS)
    assert set(store.came.values()) == {1}
    for dataset in store.held.values():
        assert dataset.StudyInstanceUID == slices[0].StudyInstanceUID
        assert dataset.PatientID == "PHANTOM"
    told = status(node.queue.out)
    assert line(told, "done") == "1"
    assert "0 objects" in told
    assert [path.name for path in node.queue.studies.rglob("*") if path.is_file()] == ["record.json"]


def test_late_slices_make_the_study_run_again_as_a_larger_one(node: Node, tmp_path: Path) -> None:
    slices, store = ct(tmp_path), Store()
    with archive(store) as port, node.sending(port):
        received(node, slices[:4])
        node.work(lambda: len(store.held) == 3, keep_days=1)
        received(node, slices[4:])
        node.work(lambda: len(store.held) == 6, keep_days=1)
        node.work(lambda: not node.results(), keep_days=1)
    frames = sorted(
        len(item.ReferencedSOPSequence)
        for dataset in store.held.values()
        if dataset.SOPClassUID == RESULTS[1]
        for evidence in dataset.CurrentRequestedProcedureEvidenceSequence
        for item in evidence.ReferencedSeriesSequence
        if item.SeriesInstanceUID == slices[0].SeriesInstanceUID
    )
    assert frames == [4, 6]


def test_slices_that_come_while_it_runs_are_in_the_only_result(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = ct(tmp_path)
    received(node, slices[:4])

    class Late:
        def __init__(self, examine: Any) -> None:
            self.row, self._late = self._examined, [slices[4:]]

        def _examined(self, *told: Any) -> Any:
            row = work.examine(*told)
            if self._late:
                received(node, self._late.pop())
            return row

        def end(self) -> None:
            pass

    monkeypatch.setattr(run, "Worker", Late)
    node.work(lambda: node.results() != [])
    (record,) = (node.queue.record(name) for name in node.names())
    assert record is not None
    assert len(record.objects) == 6
    assert any("meanwhile" in said for said in node.said)


def test_after_the_source_is_gone_late_slices_are_refused_and_all_of_them_run_again(node: Node, tmp_path: Path) -> None:
    slices, store = ct(tmp_path), Store()
    with archive(store) as port, node.sending(port):
        received(node, slices[:5])
        (name,) = node.names()
        node.work(lambda: not node.queue.files(name))
        received(node, slices[:2])  # sent twice: nothing new
        node.work(lambda: not node.queue.files(name))
        assert len(store.held) == 3
        received(node, slices[5:])
        node.work(lambda: not node.queue.files(name))
        assert "slices came after the others were removed" in node.said[-1]
        assert line(status(node.queue.out), "failed") == "1"
        received(node, slices)
        node.work(lambda: len(store.held) == 6)
        until(lambda: not node.results())
        assert line(status(node.queue.out), "failed") == "0"
        node.work(lambda: not node.queue.files(name))
        received(node, slices)  # the archive may have lost it
        node.work(lambda: set(store.came.values()) == {1, 2})
    assert len(store.held) == 6


def fails(kind: str, slices: list[Any]) -> None:
    """Make of a study one that cannot be segmented."""
    for number, dataset in enumerate(slices):
        if kind == "localizer":
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        elif kind == "no lung":
            dataset.PixelData = bytes(len(dataset.PixelData))
        elif kind == "no positions":
            del dataset.ImagePositionPatient
        elif kind == "alone":
            dataset.SeriesInstanceUID = generate_uid()
        elif kind == "noise":
            dataset.PixelData = os.urandom(len(dataset.PixelData))
        elif kind == "two places" and number:
            dataset.ImagePositionPatient = slices[0].ImagePositionPatient


@pytest.mark.parametrize("kind", ["localizer", "no lung", "no positions", "alone", "noise", "two places"])
def test_a_study_that_cannot_be_segmented_is_a_line_and_the_next_one_runs(
    node: Node, tmp_path: Path, kind: str
) -> None:
    bad, good = ct(tmp_path), ct(tmp_path, "two")
    fails(kind, bad)
    received(node, bad, good)
    node.said.clear()
    node.work(lambda: len(node.results()) == 3 and line(status(node.queue.out), "failed") == "1")
    (said,) = (said for said in node.said if "failed" in said)
    assert said.count("\n") == 0
    told = status(node.queue.out)
    assert said.split(": failed: ")[1] in told
    for uid in (bad[0].StudyInstanceUID, bad[0].SeriesInstanceUID, bad[0].SOPInstanceUID, "Phantom", "PHANTOM"):
        assert uid not in told + "".join(node.said)
    received(node, bad[:1])
    node.said.clear()
    node.work(lambda: any("failed" in said for said in node.said))  # sent again: another try


@pytest.mark.parametrize(("fault", "times"), [(EOFError, 1), (EOFError, 2), (TimeoutError, 1)])
def test_a_process_that_dies_or_hangs_is_a_line_and_another_one_goes_on(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[Exception], times: int
) -> None:
    begun: list[Any] = []

    class Faulty:
        def __init__(self, examine: Any) -> None:
            begun.append(self)
            self.ended = False

        def row(self, case: Any, out: Path, *told: Any) -> Any:
            if len(begun) <= times:
                (out / "1-report-half.dcm").write_bytes(b"half")
                raise fault
            return work.examine(case, out, *told)

        def end(self) -> None:
            self.ended = True

    monkeypatch.setattr(run, "Worker", Faulty)
    received(node, ct(tmp_path), ct(tmp_path, "two"))
    failed = times == 2 or fault is TimeoutError
    node.work(lambda: len(node.results()) == (3 if failed else 6))
    assert [worker.ended for worker in begun] == [True] * (times + 1)
    assert sum("failed" in said for said in node.said) == failed
    assert not any("half" in name for name in node.results())


@pytest.mark.parametrize("where", ["result", "record"])
def test_a_full_disk_is_a_line_and_it_is_tried_again(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    received(node, ct(tmp_path))
    left, commit, save = [2], Queue.commit, work.save

    def full(*arguments: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        return commit(*arguments) if where == "record" else save(*arguments)

    monkeypatch.setattr(*((Queue, "commit") if where == "record" else (work, "save")), full)
    node.work(lambda: len(node.results()) == 3)
    assert sum("make room" in said for said in node.said) == 2
    assert not any("failed" in said for said in node.said)


def test_sources_stay_as_long_as_is_said(node: Node, tmp_path: Path) -> None:
    received(node, ct(tmp_path))
    store = Store()
    with archive(store) as port, node.sending(port):
        node.work(lambda: len(store.held) == 3, keep_days=2)
        until(lambda: not node.results())
    (name,) = node.names()
    record = node.queue.studies / name / "result" / "record.json"

    def ago(days: float) -> None:
        then = record.stat().st_mtime - 86400 * days
        os.utime(record, (then, then))

    node.queue.tidy(2)
    assert len(node.queue.files(name)) == 6
    ago(2.1)
    node.queue.tidy(2)
    assert node.queue.files(name) == []
    assert node.names() == [name]
    ago(31)
    node.queue.tidy(2)
    assert node.names() == []
