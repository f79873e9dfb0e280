"""What a node takes from the network, what it refuses, and that a C-STORE is answered when the object is on disk."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import MRImageStorage
from pynetdicom import AE

from infnet.errors import InfNetError
from infnet.node import listen
from infnet.node.queue import Queue
from tests.faults.room import disk
from tests.node.driving import Node, ct, echo, sent, until
from tests.read.making import along, enhanced, hu_volume

SUCCESS, NO_ROOM, MISMATCH, DAMAGED = 0x0000, 0xA700, 0xA900, 0xC000


def test_objects_are_stored_once_and_privately(node: Node, tmp_path: Path) -> None:
    slices = ct(tmp_path)
    with node.listening() as port:
        assert echo(port)
        assert sent(port, slices) == [SUCCESS] * 6
        assert sent(port, slices) == [SUCCESS] * 6
        until(lambda: len(node.said) >= 2)
    (name,) = node.names()
    files = node.queue.files(name)
    assert len(files) == 6
    for path in node.queue.out.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
        assert not any(uid in str(path) for uid in (slices[0].StudyInstanceUID, slices[0].SeriesInstanceUID))
    assert set(node.said) == {"received 6 objects of 1 study"}


def test_an_enhanced_ct_is_taken(node: Node) -> None:
    with node.listening() as port:
        assert sent(port, [enhanced(hu_volume(), along(6), [-1024] * 6)]) == [SUCCESS]


def test_a_study_is_whole_when_no_association_carries_it(node: Node, tmp_path: Path) -> None:
    slices = ct(tmp_path)
    with node.listening() as port:
        entity = AE(ae_title="SCANNER")
        entity.add_requested_context(listen.CT[0])
        association = entity.associate("127.0.0.1", port)
        assert association.send_c_store(slices[0]).Status == SUCCESS
        assert list(node.arrivals.cases()) == []
        association.abort()
        until(lambda: len(list(node.arrivals.cases())) == 1)
    assert list(Node(node.queue.out, quiet=3600).arrivals.cases()) == []


def test_cut_short_or_damaged_is_refused_in_a_line(node: Node, tmp_path: Path) -> None:
    cut, empty, nameless, other = ct(tmp_path)[:4]
    cut.PixelData = cut.PixelData[:-100]
    del empty.PixelData
    del nameless.StudyInstanceUID
    other.SOPClassUID = listen.CT[1]
    with node.listening() as port:
        assert sent(port, [cut, empty, nameless]) == [DAMAGED] * 3
        until(lambda: len(node.said) == 3)
        assert echo(port)
    assert node.names() == []
    assert all(line.startswith("an object was refused (0xC000): ") for line in node.said)
    assert "cut short" in node.said[0]
    assert not list((node.queue.out / "incoming").iterdir())


def test_another_object_than_was_announced_is_refused(node: Node, tmp_path: Path, monkeypatch: Any) -> None:
    slices = ct(tmp_path)
    checked = listen._checked
    monkeypatch.setattr(listen, "_checked", lambda path, announced: checked(path, announced + ".1"))
    with node.listening() as port:
        assert sent(port, slices[:1]) == [MISMATCH]


def test_what_is_no_ct_is_not_negotiated(node: Node) -> None:
    with node.listening() as port:
        entity = AE(ae_title="SCANNER")
        entity.add_requested_context(MRImageStorage)
        entity.add_requested_context(listen.CT[0])
        association = entity.associate("127.0.0.1", port)
        assert [context.abstract_syntax for context in association.accepted_contexts] == [listen.CT[0]]
        assert [context.result for context in association.rejected_contexts] == [3], "abstract syntax not supported"
        association.release()
        alone = AE(ae_title="SCANNER")
        alone.add_requested_context(MRImageStorage)
        association = alone.associate("127.0.0.1", port)
        assert not association.accepted_contexts
        association.release()
        until(lambda: len(node.said) == 2)
        assert all("1 other kind of object" in line for line in node.said)
        assert echo(port)


def test_only_those_may_call_that_are_named(node: Node) -> None:
    with node.listening(callers=["SCANNER"]) as port:
        assert not echo(port, "STRANGER")
        until(lambda: len(node.said) == 1)
        assert echo(port)
    assert "--from" in node.said[0]
    assert "STRANGER" not in node.said[0]


@pytest.mark.parametrize("fault", ["little room", "full", "too large"])
def test_no_room_is_out_of_resources_and_the_node_lives(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    slices = ct(tmp_path)

    def full(*_: Any) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    with node.listening(most=40_000 if fault == "too large" else 1 << 30) as port, monkeypatch.context() as patch:
        if fault == "little room":
            patch.setattr(listen, "RESERVE", 1 << 60)
        if fault == "full":
            patch.setattr(Queue, "add", full)
        expected = [SUCCESS, NO_ROOM] if fault == "too large" else [NO_ROOM, NO_ROOM]
        assert sent(port, slices[:2]) == expected
        refused = [line for line in node.said if "refused" in line]
        assert len(refused) == expected.count(NO_ROOM)
        assert not list((node.queue.out / "incoming").iterdir())
        patch.undo()
        monkeypatch.setattr(listen, "RESERVE", 1 << 20)
        if fault != "too large":
            assert sent(port, slices) == [SUCCESS] * 6


def test_a_small_disk_that_fills_up_and_is_enlarged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "RESERVE", 0)
    slices = [*ct(tmp_path), *ct(tmp_path, "two")]
    with disk(tmp_path / "small", 200) as small:
        node = Node(small / "out")
        with node.listening() as port:
            statuses = sent(port, slices)
            assert sorted(set(statuses)) == [SUCCESS, NO_ROOM]
            assert len([path for name in node.names() for path in node.queue.files(name)]) == statuses.count(SUCCESS)
            assert not list((node.queue.out / "incoming").iterdir())
            subprocess.run(["mount", "-o", "remount,size=2m", small], check=True)
            assert set(sent(port, slices)) == {SUCCESS}
    assert any("(0xA700): the disk is full" in line for line in node.said)


def test_an_object_larger_than_any_may_be_ends_its_association(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "LARGEST", 1 << 20)
    (large, *_), (small, *_) = ct(tmp_path), ct(tmp_path, "two")
    large.Rows, large.Columns = 2048, 2048
    large.PixelData = bytes(2 * 2048 * 2048)
    with node.listening() as port:
        assert sent(port, [large]) == [None]
        assert sent(port, [small]) == [SUCCESS]
    assert any("too large" in line for line in node.said)


def test_a_port_that_cannot_be_had_is_said(node: Node) -> None:
    with node.listening() as port, pytest.raises(InfNetError, match="cannot be listened on"), node.listening(port=port):
        pass


def test_without_pynetdicom_it_says_what_to_install(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pynetdicom", None)
    with pytest.raises(InfNetError, match=r"pip install 'infnet\[node\]'"), node.listening():
        pass
