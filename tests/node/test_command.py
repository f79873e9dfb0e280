"""`infnet node` and `infnet watch` as they are typed."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE

from infnet.__main__ import main
from infnet.node.listen import VERIFICATION
from infnet.phantom import write_dicom
from tests.node.driving import Store, archive, ct, echo, sent, until
from tests.pipeline.test_run import chest

ROOT = Path(__file__).parents[2]


@contextmanager
def started(log: Path, *arguments: object) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], str]]]:
    """A command with stand-ins for the networks, and what it has said."""
    command = [sys.executable, "-m", "tests.faults.command", *map(str, arguments)]
    with log.open("wb") as file:
        child = subprocess.Popen(command, cwd=ROOT, stderr=file)
        try:
            yield child, log.read_text
        finally:
            child.kill()
            child.wait()


def port_in(text: str) -> int:
    found = re.search(r"listening on [\d.]+:(\d+)", text)
    return int(found[1]) if found else 0


def test_from_a_scan_to_the_archive_and_a_clean_end(tmp_path: Path, capsys: Any) -> None:
    store = Store()
    with archive(store) as port:
        given = ("node", "--out", tmp_path / "out", "--port", 0, "--to", f"ARCHIVE@127.0.0.1:{port}")
        with started(tmp_path / "log", *given, "--quiet-seconds", "0.1") as (child, text):
            until(lambda: port_in(text()) > 0)
            here = port_in(text())
            assert set(sent(here, ct(tmp_path))) == {0}
            until(lambda: "result sent" in text())
            until(lambda: main(["node", "--out", str(tmp_path / "out"), "--status"]) == 0)
            assert main(["node", "--out", str(tmp_path / "out")]) == 2
            child.terminate()
            assert child.wait(10) == 128 + signal.SIGTERM
            assert text().splitlines()[-1].startswith("stopped; what came is kept")
    assert len(store.held) == 3
    told = capsys.readouterr()
    assert "done" in told.out
    assert "another run writes to it" in told.err
    assert text().count("warning") == 0
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700


def test_a_watched_folder_without_an_archive(tmp_path: Path) -> None:
    write_dicom(chest()[0], tmp_path / "in" / "scan")
    given = ("watch", tmp_path / "in", "--out", tmp_path / "out", "--quiet-seconds", "0.1", "--captures")
    with started(tmp_path / "log", *given) as (child, text):
        until(lambda: "result sent" in text())
        child.terminate()
        assert child.wait(10) == 143
    kinds = [path.name.split("-")[1] for path in (tmp_path / "out" / "results" / "study_1").iterdir()]
    assert sorted(kind for kind in kinds if "capture" not in kind) == ["page", "report", "segmentation"]
    assert len(kinds) > 3
    for path in (tmp_path / "out").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.slow
@pytest.mark.parametrize("silent", ["from the start", "at an object"])
def test_it_ends_while_the_archive_does_not_answer(tmp_path: Path, silent: str) -> None:
    asked, over = threading.Event(), threading.Event()

    def hang(event: Any) -> int:
        asked.set()
        over.wait(60)
        return 0

    def deaf() -> None:
        accepted.append(listener.accept())
        asked.set()

    write_dicom(chest()[0], tmp_path / "in" / "scan")
    accepted: list[Any] = []
    with archive(hang) as port, socket.create_server(("127.0.0.1", 0)) as listener:
        if silent == "from the start":
            port = listener.getsockname()[1]
            threading.Thread(target=deaf, daemon=True).start()
        given = ("watch", tmp_path / "in", "--out", tmp_path / "out", "--to", f"ARCHIVE@127.0.0.1:{port}")
        with started(tmp_path / "log", *given, "--quiet-seconds", "0.1") as (child, _):
            until(asked.is_set)
            child.terminate()
            assert child.wait(8) == 143
        over.set()
        for connection, _ in accepted:
            connection.close()
    assert len(list((tmp_path / "out" / "studies").glob("*/result/*.dcm"))) == 3


def test_it_ends_while_others_are_connected(tmp_path: Path) -> None:
    with started(tmp_path / "log", "node", "--out", tmp_path / "out", "--port", 0) as (child, text):
        until(lambda: port_in(text()) > 0)
        here = port_in(text())
        entity = AE(ae_title="SCANNER")
        entity.add_requested_context(VERIFICATION)
        association = entity.associate("127.0.0.1", here)
        with socket.create_connection(("127.0.0.1", here)):
            assert association.send_c_echo().Status == 0
            child.terminate()
            assert child.wait(8) == 143
        association.release()


def test_another_address_is_said_to_be_open_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    with started(tmp_path / "log", "node", "--out", tmp_path / "out", "--host", "0.0.0.0", "--port", 0) as (
        child,
        text,
    ):
        until(lambda: "warning: 0.0.0.0 is open to the network, and everybody may send" in text())
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 128 + signal.SIGINT


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")
def test_by_tls(tmp_path: Path) -> None:
    """In and out, both sides with a certificate."""
    key, certificate, store = tmp_path / "key.pem", tmp_path / "cert.pem", Store()
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificate))
    server.load_cert_chain(certificate, key)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(certificate))
    tls = ("--tls-cert", certificate, "--tls-key", key, "--tls-ca", certificate)
    with archive(store, tls=server) as port:
        given = ("node", "--out", tmp_path / "out", "--port", 0, "--to", f"ARCHIVE@127.0.0.1:{port}")
        with started(tmp_path / "log", *given, *tls, "--quiet-seconds", "0.1") as (_, text):
            until(lambda: port_in(text()) > 0)
            here = port_in(text())
            assert not echo(here)
            assert not echo(here, tls=(client, "127.0.0.1")), "it wants a certificate"
            client.load_cert_chain(certificate, key)
            assert echo(here, tls=(client, "127.0.0.1"))
            assert set(sent(here, ct(tmp_path), tls=(client, "127.0.0.1"))) == {0}
            until(lambda: "result sent" in text())
    assert len(store.held) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["node", "--aet", "seventeen letters"], "AE title"),
        (["node", "--from", ""], "AE title"),
        (["node", "--to", "nowhere"], "no address"),
        (["node", "--quiet-seconds", "nan"], "--quiet-seconds nan: give a number from"),
        (["node", "--keep-days", "-1"], "--keep-days"),
        (["node", "--most-gb", "0"], "--most-gb"),
        (["node", "--limit-minutes", "0"], "--limit-minutes"),
        (["node", "--port", "99999"], "cannot be listened on"),
        (["node", "--model", "none"], "none"),
        (["node", "--tls-key", "none"], "--tls-cert"),
        (["node", "--tls-cert", "none"], "cannot be used"),
        (["node", "--status"], "no node has run there"),
        (["watch", "none"], "no such folder"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, capsys: Any, given: list[str], said: str) -> None:
    with_port = [] if given[0] == "watch" or "--port" in given else ["--port", "0"]
    assert main([*given, *with_port, "--out", str(tmp_path / "out")]) == 2
    *before, line = capsys.readouterr().err.splitlines()
    assert said in line
    assert "give" in line or "; " in line
    assert not [other for other in before if "listening" not in other]
