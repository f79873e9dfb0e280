"""Results on their way to the archive: by C-STORE, by STOW-RS, or into a folder; tried again until they are there."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import os
import re
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from infnet.errors import InfNetError
from infnet.files import sync_folder
from infnet.node.queue import Queue

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0  # s, between tries; each is twice as long as the one before
PATIENCE = 60.0  # s, for an answer of the archive
POLL = 0.5  # s
PASSWORD = "INFNET_DICOMWEB_AUTH"  # nosec B105  # the name of a variable: USER:PASSWORD for STOW-RS
ADDRESS = re.compile(r"(?P<aet>[^@\\]{1,16})@(?P<host>[^@:/\s]+|\[[0-9A-Fa-f:]+\]):(?P<port>\d{1,5})")
Say = Callable[[str], None]


def is_loopback(host: str) -> bool:
    """Whether a host is this computer."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_plain(url: str) -> bool:
    """Whether what is sent to an address, or comes from it, can be read by everybody on the way."""
    return url.startswith("http://") and not is_loopback(urlsplit(url).hostname or "")


class NotSentError(Exception):
    """The archive did not take a file; the reason names nobody."""


class Target(Protocol):
    """Where results go."""

    def send(self, name: str, path: Path) -> None:
        """Bring one file of a study there. Raises NotSentError, and FileNotFoundError where it was superseded."""


class Folder:
    """A folder with a folder for each study."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, name: str, path: Path) -> None:
        try:
            (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            path.rename(self._folder / name / path.name)
            sync_folder(self._folder / name)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise NotSentError(f"the folder cannot be written, {error.strerror}") from None


class Archive:
    """A Storage SCP. `aet` calls it."""

    def __init__(self, called: str, host: str, port: int, aet: str, tls: ssl.SSLContext | None) -> None:
        try:
            from pynetdicom import AE
        except ImportError:
            raise InfNetError("--to: pynetdicom is not installed; run `pip install 'infnet[node]'`") from None
        self._called, self._host, self._port, self._tls = called, host, port, tls
        self._entity = AE(ae_title=aet)
        self._entity.dimse_timeout = self._entity.network_timeout = PATIENCE
        self._entity.acse_timeout = self._entity.connection_timeout = 10

    def send(self, name: str, path: Path) -> None:
        from pydicom import dcmread
        from pydicom.uid import ImplicitVRLittleEndian
        from pynetdicom import build_context

        dataset = dcmread(path)
        syntaxes = [dataset.file_meta.TransferSyntaxUID, ImplicitVRLittleEndian]  # the standard wants that offered
        context = build_context(dataset.SOPClassUID, list(dict.fromkeys(syntaxes)))
        tls = (self._tls, self._host) if self._tls else None
        association = self._entity.associate(
            self._host, self._port, contexts=[context], ae_title=self._called, tls_args=tls
        )
        if not association.is_established:
            raise NotSentError("no association with the archive")
        try:
            status = association.send_c_store(dataset).get("Status")
        except (ValueError, RuntimeError):
            raise NotSentError("the archive does not take this kind of object") from None
        finally:
            association.release()
        if status is None or (status != 0 and status >> 12 != 0xB):  # 0xBxxx: stored, with a warning
            raise NotSentError("no answer" if status is None else f"status 0x{status:04X}")


class Web:
    """A DICOMweb server. USER:PASSWORD for it may stand in the environment."""

    def __init__(self, url: str, tls: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        try:
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            self._host = ""
        if not self._host or parts.username or parts.query:
            raise InfNetError(f"--to: no address of a DICOMweb server; give http(s)://HOST[:PORT]/PATH, and {PASSWORD}")
        self._path = f"{parts.path.rstrip('/')}/studies"
        self._tls = (tls or ssl.create_default_context()) if parts.scheme == "https" else None

    def send(self, name: str, path: Path) -> None:
        boundary = secrets.token_hex(16)
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = head + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
        }
        if login := os.environ.get(PASSWORD):
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        try:
            if self._tls:
                server: http.client.HTTPConnection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=PATIENCE, context=self._tls
                )
            else:
                server = http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE)
            try:
                server.request("POST", self._path, body, headers)
                status = server.getresponse().status
            finally:
                server.close()
        except (OSError, http.client.HTTPException) as error:
            raise NotSentError(f"no answer, {type(error).__name__}") from None
        if status != 200:  # 202: some were refused, and we send one
            raise NotSentError(f"status {status}")


def target_of(to: str, aet: str, tls: ssl.SSLContext | None = None) -> Target:
    """The place that `--to` names. tls: of DICOM, and of https with its own authorities. Raises InfNetError."""
    if to.startswith(("http://", "https://")):
        return Web(to, tls)
    if (found := ADDRESS.fullmatch(to)) and 0 < int(found["port"]) < 65536:
        return Archive(found["aet"].strip(), found["host"].strip("[]"), int(found["port"]), aet, tls)
    raise InfNetError("--to: no address; give AET@HOST:PORT, or the address of a DICOMweb server (https://...)")


class Sender(threading.Thread):
    """Sends what lies in the queue, until `stop`. A study that is not taken holds up no other one."""

    def __init__(self, queue: Queue, target: Target, say: Say) -> None:
        super().__init__(daemon=True)
        self._queue, self._target, self._say = queue, target, say
        self._over = threading.Event()
        self._waits: dict[str, tuple[float, float]] = {}  # by study: until when, and how long

    def stop(self) -> None:
        """Begin nothing new, and wait a little for what is under way; what is not sent then is sent after the start."""
        self._over.set()
        self.join(1)

    def run(self) -> None:
        while not self._over.wait(POLL):
            try:
                for name, paths in self._queue.to_send():
                    if not self._over.is_set() and self._waits.get(name, (0.0,))[0] <= time.monotonic():
                        self._try(name, paths)
            except OSError as error:  # of the disk
                self._say(f"what is to be sent cannot be read ({error.strerror}); tried again in {FIRST_PAUSE:.0f} s")
                self._over.wait(FIRST_PAUSE)

    def _try(self, name: str, paths: Sequence[Path]) -> None:
        try:
            for path in paths:
                self._target.send(name, path)
                self._queue.sent(path)
        except FileNotFoundError:  # a larger study has taken its place
            return
        except Exception as error:
            why = str(error) if isinstance(error, NotSentError) else type(error).__name__
            pause = min(LONGEST_PAUSE, 2 * self._waits[name][1] if name in self._waits else FIRST_PAUSE)
            self._waits[name] = (time.monotonic() + pause, pause)
            self._say(f"{name}: not sent ({why}); tried again in {pause:.0f} s")
            return
        self._waits.pop(name, None)
        self._say(f"{name}: result sent")
