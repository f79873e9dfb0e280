"""Send DICOM files to an Orthanc on loopback and fetch them back by DICOMweb; run in a network of its own.

    python -m tests.export.orthanc FOLDER   holds *.dcm; FOLDER/back gets what Orthanc returns

Sends everything twice: a rerun must not be a second result. Prints what Orthanc holds, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from pathlib import Path

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
HTTP, DICOM = 8042, 4242  # of a network that nobody else is in
SERVER = f"http://127.0.0.1:{HTTP}"


def get(path: str, accept: str = "application/json") -> tuple[bytes, str]:
    request = urllib.request.Request(SERVER + path, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read(), answer.headers["Content-Type"]


def up(server: subprocess.Popen[bytes]) -> None:
    """Return when the server answers. Raises RuntimeError where it ended."""
    while True:
        try:
            get("/system")
            return
        except (urllib.error.URLError, ConnectionError):
            if server.poll() is not None:
                raise RuntimeError("Orthanc ended") from None
            time.sleep(0.1)


def instances() -> list[dict[str, str]]:
    """SOP class, SOP instance and patient of everything that Orthanc holds, by QIDO-RS."""
    found = []
    for series in json.loads(get("/dicom-web/series?includefield=StudyInstanceUID")[0]):
        study, uid = (series[tag]["Value"][0] for tag in ("0020000D", "0020000E"))
        for one in json.loads(get(f"/dicom-web/studies/{study}/series/{uid}/instances")[0]):
            names = {"class": "00080016", "instance": "00080018"}
            found.append({name: one[tag]["Value"][0] for name, tag in names.items()} | {"study": study, "series": uid})
    return found


def retrieve(one: dict[str, str], path: Path) -> None:
    """Write an instance as WADO-RS returns it."""
    place = f"/dicom-web/studies/{one['study']}/series/{one['series']}/instances/{one['instance']}"
    body, kind = get(place, 'multipart/related; type="application/dicom"')
    message = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    (part,) = message.get_payload()  # type: ignore[misc]
    path.write_bytes(part.get_payload(decode=True))  # type: ignore[union-attr,arg-type]


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """An Orthanc that keeps its files in `folder`, until the context ends."""
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": HTTP,
        "DicomPort": DICOM,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "Plugins": [str(PLUGIN)],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "orthanc.log").open("wb") as log:
        server = subprocess.Popen(["Orthanc", folder / "orthanc.json"], stdout=log, stderr=log)
        try:
            up(server)
            yield
        finally:
            server.terminate()
            server.wait(60)


def main(folder: Path) -> None:
    with running(folder):
        files = sorted(folder.glob("*.dcm"))
        for _ in range(2):
            subprocess.run(["storescu", "-R", "127.0.0.1", str(DICOM), *map(str, files)], check=True, timeout=120)
        held = instances()
        (folder / "back").mkdir()
        for one in held:
            retrieve(one, folder / "back" / f"{one['instance']}.dcm")
        print(json.dumps(held))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
