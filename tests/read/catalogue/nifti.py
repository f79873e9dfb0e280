"""NIfTI with odd headers, odd voxels and damaged packing."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel
import numpy as np
from nibabel import Nifti1Image, Nifti2Image

from infnet.geometry.affine import to_ras
from tests.read.catalogue.kind import Makers, chest

Change = Callable[[bytearray], Any]
# Where the fields of a header lie.
DIM, TYPE, ZOOMS, OFFSET, SLOPE, UNITS, CODES, QUATERN, SFORM = 40, 70, 80, 108, 112, 123, 252, 256, 280


def image_bytes(values: Any, make: Any = Nifti1Image, **options: Any) -> bytes:
    """A NIfTI of values (slice, row, column) on the phantom's affine."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.nii"
        nibabel.save(
            make(values.transpose(*range(2, -1, -1), *range(3, values.ndim)), to_ras(chest().affine), **options), path
        )
        return path.read_bytes()


@cache
def plain() -> bytes:
    """The phantom as .nii, int16."""
    return image_bytes(chest().pixels)


def nii(change: Change = bytes, name: str = "x.nii") -> Callable[[Path], Path]:
    """The phantom, its bytes changed; a change returns new ones or works in place."""

    def make(folder: Path) -> Path:
        data = bytearray(plain())
        (folder / name).write_bytes(change(data) or data)
        return folder / name

    return make


def packed(change: Change = bytes, level: int = 6, inner: Change = bytes) -> Callable[[Path], Path]:
    """The phantom packed by gzip, its packed bytes changed, its `inner` bytes before."""

    def make(folder: Path) -> Path:
        data = bytearray(plain())
        out = bytearray(gzip.compress(bytes(inner(data) or data), level, mtime=0))
        (folder / "x.nii.gz").write_bytes(change(out) or out)
        return folder / "x.nii.gz"

    return make


def field(*fields: tuple[int, bytes]) -> Change:
    """Overwrite bytes of the header."""

    def change(data: bytearray) -> None:
        for at, value in fields:
            data[at : at + len(value)] = value

    return change


def floats(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


def shorts(*values: int) -> bytes:
    return np.array(values, "<i2").tobytes()


def flip(at: int) -> Change:
    def change(data: bytearray) -> None:
        data[at] ^= 4

    return change


def volume(values: Any, **options: Any) -> Callable[[Path], Path]:
    """Other voxels than the phantom's."""

    def make(folder: Path) -> Path:
        (folder / "x.nii").write_bytes(image_bytes(values(chest().pixels), **options))
        return folder / "x.nii"

    return make


def with_value(value: float) -> Callable[[Any], Any]:
    def values(hu: Any) -> Any:
        out = hu.astype(np.float32)
        out[1, 2, 3] = value
        return out

    return values


def big_endian(hu: Any) -> Any:
    return hu.astype(">i2")


def colour(hu: Any) -> Any:
    return np.zeros(hu.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])


def bomb(folder: Path) -> Path:
    """A header that asks for 2 GiB, packed small."""
    data = bytearray(plain()[:352])
    field((DIM, shorts(3, 1024, 1024, 1024)))(data)
    (folder / "x.nii.gz").write_bytes(gzip.compress(bytes(data) + bytes(4 << 20)))
    return folder / "x.nii.gz"


AGAIN = "save it again"
GEOMETRY = "a damaged geometry in its header"
LAST = slice(-8, None)
MAKERS: Makers = {
    "a plain volume": nii(),
    "packed by gzip": packed(),
    "called slice.dcm": nii(name="slice.dcm"),
    "NIfTI-2": volume(lambda hu: hu, make=Nifti2Image),
    "big endian": volume(big_endian, header=nibabel.Nifti1Header(endianness=">")),
    "slope 0": nii(field((SLOPE, floats(0, 7)))),
    "gzip with a wrong checksum": packed(flip(-6)),
    "gzip with a flipped bit in a stored block": packed(flip(20_000), level=0),
    "gzip without its last 8 bytes": packed(lambda data: data[:-8]),
    "gzip cut in half": packed(lambda data: data[: len(data) // 2]),
    "gzip with a flipped bit in a packed block": packed(flip(9000)),
    "gzip with 70 MiB behind the voxels": packed(inner=lambda data: data + bytes(70 << 20), level=1),
    "gzip that would unpack to 2 GiB": bomb,
    "gzip of a text": packed(inner=lambda data: b"hello " * 500),
    "scl_slope NaN": nii(field((SLOPE, floats(np.nan)))),
    "scl_slope infinite": nii(field((SLOPE, floats(np.inf)))),
    "scl_slope 1e30": nii(field((SLOPE, floats(1e30)))),
    "scl_inter NaN": nii(field((SLOPE, floats(1, np.nan)))),
    "a singular sform": nii(field((SFORM, floats(*[0] * 12)))),
    "a sform with NaN": nii(field((SFORM, floats(np.nan)))),
    "a qform that is no rotation": nii(field((CODES, shorts(1, 0)), (QUATERN, floats(5, 5, 5)))),
    "voxels of 1e9 mm": nii(field((SFORM, floats(1e9, 0, 0, 0, 0, 1e9, 0, 0, 0, 0, 1e9)))),
    "no sform and no qform": nii(field((CODES, shorts(0, 0)))),
    "no sform, no qform, slices 0 mm apart": nii(field((CODES, shorts(0, 0)), (ZOOMS + 8, floats(0)))),
    "no sform, no qform, no voxel size": nii(field((CODES, shorts(0, 0)), (ZOOMS, floats(0, 0, 0)))),
    "an unknown unit": nii(field((UNITS, b"\x07"))),
    "a header that asks for 65530 GiB": nii(field((DIM, shorts(3, 32767, 32767, 32767)))),
    "a header that asks for one slice more": nii(field((DIM + 6, shorts(5)))),
    "sides of 0": nii(field((DIM, shorts(3, 0, 0, 0)))),
    "negative sides": nii(field((DIM, shorts(3, -64, 64, 4)))),
    "9 dimensions": nii(field((DIM, shorts(9)))),
    "two volumes": volume(lambda hu: np.stack([hu, hu], -1)),
    "an unknown type of voxel": nii(field((TYPE, shorts(999)))),
    "complex voxels": volume(lambda hu: hu.astype(np.complex64)),
    "colour voxels": volume(colour),
    "a voxel that is NaN": volume(with_value(np.nan)),
    "a voxel of 1e30": volume(with_value(1e30)),
    "vox_offset negative": nii(field((OFFSET, floats(-352)))),
    "vox_offset NaN": nii(field((OFFSET, floats(np.nan)))),
    "vox_offset beyond the end": nii(field((OFFSET, floats(1 << 20)))),
    "cut within its header": nii(lambda data: data[:347]),
    "cut within its voxels": nii(lambda data: data[: len(data) // 2]),
    "a header without its image (.hdr)": nii(field((344, b"ni1\0"))),
    "an Analyze header": nii(field((344, bytes(4)))),
    "one slice": volume(lambda hu: hu[1:2]),
    "grey values": volume(lambda hu: ((hu + 1024) // 16).clip(0, 255).astype(np.uint8)),
}
