"""Results reach the archive by C-STORE, STOW-RS or as files, however long it is away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ImplicitVRLittleEndian

from infnet.errors import InfNetError
from infnet.node.send import Archive, Folder, Web, target_of
from tests.node.driving import RESULTS, Node, Store, archive, ct, sent, until


class Server(BaseHTTPRequestHandler):
    """STOW-RS. The statuses to answer with are in `server.answers`, 200 after them."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers.pop(0) if self.server.answers else 200  # type: ignore[attr-defined]
        if status == 200:
            message = BytesParser().parsebytes(
                b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n" + body
            )
            (part,) = message.get_payload()  # type: ignore[misc]
            dataset = pydicom.dcmread(BytesIO(part.get_payload(decode=True)))  # type: ignore[union-attr,arg-type]
            self.server.held.append((self.path, self.headers["Authorization"], dataset))  # type: ignore[attr-defined]
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Server)
    server.answers, server.held = [], []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def made(node: Node, tmp_path: Path) -> None:
    """A result that is to be sent."""
    with node.listening() as port:
        sent(port, ct(tmp_path))
    node.work(lambda: node.results() != [])
    node.said.clear()


def test_an_archive_that_was_away_gets_all_when_it_is_back(node: Node, tmp_path: Path) -> None:
    made(node, tmp_path)
    store = Store()
    with archive(store) as port:
        pass
    with node.sending(port):
        until(lambda: len(node.said) > 2)
        assert all("no association" in said for said in node.said)
        with archive(store, port):
            until(lambda: node.results() == [])
    assert store.kinds() == sorted(RESULTS)


def test_an_archive_that_takes_the_default_transfer_syntax_alone(node: Node, tmp_path: Path) -> None:
    made(node, tmp_path)
    made_ = [pydicom.dcmread(path) for path in node.queue.studies.glob("*/result/*.dcm")]
    store = Store()
    with archive(store, syntaxes=[ImplicitVRLittleEndian]) as port, node.sending(port):
        until(lambda: node.results() == [])
    for dataset in made_:
        held = store.held[dataset.SOPInstanceUID]
        assert held.get("PixelData") == dataset.get("PixelData")
        assert held.get("ContentSequence") == dataset.get("ContentSequence")


def test_what_the_archive_refuses_stays_and_is_tried_again(node: Node, tmp_path: Path) -> None:
    made(node, tmp_path)
    store = Store()
    store.status = 0xA700
    with archive(store) as port, node.sending(port):
        until(lambda: len(node.said) > 1)
        assert "status 0xA700" in node.said[0]
        assert len(node.results()) == 3
        store.status = 0
        until(lambda: node.results() == [])


def test_by_stow_rs(node: Node, tmp_path: Path, web: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    made(node, tmp_path)
    monkeypatch.setenv("INFNET_DICOMWEB_AUTH", "ann:secret")
    web.answers += [503, 202]  # type: ignore[attr-defined]
    with node.sending(target=target_of(f"http://127.0.0.1:{web.server_port}/dicom-web/", "INFNET")):
        until(lambda: node.results() == [])
    held = web.held  # type: ignore[attr-defined]
    assert sorted(str(dataset.SOPClassUID) for *_, dataset in held) == sorted(RESULTS)
    assert {(path, login) for path, login, _ in held} == {("/dicom-web/studies", "Basic YW5uOnNlY3JldA==")}
    assert ["status 503" in node.said[0], "status 202" in node.said[1]] == [True, True]
    assert "secret" not in "".join(node.said)


def test_into_a_folder(node: Node, tmp_path: Path) -> None:
    made(node, tmp_path)
    with node.sending(target=Folder(tmp_path / "results")):
        until(lambda: node.results() == [])
    (study,) = (tmp_path / "results").iterdir()
    assert study.name == node.names()[0]
    assert [path.name.split("-")[1] for path in sorted(study.iterdir())] == ["page", "report", "segmentation"]


@pytest.mark.parametrize(
    "to",
    [
        "ARCHIVE",
        "ARCHIVE@host",
        "@host:104",
        "A@host:0",
        "A@host:99999",
        "seventeenlettersx@h:1",
        "http://",
        "https://a:b@h/x",
    ],
)
def test_what_is_no_address_is_said(to: str) -> None:
    with pytest.raises(InfNetError, match="no address"):
        target_of(to, "INFNET")


def test_addresses() -> None:
    assert isinstance(target_of("ARCHIVE@[::1]:104", "INFNET"), Archive)
    assert isinstance(target_of("https://archive.example.org/dicom-web", "INFNET"), Web)
