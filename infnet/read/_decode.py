"""The child process that decodes compressed DICOM pixels: `python -m infnet.read._decode`.

The libraries behind it may abort or hang on hostile data, and then only this process dies. It takes a job as JSON on
standard input, and writes to standard output, for each frame of each file, one line of JSON (`shape`, `dtype`) and
the stored values; or a line with `error`, and ends.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Any, BinaryIO

OPENJPEG = tuple(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 201, 202, 203))  # JPEG 2000, and its high-throughput kin
DECODER_DEPENDENCIES = dict.fromkeys(OPENJPEG, ("pylibjpeg-openjpeg>=2.0",))  # pydicom asks its plugins for this name
# The first that is installed decodes. GDCM last: it is the one that can abort, and for JPEG Lossless the only one.
_ORDER = ("openjpeg", "pyjpegls", "pydicom", "pylibjpeg", "pillow", "gdcm")


def is_available(uid: str) -> bool:
    """Asked by pydicom: whether openjpeg is installed and knows this transfer syntax."""
    from importlib.util import find_spec

    return uid in OPENJPEG and find_spec("openjpeg") is not None


def decode_openjpeg(source: bytes, runner: Any) -> bytes:
    """Asked by pydicom: one JPEG 2000 frame as the bytes of its pixels."""
    from openjpeg.utils import decode_pixel_data

    frame = decode_pixel_data(source, version=2)
    precision = runner.get_option("j2k_precision", runner.bits_stored)
    runner.set_option("bits_allocated", 8 if precision <= 8 else 16 if precision <= 16 else 32)
    return bytes(frame)


def frames_of(path: str, syntax: str, tags: list[str]) -> Any:
    """Stored values of each frame in turn, (row, column). Raises whatever pydicom and its plugins raise."""
    import pydicom
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    dataset = pydicom.dcmread(path, force=True, specific_tags=[*tags, "PixelData"])
    decoder = get_decoder(UID(syntax))
    if syntax in OPENJPEG and "openjpeg" not in decoder.available_plugins and is_available(syntax):
        decoder.add_plugin("openjpeg", ("infnet.read._decode", "decode_openjpeg"))
    if not decoder.available_plugins:
        raise NotImplementedError(f"no decoder for {UID(syntax).name}")
    plugin = next((name for name in _ORDER if name in decoder.available_plugins), "")
    # Bits above Bits Stored are kept: padding may be written there, and the parent clears them afterwards.
    keep: dict[str, Any] = {} if syntax in OPENJPEG or ".4.8" in syntax else {"correct_unused_bits": False}
    for array, _ in decoder.iter_array(dataset, raw=True, decoding_plugin=plugin, **keep):
        yield array


def serve(job: dict[str, Any], out: BinaryIO) -> None:
    """Decode the files of `job` one after another, frame by frame, and write them to `out`."""
    for file in job["files"]:
        try:
            for array in frames_of(file["path"], file["syntax"], job["tags"]):
                head = {"shape": array.shape, "dtype": array.dtype.newbyteorder("<").str}
                out.write(json.dumps(head).encode() + b"\n")
                out.write(array.astype(head["dtype"], copy=False).tobytes())
            out.write(b'{"end": true}\n')
        except MemoryError:
            out.write(b'{"error": "not enough memory"}\n')
            return
        except Exception as error:  # the parent words it for the user; which of the libraries failed does not matter
            out.write(json.dumps({"error": type(error).__name__}).encode() + b"\n")
            return
        out.flush()


def limit(memory: int, seconds: int) -> None:
    """Let this process use no more than `memory` bytes of address space and `seconds` of processor time."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the parent's clock still holds
        return
    for which, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        try:
            hard = resource.getrlimit(which)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(which, (value, hard))
        except (ValueError, OSError):  # macOS refuses some of them
            continue


def main() -> None:
    # What the libraries print must not mix with the pixels: they get the error stream as their standard output.
    with os.fdopen(os.dup(1), "wb", buffering=1 << 20) as out:
        os.dup2(2, 1)
        warnings.simplefilter("ignore")
        job = json.load(sys.stdin)
        limit(job["memory"], job["seconds"])
        serve(job, out)


if __name__ == "__main__":
    main()
