"""The receiving side of a node: Verification and Storage SCP for CT images. What it says names nobody."""

from __future__ import annotations

import errno
import shutil
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infnet.errors import InfNetError
from infnet.node.arrivals import Arrivals
from infnet.node.queue import Queue
from infnet.read.dicom_tags import get as value_of
from infnet.read.dicom_tags import integer, open_dataset
from infnet.read.files import File, NotUsed, in_words

CT = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1")  # CT Image Storage, Enhanced CT Image Storage
VERIFICATION = "1.2.840.10008.1.1"
TRANSFER_SYNTAXES = (  # what the reader decodes
    *("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"),
    *("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"),
    *("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"),
    "1.2.840.10008.1.2.5",
)
SUCCESS, NO_ROOM, MISMATCH, DAMAGED = 0x0000, 0xA700, 0xA900, 0xC000  # of C-STORE
RESERVE = 1 << 30  # bytes of the disk that stay free
LARGEST = 2 << 30  # bytes of one object, which is in memory while it comes
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """Where to listen and to whom: AE titles that may call (all where empty), and the largest study, bytes."""

    aet: str
    host: str
    port: int
    callers: Sequence[str] = ()
    most: int = 4 << 30
    tls: ssl.SSLContext | None = None


class _Refused(Exception):  # noqa: N818 - an answer to the sender
    """An object that is not taken: the status of the answer, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


@contextmanager
def listening(queue: Queue, arrivals: Arrivals, options: Options, say: Say) -> Iterator[tuple[str, int]]:
    """Receive CT images until the context ends; yields host and port.

    Raises InfNetError where pynetdicom is missing, or the port cannot be had.
    """
    try:
        from pynetdicom import AE, evt
    except ImportError:
        raise InfNetError("node: pynetdicom is not installed; run `pip install 'infnet[node]'`") from None
    receiver = _Receiver(queue, arrivals, options, say)
    entity = AE(ae_title=options.aet)
    entity.require_calling_aet = list(options.callers)
    entity.add_supported_context(VERIFICATION)
    for sop_class in CT:
        entity.add_supported_context(sop_class, list(TRANSFER_SYNTAXES))
    handlers: list[Any] = [
        (evt.EVT_C_STORE, receiver.store),
        (evt.EVT_PDU_RECV, receiver.count),
        (evt.EVT_ACCEPTED, receiver.accepted),
        (evt.EVT_REJECTED, receiver.rejected),
        (evt.EVT_CONN_CLOSE, receiver.closed),
    ]
    try:
        server = entity.start_server(
            (options.host, options.port), block=False, evt_handlers=handlers, ssl_context=options.tls
        )
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise InfNetError(f"{options.host}:{options.port}: cannot be listened on ({why}); give another") from None
    assert server is not None
    try:
        host, port = server.server_address[:2]
        yield str(host), int(port)
    finally:
        server.shutdown()


class _Receiver:
    def __init__(self, queue: Queue, arrivals: Arrivals, options: Options, say: Say) -> None:
        self._queue, self._arrivals, self._options, self._say = queue, arrivals, options, say
        self._coming: dict[Any, int] = {}  # bytes of the object that an association sends just now
        self._stored: dict[Any, int] = {}

    def store(self, event: Any) -> int:
        """Answer a C-STORE: success when the object is on the disk."""
        self._coming.pop(event.assoc, None)
        try:
            self._store(event)
        except _Refused as refused:
            status, why = refused.status, refused.why
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            status, why = NO_ROOM, "the disk is full" if full else f"the disk takes nothing ({error.strerror})"
        except Exception as error:
            status, why = DAMAGED, f"it cannot be read ({type(error).__name__})"
        else:
            return SUCCESS
        self._say(f"an object was refused (0x{status:04X}): {why}")
        return status

    def _store(self, event: Any) -> None:
        if shutil.disk_usage(self._queue.out).free < RESERVE:
            raise _Refused(NO_ROOM, f"less than {in_words(RESERVE)} of the disk are free")
        if event.request.AffectedSOPClassUID not in CT:
            raise _Refused(MISMATCH, "it is no CT image")
        with self._queue.incoming() as path:
            path.write_bytes(event.encoded_dataset())
            study, series, instance = _checked(path, str(event.request.AffectedSOPInstanceUID))
            name = self._queue.name(study)
            if self._queue.size(name) + path.stat().st_size > self._options.most:
                raise _Refused(NO_ROOM, f"study {name} has more than {in_words(self._options.most)}; see --most-gb")
            self._arrivals.came(event.assoc, name)
            self._queue.add(name, series, instance, path)
        self._stored[event.assoc] = self._stored.get(event.assoc, 0) + 1

    def count(self, event: Any) -> None:
        """Break off an association whose object is larger than any may be."""
        if type(event.pdu).__name__ != "P_DATA_TF":
            return
        size = self._coming.get(event.assoc, 0) + event.pdu.pdu_length
        self._coming[event.assoc] = size
        if size > min(LARGEST, self._options.most) + (1 << 20):
            self._say("an association was broken off: its object is too large; see --most-gb")
            event.assoc.abort()

    def accepted(self, event: Any) -> None:
        """Say that something else than CT was offered and refused."""
        if other := len(event.assoc.rejected_contexts):
            what = f"{other} other kind{'s' * (other > 1)} of object"
            self._say(f"an association offers {what}, which it may not send: CT images alone are taken")

    def rejected(self, event: Any) -> None:
        self._say("an association was refused: its calling AE title is not in --from, or there are too many at once")

    def closed(self, event: Any) -> None:
        self._coming.pop(event.assoc, None)
        objects, studies = self._stored.pop(event.assoc, 0), self._arrivals.over(event.assoc)
        if objects:
            self._say(f"received {objects} objects of {studies} {'study' if studies == 1 else 'studies'}")


def _checked(path: Path, announced: str) -> tuple[str, str, str]:
    """UIDs of study, series and object. Raises _Refused where the object is damaged or cut short."""
    try:
        dataset = open_dataset(File(path, "object"), None, pixels=True).dataset
    except NotUsed as why:
        raise _Refused(DAMAGED, why.reason) from None
    uids = [str(value_of(dataset, f"{level}InstanceUID") or "") for level in ("Study", "Series", "SOP")]
    if not all(uids):
        raise _Refused(DAMAGED, "it has no UID of study, series or instance")
    if uids[2] != announced or value_of(dataset, "SOPClassUID") not in CT:
        raise _Refused(MISMATCH, "it is another object than it was announced as")
    pixels = value_of(dataset, "PixelData")
    if not isinstance(pixels, bytes):
        raise _Refused(DAMAGED, "it has no pixels: cut short, or no image")
    if not dataset["PixelData"].is_undefined_length:
        sizes = [integer(value_of(dataset, keyword)) or 1 for keyword in ("Rows", "Columns", "NumberOfFrames")]
        needed = sizes[0] * sizes[1] * sizes[2] * (integer(value_of(dataset, "BitsAllocated")) or 8) // 8
        if len(pixels) < needed:
            raise _Refused(DAMAGED, f"cut short: its pixels need {in_words(needed)}, it has {in_words(len(pixels))}")
    return uids[0], uids[1], uids[2]
