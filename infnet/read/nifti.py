"""NIfTI (.nii, .nii.gz, whatever they are called): a volume (i, j, k) in RAS, turned into (k, j, i) in LPS.

The header is parsed by nibabel, the voxels are read here: exactly as many bytes as the header asks for, so that a
compressed file cannot unpack to more. How much that is, is held against the file's size and the free memory before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from infnet.notices import WINDOW_GUESSED, Notice, warn
from infnet.read.archive import Gathered
from infnet.read.files import MAX_BYTES, File, NotUsed, in_words, one_line, refuse
from infnet.read.memory import check_room
from infnet.read.nifti_geometry import affine_of
from infnet.read.packed import check_ratio, contents, opened, read
from infnet.read.reader import Format, Nameless
from infnet.read.stack import SINGLE_SLICE
from infnet.read.values import MAX_VALUE, all_finite, blank_padding, compact, compact_grey, largest_of, looks_like_hu
from infnet.study import Study

KIND: Final = "nifti"  # of files, as `sniff` tells it
MAX_OFFSET = 64 << 20  # bytes of extensions between header and voxels
MAX_RESCALE = 1e7  # slope and intercept together from which they are damaged
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

    @property
    def size(self) -> int:
        """Bytes of its voxels."""
        return int(np.prod(self.shape, dtype=object)) * int(self.header.get_data_dtype().itemsize)

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

    with opened(file) as stream:
        start = read(stream, 540)
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
    if (largest := largest_of(values)) > MAX_VALUE:
        raise NotUsed(f"holds the value {largest:.3g}, which is neither HU nor grey", _AGAIN)
    notices: list[Notice] = []
    if is_hu := looks_like_hu(values):
        pixels = blank_padding(compact(values) if values.dtype.kind in "iu" else values.astype(np.float32, copy=False))
    else:
        pixels = compact_grey(values)
        notices.append(warn(WINDOW_GUESSED, "The values are grey, not HU: the window was guessed."))
    affine, volumetric = affine_of(header, pixels.shape[0], notices)
    if pixels.shape[0] == 1:
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
    dtype, size = header.get_data_dtype(), volume.size
    offset = float(header["vox_offset"])
    if not 0 <= offset <= MAX_OFFSET:
        raise NotUsed("a damaged NIfTI header", _AGAIN)
    slope, intercept = _rescale(header)
    check_ratio(file, size)
    check_room(2 * size)  # the bytes, and HU made from them
    data: NDArray[Any] = contents(file, max(int(offset), int(header["sizeof_hdr"])), size).view(dtype)
    values: NDArray[Any] = data.astype(dtype.newbyteorder("="), copy=False).reshape(volume.shape[::-1])
    if (slope, intercept) == (1.0, 0.0):
        return values
    whole = slope.is_integer() and intercept.is_integer() and abs(slope) < 1e4 and abs(intercept) < 1e9
    if whole and dtype.kind in "iu" and dtype.itemsize <= 2:
        rescaled: NDArray[Any] = values.astype(np.int32) * int(slope) + int(intercept)
    else:
        with np.errstate(over="ignore"):  # to infinity, which is no number and refused as such
            rescaled = (values * slope + intercept).astype(np.float32)
    return rescaled


def _rescale(header: Any) -> tuple[float, float]:
    """Slope and intercept; a slope of 0 stands for none. Raises NotUsed where they make no HU of anything."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0:
        return 1.0, 0.0
    if not abs(slope) + abs(intercept) < MAX_RESCALE:
        reason = f"a damaged scale in its header (scl_slope {slope:g}, scl_inter {intercept:g})"
        raise NotUsed(reason, _AGAIN)
    return slope, intercept


def _name(label: str) -> str:
    name = label.rsplit("/", 1)[-1]
    for ending in (".gz", ".nii"):
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return one_line(name) or "study"
