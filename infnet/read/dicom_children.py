"""Compressed DICOM pixels decoded in child processes, which may crash or hang on damaged data without harm here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from infnet.errors import ReadError
from infnet.read.dicom_header import PIXEL_TAGS
from infnet.read.dicom_slice import Header
from infnet.read.files import one_line, refuse

WORKERS = 2
CHILD_MEMORY = 2 << 30  # bytes of address space that Python, NumPy and the codecs map before any pixel
CHILD_SECONDS = 30.0  # to start, on a busy machine
FRAME_SECONDS = 1.0  # a 512 x 512 frame takes about 0.01 s

Put = Callable[[int, NDArray[Any]], None]


def decode_in_children(compressed: list[tuple[Header, dict[int, int]]], stored: NDArray[Any]) -> None:
    """Fill the slices of `stored` that compressed files hold. Raises ReadError for the first that fails."""

    def put(index: int, values: NDArray[Any]) -> None:
        stored[index] = values

    workers = max(1, min(WORKERS, os.cpu_count() or 1, len(compressed) // 8))
    shares = [compressed[worker::workers] for worker in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        for decoding in [pool.submit(_decode_in_child, files, put) for files in shares]:
            decoding.result()


def _decode_in_child(files: list[tuple[Header, dict[int, int]]], put: Put) -> None:
    """Let one child process decode `files`: each with the index in the series of each of its frames."""
    frames = sum(header.frames for header, _ in files)
    largest = max(header.frame_bytes for header, _ in files)
    file_size = max(header.file.path.stat().st_size for header, _ in files)
    seconds = CHILD_SECONDS + FRAME_SECONDS * frames * max(1.0, largest / (1 << 20))
    job = {
        "files": [{"path": str(header.file.path.resolve()), "syntax": header.syntax} for header, _ in files],
        "tags": PIXEL_TAGS,
        "memory": CHILD_MEMORY + 16 * largest + 4 * file_size,
        "seconds": int(seconds) + 1,
    }
    # One thread: thread stacks of the numerics libraries would count against the memory limit.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(  # nosec B603  # our own module, and no word of it from a file
        [sys.executable, "-m", "infnet.read._decode"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    late = threading.Event()

    def stop() -> None:
        late.set()
        child.kill()

    clock = threading.Timer(seconds, stop)
    clock.daemon = True
    clock.start()
    current = files[0][0]
    try:
        with child.stdin as to_child:
            to_child.write(json.dumps(job).encode())
        for current, indices in files:
            _receive(child.stdout, current, indices, put)
    except (EOFError, BrokenPipeError):
        reason = "decoding its pixels took too long" if late.is_set() else "its pixels made the decoder crash"
        action = "export the series again uncompressed, or leave this file out"
        raise refuse(current.file.label, reason, action) from None
    finally:
        clock.cancel()
        child.kill()
        child.stdout.close()
        child.wait()


def _receive(stream: IO[bytes], header: Header, indices: dict[int, int], put: Put) -> None:
    """Take one file's frames from the child. Raises ReadError where it cannot decode them, EOFError where it died."""
    for frame in range(header.frames + 1):
        line = stream.readline(4096)
        if not line.endswith(b"\n"):
            raise EOFError
        head = json.loads(line)
        if "error" in head or ("end" in head and frame < header.frames):
            raise _cannot_decode(header, head.get("error", ""))
        if "end" in head:
            return
        dtype = np.dtype(head["dtype"])
        if tuple(head["shape"]) != (header.rows, header.columns) or dtype.itemsize > 4 or frame == header.frames:
            raise _cannot_decode(header, "")
        data = stream.read(header.rows * header.columns * dtype.itemsize)
        if len(data) < header.rows * header.columns * dtype.itemsize:
            raise EOFError
        if frame in indices:
            put(indices[frame], np.frombuffer(data, dtype).reshape(header.rows, header.columns))


def _cannot_decode(header: Header, error: str) -> ReadError:
    name = syntax_name(header.syntax).split(",")[0]
    if error == "NotImplementedError":
        return refuse(header.file.label, f"this program cannot decode {name}", "export it uncompressed")
    return refuse(header.file.label, f"its pixels are damaged ({name})", "export or copy it again, or leave it out")


def syntax_name(uid: str) -> str:
    """What a transfer syntax is called, or its number where pydicom does not know it."""
    from pydicom.config import IGNORE
    from pydicom.uid import UID

    return one_line(UID(uid, validation_mode=IGNORE).name[:100])
