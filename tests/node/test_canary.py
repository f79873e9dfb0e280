"""What names a patient is in nothing that a node writes or says, but in the objects that go back to the archive."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest

from infnet.node.status import status
from tests.canary import WORD, named
from tests.node.driving import Node, Store, archive, ct, sent, until


def of_the_canary(folder: Path, name: str) -> list[pydicom.Dataset]:
    """A study that carries the word in every tag that names something."""
    slices = []
    for dataset in ct(folder, name):
        buffer = BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        slices.append(pydicom.dcmread(BytesIO(named(buffer.getvalue()))))
    return slices


def test_nothing_names_the_patient(node: Node, tmp_path: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    good, noise, cut = (of_the_canary(tmp_path / WORD, name) for name in ("good", "noise", "cut"))
    for dataset in noise:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    for dataset in cut:
        dataset.PixelData = dataset.PixelData[:100]
    store = Store()
    with archive(store) as port, node.listening(callers=[WORD.upper()]) as here:
        assert set(sent(here, [*good, *noise], WORD.upper())) == {0}
        assert set(sent(here, cut, WORD.upper())) == {0xC000}
        node.work(lambda: len(node.results()) == 3)
        names = [str(path.relative_to(node.queue.out)) for path in node.queue.out.rglob("*")]
        other = [path for path in node.queue.out.rglob("*") if path.is_file() and path.suffix != ".dcm"]
        with node.sending(port):
            until(lambda: len(store.held) == 3)
            until(lambda: node.results() == [])
    node.work(lambda: len(node.queue.files(node.names()[0])) * len(node.queue.files(node.names()[1])) == 0)
    said = capfd.readouterr()
    told = [*node.said, *names, status(node.queue.out), said.out, said.err]
    told += [path.read_bytes().decode("latin-1") for path in other if path.exists()]
    for secret in (WORD[:5], good[0].StudyInstanceUID, good[0].SeriesInstanceUID, good[0].SOPInstanceUID):
        assert secret.lower() not in "\n".join(told).lower()
    assert all(WORD in str(dataset.PatientName) for dataset in store.held.values()), "results go back to the patient"
