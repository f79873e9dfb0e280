"""NIfTI (.nii, .nii.gz, whatever they are called): a volume (i, j, k) in RAS, turned into (k, j, i) in LPS.

The header is parsed by nibabel, the voxels are read here: exactly as many bytes as the header asks for, so that a
compressed file cannot unpack to more.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import IO, Any, ClassVar, Final, cast

import numpy as np
from numpy.typing import NDArray

from infnet.geometry.affine import from_ras
from infnet.notices import WINDOW_GUESSED, Notice, warn
from infnet.read.archive import Gathered
from infnet.read.files import MAX_BYTES, File, NotUsed, in_words, refuse
from infnet.read.reader import Format, Nameless
from infnet.read.stack import SINGLE_SLICE
from infnet.read.values import all_finite, blank_padding, compact, compact_grey, looks_like_hu
from infnet.study import Study

KIND: Final = "nifti"  # of files, as `sniff` tells it
CHUNK = 64 << 20  # bytes of one read
MAX_OFFSET = 64 << 20  # bytes of extensions between header and voxels
_MM = {"meter": 1000.0, "micron": 0.001}
_AGAIN = "save it again as one 3-D NIfTI"


@dataclass(frozen=True)
class NiftiVolume(Nameless):
    """One NIfTI file: its header is read, its voxels are not. shape: (i, j, k)."""

    format: ClassVar[Format] = "NIfTI"
    file: File
    shape: tuple[int, int, int]
    header: Any

    @property
    def key(self) -> str:
        return self.file.label

    @property
    def count(self) -> int:
        return self.shape[2]

    def load(self) -> Study:
        """Read the voxels. Raises ReadError where they are missing, damaged, or not numbers."""
        try:
            return _load(self)
        except NotUsed as why:
            raise refuse(self.file.label, why.reason, why.action) from None
        except MemoryError:
            raise refuse(self.file.label, "no memory for its voxels", "close other programs") from None


def find(gathered: Gathered) -> list[NiftiVolume]:
    """Every NIfTI file that holds one volume, in the order given; what holds none is listed as skipped."""
    volumes = []
    for file in gathered.of(KIND):
        try:
            volumes.append(open_header(file))
        except NotUsed as why:
            gathered.skip(file.label, why)
    return volumes


def open_header(file: File) -> NiftiVolume:
    """Read and check the header. Raises NotUsed for anything but one volume of one real number a voxel."""
    import nibabel
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    with _opened(file) as stream:
        start = _read(stream, 540)
    two = b"n+2" in start[4:8]
    kind: Any = nibabel.Nifti2Header if two else nibabel.Nifti1Header  # the library has no types
    size = 540 if two else 348
    if len(start) < size:
        raise NotUsed("cut short within its header", "export or copy it again")
    try:
        header = kind(start[:size], check=False)
        shape = tuple(int(n) for n in header.get_data_shape())
        dtype = header.get_data_dtype()
    except (HeaderDataError, WrapStructError, KeyError, ValueError, OverflowError):
        raise NotUsed("a damaged NIfTI header", _AGAIN) from None
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise NotUsed("voxels of colour or complex numbers, not CT values", "save it as one grey volume")
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > 3:
        raise NotUsed(f"{len(shape)}-D, {' x '.join(map(str, shape))}", "save one 3-D volume of it")
    if len(shape) < 2 or min(shape) < 1 or max(shape[:2]) < 2:
        raise NotUsed(f"no picture in it (size {' x '.join(map(str, shape)) or 'unknown'})", _AGAIN)
    shape = (*shape, 1)[:3]
    if (total := int(np.prod(shape, dtype=object)) * dtype.itemsize) > MAX_BYTES:
        raise NotUsed(f"{in_words(total)} of voxels", f"give at most {in_words(MAX_BYTES)}")
    return NiftiVolume(file, (shape[0], shape[1], shape[2]), header)


def _load(volume: NiftiVolume) -> Study:
    file, header = volume.file, volume.header
    values = _voxels(volume)
    if not all_finite(values):
        wrong = int((~np.isfinite(values)).sum())
        raise NotUsed(f"{wrong} voxels are not numbers", "replace them, e.g. by -1024 (air)")
    notices: list[Notice] = []
    if is_hu := looks_like_hu(values):
        pixels = blank_padding(compact(values) if values.dtype.kind in "iu" else values.astype(np.float32, copy=False))
    else:
        pixels = compact_grey(values)
        notices.append(warn(WINDOW_GUESSED, "The values are grey, not HU: the window was guessed."))
    affine = _affine(volume, notices)
    volumetric = pixels.shape[0] > 1
    if not volumetric:
        notices.append(SINGLE_SLICE)
    source = {
        "format": "NIfTI",
        "modality": "CT" if is_hu else "unknown",
        "slices": int(pixels.shape[0]),
        "stored_type": str(header.get_data_dtype()),
    }
    return Study(pixels, affine, is_hu, _name(file.label), volumetric, tuple(notices), source)


def _voxels(volume: NiftiVolume) -> NDArray[Any]:
    """All voxels as (k, j, i), in the machine's byte order, with the header's slope and intercept applied."""
    file, header = volume.file, volume.header
    dtype, count = header.get_data_dtype(), int(np.prod(volume.shape))
    offset = float(header["vox_offset"])
    if not 0 <= offset <= MAX_OFFSET:
        raise NotUsed("a damaged NIfTI header", _AGAIN)
    with _opened(file) as stream:
        _read(stream, max(int(offset), int(header["sizeof_hdr"])))
        data = _read(stream, count * dtype.itemsize)
    if len(data) < count * dtype.itemsize:
        reason = f"cut short: its voxels need {in_words(count * dtype.itemsize)}, it has {in_words(len(data))}"
        raise NotUsed(reason, "export or copy it again")
    values = np.frombuffer(data, dtype).astype(dtype.newbyteorder("="), copy=False).reshape(volume.shape[::-1])
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not np.isfinite(slope) or slope == 0 or (slope, intercept) == (1.0, 0.0):
        return values
    if not np.isfinite(intercept):
        raise NotUsed("a damaged scale in its header (scl_inter)", _AGAIN)
    whole = slope.is_integer() and intercept.is_integer() and abs(slope) < 1e4 and abs(intercept) < 1e9
    if whole and dtype.kind in "iu" and dtype.itemsize <= 2:
        return values.astype(np.int32) * int(slope) + int(intercept)
    return (values * slope + intercept).astype(np.float32)


def _affine(volume: NiftiVolume, notices: list[Notice]) -> NDArray[np.float64]:
    header = volume.header
    affine = None
    if int(header["sform_code"]) > 0:
        affine = header.get_sform()
    elif int(header["qform_code"]) > 0:
        try:
            affine = header.get_qform()
        except Exception:  # nibabel lets damaged quaternions raise what they like
            affine = None
    if affine is None or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        zooms = [abs(float(z)) for z in header["pixdim"][1:4]]
        if not all(np.isfinite(z) and 1e-3 < z < 1e3 for z in zooms[:2]):
            raise NotUsed("no usable voxel size in its header (pixdim)", _AGAIN)
        usable = np.isfinite(zooms[2]) and 1e-3 < zooms[2] < 1e3
        affine = np.diag([-zooms[0], zooms[1], zooms[2] if usable else 1.0, 1.0])  # nibabel's reading of such files
        text = "The file does not say how it is oriented: left and right, front and back were assumed."
        notices.append(warn("orientation-assumed", text))
    scale = _MM.get(header.get_xyzt_units()[0], 1.0)
    return from_ras(np.diag([scale, scale, scale, 1.0]) @ affine)


def _opened(file: File) -> IO[bytes]:
    with file.path.open("rb") as opened:
        packed = opened.read(2) == b"\x1f\x8b"
    if packed:
        return cast(IO[bytes], gzip.open(file.path, "rb"))
    return file.path.open("rb")


def _read(stream: IO[bytes], size: int) -> bytes:
    """Up to `size` bytes. Raises NotUsed where a compressed file is damaged."""
    chunks, left = [], size
    try:
        while left and (chunk := stream.read(min(left, CHUNK))):
            chunks.append(chunk)
            left -= len(chunk)
    except EOFError:
        pass  # a compressed file that is cut short: the caller sees that too little came
    except (OSError, zlib.error):
        raise NotUsed("a damaged gzip file", "export or copy it again") from None
    return b"".join(chunks)


def _name(label: str) -> str:
    name = label.rsplit("/", 1)[-1]
    for ending in (".gz", ".nii"):
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return name or "study"
