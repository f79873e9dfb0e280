"""Mutated files are read in this process, under limits: `python -m tests.read.fuzzing KIND FIRST COUNT FOLDER`.

Prints JSON: how often a study came out and how often an error of ours, the slowest read (s), the peak of memory
(bytes), and each mutation that ended in any other way, by its number: one number, one file.
"""

from __future__ import annotations

import gzip
import json
import random
import resource
import struct
import sys
import time
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pydicom
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

import infnet
from infnet.concurrency import peak_memory
from infnet.errors import InfNetError
from tests.read.catalogue import dicom, nifti, packages, pictures

MEMORY = 1536 << 20  # bytes that a read may write to
TELLING = (0, 1, 2, 4, 7, 8, 16, 127, 128, 254, 255)
WIDE = (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def mutated(data: bytes, rng: random.Random, end: int | None = None) -> bytes:
    """`data` with a few changes within its first `end` bytes."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 1, 2, 4))):
        size = min(end or len(out), len(out))
        if size < 8:
            break
        at = rng.randrange(size)
        match rng.randrange(8):
            case 0:
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                out[at] = rng.choice(TELLING)
            case 2:
                order, width = rng.choice("<>"), rng.choice("HI")
                value = struct.pack(order + width, rng.choice(WIDE) & (0xFFFF if width == "H" else 0xFFFFFFFF))
                out[at : at + len(value)] = value
            case 3:
                out[at : at + rng.choice((1, 2, 8, 60))] = b""
            case 4:
                out[at:at] = rng.randbytes(rng.choice((1, 2, 8, 60)))
            case 5:
                other = rng.randrange(size)
                out[at : at + 16] = out[other : other + 16]
            case 6:
                out[at : at + 4] = struct.pack("<f", rng.choice((float("nan"), float("inf"), -1.0, 1e30, 0.0)))
            case _:
                if rng.random() < 0.3:
                    del out[at:]
                else:
                    out[at] = rng.randrange(256)
    return bytes(out)


@cache
def encodings() -> list[bytes]:
    """A slice of the phantom in each way of storing it, the plain one first."""
    folder = Path(sys.argv[4])
    edits = [None]
    edits += [
        dicom.syntax(uid) for uid in (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)
    ]
    edits += [dicom.packed(uid) for uid in (RLELossless, JPEG2000Lossless)]
    made = []
    for edit in edits:
        dataset = dicom.slices()[1]
        if edit:
            edit(dataset, 1)
        made.append(dicom.put(dataset, folder / "made").read_bytes())
    return made


def mutated_dicom(rng: random.Random) -> bytes:
    """Mostly the header of an uncompressed slice: a decoder in a process of its own takes its time."""
    data = encodings()[rng.choice((0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 3, rng.choice((4, 5))))]
    return mutated(data, rng, rng.choice((None, 1600, 1600, 1600)))


def mutated_nifti(rng: random.Random) -> bytes:
    """The header or all of it; packed before or after that, or not at all."""
    end = rng.choice((None, 352, 352))
    match rng.randrange(3):
        case 0:
            return mutated(nifti.plain(), rng, end)
        case 1:
            return gzip.compress(mutated(nifti.plain(), rng, end), 1, mtime=0)
    return mutated(gzip.compress(nifti.plain(), 1, mtime=0), rng)


def mutated_png(rng: random.Random) -> bytes:
    """The file, or its header or rows with right checksums, so that more than these is tried."""
    deep = rng.random() < 0.3
    values = pictures.grey().astype(">u2") * 200 if deep else pictures.grey()
    header = struct.pack(">IIBBBBB", 64, 64, 16 if deep else 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    match rng.randrange(4):
        case 0:
            return mutated(pictures.png(header, rows), rng)
        case 1:
            return pictures.png(mutated(header, rng), rows)
    return pictures.png(header, mutated(rows, rng))


@cache
def zips() -> list[bytes]:
    folder = Path(sys.argv[4])
    return [packages.zipped(method=method)(folder).read_bytes() for method in (0, 8)]


def mutated_zip(rng: random.Random) -> bytes:
    """Anywhere, or in the list of members at the end."""
    data = rng.choice(zips())
    if rng.random() < 0.5:
        return mutated(data, rng)
    at = data.index(b"PK\x01\x02")
    return data[:at] + mutated(data[at:], rng)


KINDS: dict[str, Callable[[random.Random], bytes]] = {
    "dicom": mutated_dicom,
    "nifti": mutated_nifti,
    "png": mutated_png,
    "zip": mutated_zip,
}


def main() -> None:
    kind, first, count, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    path = folder / "mutated"
    zips(), encodings()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    told = {"studies": 0, "errors": 0, "slowest": 0.0, "others": {}}
    for number in range(first, first + count):
        path.write_bytes(KINDS[kind](random.Random(f"{kind} {number}")))
        begun = time.perf_counter()
        try:
            infnet.read(path)
            told["studies"] += 1
        except InfNetError as error:
            told["errors"] += 1
            if not str(error).isprintable():
                told["others"][number] = str(error)
        except BaseException:
            told["others"][number] = traceback.format_exc()
        told["slowest"] = max(told["slowest"], time.perf_counter() - begun)
    told["peak"] = peak_memory()
    print(json.dumps(told))


if __name__ == "__main__":
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    main()
