"""A file that may be packed with gzip: no more is unpacked than asked for, and the checksum at its end is checked."""

from __future__ import annotations

import gzip
import zlib
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from infnet.read.files import File, NotUsed, in_words

CHUNK = 16 << 20  # bytes of one read
MAX_RATIO = 200  # times smaller than its contents: beyond it, and with much inside, a packed file is a bomb
RATIO_MATTERS = 1 << 30  # bytes of contents; the mask of few lesions, one float a voxel, may well shrink 500 times
MAX_AFTER = 64 << 20  # bytes that may follow the contents
_AGAIN = "export or copy it again"


def is_packed(file: File) -> bool:
    """Whether it begins as a gzip file does."""
    with file.path.open("rb") as opened:
        return opened.read(2) == b"\x1f\x8b"


def opened(file: File) -> IO[bytes]:
    """The contents of a file as a stream, unpacked where it is packed."""
    return cast(IO[bytes], gzip.open(file.path, "rb")) if is_packed(file) else file.path.open("rb")


def check_ratio(file: File, size: int) -> None:
    """Raise NotUsed where a packed file is too small to hold `size` bytes of a real scan."""
    stored = file.path.stat().st_size
    if is_packed(file) and size > max(MAX_RATIO * stored, RATIO_MATTERS):
        reason = f"unpacks from {in_words(stored)} to {in_words(size)}, far more than a chest CT does"
        raise NotUsed(reason, "give the scan itself")


def contents(file: File, skip: int, size: int) -> NDArray[np.uint8]:
    """The `size` bytes after the first `skip`, (size,); a packed file is read to its end to check it.

    Raises NotUsed where it is cut short or damaged, or goes on far behind them.
    """
    data = np.empty(size, np.uint8)
    with opened(file) as stream:
        start = read(stream, skip)
        done = _fill(stream, data) if len(start) == skip else 0
        if done < size:
            raise NotUsed(f"cut short: its voxels need {in_words(size)}, it has {in_words(done)}", _AGAIN)
        if is_packed(file):
            _check_end(stream)
    return data


def read(stream: IO[bytes], size: int) -> bytes:
    """Up to `size` bytes; fewer where the file is cut short. Raises NotUsed where a packed file is damaged."""
    data = np.empty(size, np.uint8)
    return data[: _fill(stream, data)].tobytes()


def _fill(stream: IO[bytes], data: NDArray[np.uint8]) -> int:
    """Fill `data` from a stream; how many bytes there were."""
    done, view = 0, memoryview(cast(Any, data))
    try:
        while done < len(data) and (chunk := stream.read(min(len(data) - done, CHUNK))):
            view[done : done + len(chunk)] = chunk
            done += len(chunk)
    except EOFError:
        pass  # a packed file that is cut short: the caller sees that too little came
    except (OSError, zlib.error):
        raise NotUsed("a damaged gzip file", _AGAIN) from None
    return done


def _check_end(stream: IO[bytes]) -> None:
    """Read a packed stream to its end: only there stands the checksum of all that was read."""
    after = 0
    try:
        while chunk := stream.read(CHUNK):
            after += len(chunk)
            if after > MAX_AFTER:
                raise NotUsed("goes on far behind its last voxel", "save it again as one 3-D NIfTI")
    except EOFError:
        raise NotUsed("cut short: the end of the gzip file is missing", _AGAIN) from None
    except (OSError, zlib.error):
        raise NotUsed("a damaged gzip file: its checksum is another", _AGAIN) from None
