"""DICOM whose header or pixels are odd."""

from __future__ import annotations

import random
import warnings
import zlib
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import openjpeg.utils
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from infnet.phantom import write_dicom
from tests.read.catalogue.kind import Makers, chest
from tests.read.making import set_tags

Edit = Callable[[Dataset, int], Any]
Bytes = Callable[[bytes], bytes]


@cache
def _made() -> list[Dataset]:
    with TemporaryDirectory() as folder:
        datasets = [pydicom.dcmread(path) for path in write_dicom(chest(), folder)]
        for dataset in datasets:
            _ = dataset.PixelData
        return datasets


def slices() -> list[Dataset]:
    """The phantom's four slices, feet first, free to be changed and written in any encoding."""
    copies = []
    for made in deepcopy(_made()):
        dataset = Dataset(made)
        dataset.file_meta, dataset.preamble = made.file_meta, made.preamble
        copies.append(dataset)
    return copies


def put(dataset: Dataset, path: Path, raw: Bytes = bytes) -> Path:
    """Write a slice as it is, right or wrong; `raw` then changes its bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(path, dataset, enforce_file_format=False)
    path.write_bytes(raw(path.read_bytes()))
    return path


def series(edit: Edit | None = None, only: int | None = None, raw: Bytes = bytes) -> Callable[[Path], Path]:
    """A folder of all slices; `edit` and `raw` change each, or `only` one."""

    def make(folder: Path) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for index, dataset in enumerate(slices()):
                wanted = only in (None, index)
                if edit and wanted:
                    edit(dataset, index)
                put(dataset, folder / f"IM{3 - index}", raw if wanted else bytes)
        return folder

    return make


def tags(**values: Any) -> Edit:
    """Set tags; None removes one."""
    return lambda dataset, _: set_tags(dataset, values)


def as_kind(vr: str, **values: Any) -> Edit:
    """Set tags as another kind of value than theirs."""

    def edit(dataset: Dataset, _: int) -> None:
        for keyword, value in values.items():
            dataset[keyword] = pydicom.DataElement(pydicom.datadict.tag_for_keyword(keyword), vr, value)

    return edit


def element(tag: str, vr: bytes, value: bytes) -> Bytes:
    """Replace the bytes of an explicit element of a short kind, whatever they mean."""

    def raw(data: bytes) -> bytes:
        at = data.index(bytes.fromhex(tag) + vr, 132)
        size = int.from_bytes(data[at + 6 : at + 8], "little")
        return data[: at + 6] + len(value).to_bytes(2, "little") + value + data[at + 8 + size :]

    return raw


def no_syntax(data: bytes) -> bytes:
    at = data.index(bytes.fromhex("02001000") + b"UI")
    size = int.from_bytes(data[at + 6 : at + 8], "little")
    group = int.from_bytes(data[140:144], "little") - 8 - size
    return data[:140] + group.to_bytes(4, "little") + data[144:at] + data[at + 8 + size :]


def absurd_length(data: bytes) -> bytes:
    at = data.rindex(bytes.fromhex("e07f1000") + b"OW")
    return data[: at + 8] + b"\xfe\xff\xff\xff" + data[at + 12 :]


def headless(big: bool) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for index, dataset in enumerate(slices()):
            del dataset.file_meta
            if big:
                dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
                dataset["PixelData"].VR = "OW"
            path = folder / str(index)
            pydicom.dcmwrite(path, dataset, implicit_vr=not big, little_endian=not big, enforce_file_format=False)
        return folder

    return make


def packed(syntax: pydicom.uid.UID, spoil: Callable[[bytearray], bytes] = bytes) -> Edit:
    """Compress the pixels, then spoil the compressed frame."""

    def edit(dataset: Dataset, _: int) -> None:
        if syntax == JPEG2000Lossless:
            frame = openjpeg.utils.encode(dataset.pixel_array, bits_stored=16)
        else:
            dataset.compress(syntax, generate_instance_uid=False)
            frame = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
        dataset.PixelData = encapsulate([spoil(bytearray(frame))])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax

    return edit


def noise(frame: bytearray) -> bytes:
    """A JPEG 2000 with all its markers and random data: the decoder has no way to tell."""
    start = frame.index(b"\xff\x93") + 2
    random_bytes = random.Random(1).randbytes(len(frame) - start - 2).replace(b"\xff", b"\x7f")
    return bytes(frame[:start]) + random_bytes + b"\xff\xd9"


def inflating(folder: Path) -> Path:
    dataset = slices()[0]
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data = put(dataset, folder / "x").read_bytes()
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = b"".join(packer.compress(bytes(1 << 20)) for _ in range(257)) + packer.flush()
    (folder / "x").write_bytes(data[: 144 + int.from_bytes(data[140:144], "little")] + body)
    return folder / "x"


def syntax(uid: pydicom.uid.UID) -> Edit:
    def edit(dataset: Dataset, _: int) -> None:
        dataset.file_meta.TransferSyntaxUID = uid
        if uid == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
        dataset["PixelData"].VR = "OW"

    return edit


def renamed(data: bytes) -> bytes:
    """Compressed by RLE, under a transfer syntax that is none."""
    return data.replace(b"1.2.840.10008.1.2.5\0", b"1.2.\x1040.10008.1.9.9\0")


def private_block(dataset: Dataset, _: int) -> None:
    dataset.private_block(0x0099, "SOMEBODY", create=True).add_new(1, "OB", bytes(100_000))


MAKERS: Makers = {
    "a plain series, names in another order": series(),
    "big endian": series(syntax(ExplicitVRBigEndian)),
    "big endian without preamble": headless(big=True),
    "deflated": series(syntax(DeflatedExplicitVRLittleEndian)),
    "RLE": series(packed(RLELossless)),
    "JPEG 2000, lossless": series(packed(JPEG2000Lossless)),
    "implicit, without preamble and file header": headless(big=False),
    "no transfer syntax": series(raw=no_syntax),
    "an encoding of texts that reads no ASCII": series(
        raw=element("08000500", b"CS", b"undefined "), edit=tags(SpecificCharacterSet="ISO_IR 100")
    ),
    "an unknown encoding of texts": series(tags(SpecificCharacterSet="KLINGON 1")),
    "a large private element": series(private_block),
    "NumberOfFrames 0": series(tags(NumberOfFrames=0)),
    "NumberOfFrames -3": series(tags(NumberOfFrames=-3)),
    "NumberOfFrames of two thousand million": series(tags(NumberOfFrames=2_000_000_000)),
    "Rows as UL": series(as_kind("UL", Rows=64)),
    "Rows 65535": series(tags(Rows=65535)),
    "Rows one too few": series(tags(Rows=63)),
    "Columns one too few": series(tags(Columns=63)),
    "Columns missing": series(tags(Columns=None)),
    "BitsAllocated 8 over 16-bit data": series(tags(BitsAllocated=8, BitsStored=8, HighBit=7)),
    "BitsAllocated 12": series(tags(BitsAllocated=12)),
    "BitsStored 17 of 16": series(tags(BitsStored=17)),
    "PixelRepresentation missing": series(tags(PixelRepresentation=None)),
    "RescaleSlope 'abc'": series(raw=element("28005310", b"DS", b"abc ")),
    "RescaleSlope NaN in one slice": series(only=2, raw=element("28005310", b"DS", b"NaN ")),
    "RescaleSlope 0": series(tags(RescaleSlope=0)),
    "RescaleIntercept 1e300": series(tags(RescaleIntercept="1e300")),
    "one slice without rescale": series(tags(RescaleSlope=None, RescaleIntercept=None), only=1),
    "no rescale at all": series(tags(RescaleSlope=None, RescaleIntercept=None)),
    "a rescale to something that is not HU": series(tags(RescaleType="MGML")),
    "no pixels": series(tags(PixelData=None)),
    "pixels of length 0xFFFFFFFE": series(raw=absurd_length),
    "a slice cut to nine tenths": series(only=1, raw=lambda data: data[: len(data) * 9 // 10]),
    "a slice cut within its header": series(only=1, raw=lambda data: data[:300]),
    "JPEG 2000 of random data": series(packed(JPEG2000Lossless, noise)),
    "JPEG 2000 cut in half": series(packed(JPEG2000Lossless, lambda f: bytes(f[: len(f) // 2]))),
    "a transfer syntax that nobody knows": series(packed(RLELossless), raw=renamed),
    "RLE of random data": series(packed(RLELossless, lambda f: random.Random(1).randbytes(900))),
    "uncompressed noise": series(lambda ds, i: setattr(ds, "PixelData", random.Random(i).randbytes(64 * 64 * 2))),
    "deflated, and inflating to 257 MiB": inflating,
    "raw pixels under a compressed syntax": series(
        raw=lambda data: data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")
    ),
    "implicit, as its header says": series(syntax(ImplicitVRLittleEndian)),
    "text burned into the picture, by the header": series(tags(BurnedInAnnotation="YES")),
    "compressed with loss before": series(tags(LossyImageCompression="01")),
    "MONOCHROME1": series(tags(PhotometricInterpretation="MONOCHROME1")),
    "colour": series(tags(SamplesPerPixel=3, PhotometricInterpretation="RGB")),
    "only a preamble": lambda folder: _written(folder / "x", bytes(128) + b"DICM"),
}


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
