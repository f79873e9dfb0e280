"""`infnet pull`: which study and series an archive is asked for, what it brings, and what is said where it does not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from infnet import phantom, pipeline
from infnet.__main__ import main
from infnet.node.send import is_plain
from tests import own_network
from tests.export import orthanc
from tests.fakes import fake_engines
from tests.node.kills import ROOT

STUDY = phantom.chest(6, 64, 64, spacing=(40.0, 5.6, 5.6)).study
DATE, ACCESSION = "20210304", "A77"


def tags(**values: tuple[str, Any]) -> dict[str, Any]:
    """A DICOM JSON object, of tags as `t00080020=("DA", "20210304")`."""
    return {tag[1:]: {"vr": vr, "Value": [value]} for tag, (vr, value) in values.items()}


class Archive:
    """A DICOMweb server with one study: a scout, a series of `STUDY`, and a larger number of nothing else."""

    def __init__(self, folder: Path) -> None:
        self.slices = [path.read_bytes() for path in phantom.write_dicom(STUDY, folder)]
        self.studies = [tags(t00080020=("DA", DATE), t00080030=("TM", "0915"), t0020000D=("UI", "1.2"))]
        self.series = [
            tags(t0020000E=("UI", "1.2.1"), t00200011=("IS", 1), t00201209=("IS", 1)),
            tags(t0020000E=("UI", "1.2.2"), t00200011=("IS", 2), t00201209=("IS", len(self.slices))),
            tags(t0020000E=("UI", "1.2.3"), t00200011=("IS", 3), t00201209=("IS", 2)),
        ]
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.status = 200
        self.login = ""

    def answer(self, path: str) -> tuple[str, bytes]:
        """Content type and body."""
        if path.endswith("/studies"):
            return "application/dicom+json", json.dumps(self.studies).encode()
        if path.endswith("/series"):
            return "application/dicom+json", json.dumps(self.series).encode()
        parts = [b"--b\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in self.slices]
        return 'multipart/related; type="application/dicom"; boundary=b', b"".join([*parts, b"--b--\r\n"])


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Archive, str]]:
    monkeypatch.setattr(pipeline, "load_engines", lambda *_: fake_engines())
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    held = Archive(tmp_path / "held")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            held.asked.append((parts.path, parse_qs(parts.query)))
            held.login = self.headers.get("Authorization", "")
            kind, body = held.answer(parts.path)
            self.send_response(held.status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield held, f"http://127.0.0.1:{server.server_address[1]}/dicom-web"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_largest_ct_series_of_the_study_is_segmented(
    archive: tuple[Archive, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    held, url = archive
    monkeypatch.setenv("INFNET_DICOMWEB_AUTH", "eva:secret")
    out, kept = tmp_path / "out", tmp_path / "kept"
    command = ["pull", url, "--accession", ACCESSION, "--date", DATE, "--out", str(out)]
    assert main([*command, "--keep", str(kept)]) == 0
    said = capsys.readouterr()
    assert "series 2: 6 slices" in said.out
    (studies, query), (series, filters), (slices, _) = held.asked
    assert studies == "/dicom-web/studies"
    assert (query["AccessionNumber"], query["StudyDate"], query["ModalitiesInStudy"]) == ([ACCESSION], [DATE], ["CT"])
    assert (series, filters["Modality"]) == ("/dicom-web/studies/1.2/series", ["CT"])
    assert slices == "/dicom-web/studies/1.2/series/1.2.2"
    assert held.login.startswith("Basic ")
    assert len(list(kept.glob("*.dcm"))) == 6
    again = tmp_path / "again"
    assert main(["segment", str(kept), "--out", str(again)]) == 0
    assert (out / "statistics.csv").read_bytes() == (again / "statistics.csv").read_bytes()
    assert main([*command, "--keep", str(kept)]) == 2, "it holds something"
    assert main([*command, "--series-number", "9"]) == 2
    assert "choose one of 2 (6 slices), 3 (2 slices)" in capsys.readouterr().err


def test_what_goes_wrong_is_one_line_that_names_nobody(
    archive: tuple[Archive, str], tmp_path: Path, capsys: Any
) -> None:
    held, url = archive
    ask = ["--patient-id", "Zaubermann", "--out", str(tmp_path / "out")]

    def line(*command: str) -> str:
        assert main(["pull", *command]) == 2
        said = capsys.readouterr()
        assert said.err.count("\n") == 1
        assert "Zaubermann" not in said.err + said.out
        return str(said.err)

    assert "which study? Give one of --accession, --patient-id, --date, --study" in line(url, "--out", str(tmp_path))
    assert "no address of a DICOMweb server" in line("ftp://archive/x", *ask)
    assert "does not answer (ConnectionError)" in line("http://127.0.0.1:9/dicom-web", *ask)
    held.slices.pop()
    assert "the archive sent 5 of 6 slices" in line(url, *ask)
    held.studies *= 2
    assert f"2 studies are found ({DATE} 0915, {DATE} 0915)" in line(url, *ask)
    held.studies = held.studies[:1]
    held.series = held.series[:1]
    assert "no CT series with several slices" in line(url, *ask)
    held.studies = []
    assert "no study with CT is found" in line(url, *ask)
    held.status = 401
    assert "refuses (HTTP 401): give its user and password in INFNET_DICOMWEB_AUTH" in line(url, *ask)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("url", "plain"),
    [("http://192.0.2.7/x", True), ("http://localhost:80/x", False), ("http://[::1]/x", False), ("https://a/x", False)],
)
def test_plain_text_is_what_others_can_read(url: str, plain: bool) -> None:
    assert is_plain(url) == plain


def from_orthanc(folder: Path) -> None:
    """In a network of its own: a study goes into a real archive and comes back. Writes to FOLDER/out."""
    pipeline.load_engines = lambda *_: fake_engines()  # type: ignore[assignment]
    files = phantom.write_dicom(STUDY, folder / "scan")
    (folder / "archive").mkdir()
    with orthanc.running(folder / "archive"):
        subprocess.run(["storescu", "127.0.0.1", str(orthanc.DICOM), *map(str, files)], check=True, timeout=120)
        ((study, *_),) = {(one["study"],) for one in orthanc.instances()}
        command = ["pull", f"{orthanc.SERVER}/dicom-web", "--study", study, "--out", str(folder / "out")]
        raise SystemExit(main([*command, "--keep", str(folder / "kept")]))


@pytest.mark.skipif(not own_network.possible(), reason="no network of our own to be had here (unshare --net)")
def test_a_real_archive_gives_back_what_it_was_sent(tmp_path: Path) -> None:
    if shutil.which("Orthanc") is None or not orthanc.PLUGIN.exists():
        pytest.skip("no Orthanc here: apt-get install orthanc orthanc-dicomweb dcmtk")
    run = f"from pathlib import Path; from tests.node import test_pull; test_pull.from_orthanc(Path({str(tmp_path)!r}))"
    command = own_network.alone(sys.executable, "-c", own_network.UP + run)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert len(list((tmp_path / "kept").glob("*.dcm"))) == len(STUDY.pixels)
    rows = (tmp_path / "out" / "statistics.csv").read_text().splitlines()
    assert len(rows) == 1 + len(STUDY.pixels)
