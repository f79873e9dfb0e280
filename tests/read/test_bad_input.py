"""Whatever is thrown at `read`: one clear line `<file>: <reason>; <what to do>`, and little memory."""

from __future__ import annotations

import os
import random
import zlib

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

import infnet
from infnet.errors import InfNetError, ReadError
from infnet.read import dicom_children

from .making import along, ct_slice, hu_volume, save, save_series


def refusal(path) -> str:
    """The message `read` gives for `path`, which must be one line of the agreed form."""
    with pytest.raises(ReadError) as error:
        infnet.read(path)
    message = str(error.value)
    assert "\n" not in message
    name, _, rest = message.partition(": ")
    assert name
    reason, _, action = rest.rpartition("; ")
    assert reason
    assert action
    return message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"just a note, nothing more\n" * 20, "plain text"),
        (b"<html><body>404</body></html>", "plain text"),
        (os.urandom(16) + bytes(3000), "not an image this program knows"),
        (bytes(128) + b"DICM", "damaged"),
        (bytes(128) + b"DICM" + bytes(500), "damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "a damaged picture"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "a damaged picture"),
        (b"PK\x03\x04" + bytes(50), "a zip without its end"),
        (b"\x1f\x8b\x08" + bytes(50), "gzip"),
        (b"GIF89a" + bytes(50), "a GIF picture"),
        (b"\x5c\x01\0\0" + bytes(400), "Analyze"),
    ],
)
def test_files_that_are_something_else(tmp_path, content, reason):
    path = tmp_path / "slice.dcm"
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith("slice.dcm: ")
    assert reason in message


def test_paths_that_do_not_exist_and_nothing_at_all(tmp_path):
    assert refusal(tmp_path / "none").startswith("none: no such file or folder; ")
    assert "nothing was given" in refusal([])
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty") == "empty: no files in it; give the folder of one chest CT"


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"Modality": "MR"}, "MR, not CT"),
        ({"Modality": None, "SOPClassUID": None}, "no modality"),
        ({"Rows": None}, "no image size"),
        ({"Columns": 0}, "no image size"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "colour"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "not a CT image"),
        ({"RescaleType": "MGML"}, "a map in MGML"),
        ({"BitsAllocated": 12}, "12 bits"),
        ({"RescaleSlope": 0}, "slope 0"),
        ({"RescaleIntercept": 1e300}, "intercept 1e"),
        ({"PixelData": None}, "no pixels|cut short"),
        ({"Rows": 65535}, "cut short: 65535 x 32"),
        ({"Rows": 25}, "cut short"),
        ({"NumberOfFrames": 2_000_000_000}, "number of frames"),
        ({"NumberOfFrames": -3}, "number of frames"),
    ],
)
def test_headers_that_make_no_sense(tmp_path, tags, reason):
    path = tmp_path / "x.dcm"
    ds = ct_slice(hu_volume(1)[0])
    for keyword, value in tags.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    if "PixelData" in ds:
        save(ds, path)
    else:
        pydicom.dcmwrite(path, ds)
    message = refusal(path)
    assert any(part in message for part in reason.split("|")), message


def test_a_slice_of_absurd_size_with_the_file_to_match_is_refused_unread(tmp_path):
    path = save(ct_slice(hu_volume(1)[0], Rows=5000, Columns=40), tmp_path / "x.dcm")
    with path.open("ab") as out:
        out.truncate(5000 * 40 * 2 + 10_000)
    assert "a slice of 5000 x 40 pixels" in refusal(path)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9, 0.999])
def test_one_slice_of_a_series_cut_short(tmp_path, share):
    folder = save_series(tmp_path / "ct", hu_volume())
    data = (folder / "IM2").read_bytes()
    (folder / "IM2").write_bytes(data[: int(len(data) * share)])
    if share < 0.5:  # not even a header: it cannot be told from any other damaged file, and is listed
        study = infnet.read(folder)
        assert [name for name, _ in study.source["skipped"]] == ["IM2"]
        return
    assert refusal(folder).startswith("IM2: cut short")


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1])
def test_garbage_in_place_of_compressed_pixels(tmp_path, syntax):
    ds = ct_slice(hu_volume(1)[0])
    ds.PixelData = encapsulate([b"\xff\xd8\xff\xc3" + random.Random(1).randbytes(900)])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    assert "its pixels" in refusal(save(ds, tmp_path / "x.dcm"))


def test_a_decoder_that_dies_or_hangs_is_one_line(tmp_path, monkeypatch):
    ds = ct_slice(hu_volume(1)[0])
    ds.compress(RLELossless, generate_instance_uid=False)
    path = save(ds, tmp_path / "x.dcm")
    fake = tmp_path / "fake"
    fake.write_text("#!/bin/sh\nkill -ABRT $$\n")
    fake.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(dicom_children.sys, "executable", str(fake))
        assert "made the decoder crash" in refusal(path)
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    with monkeypatch.context() as patch:
        patch.setattr(dicom_children.sys, "executable", str(fake))
        patch.setattr(dicom_children, "CHILD_SECONDS", 0.5)
        patch.setattr(dicom_children, "FRAME_SECONDS", 0.1)
        assert "took too long" in refusal(path)
    assert infnet.read(path).pixels.shape == (1, 24, 32)


def test_one_damaged_slice_of_a_compressed_series_is_named(tmp_path):
    hu = hu_volume(20)
    for i in range(20):
        ds = ct_slice(hu[i], along(20)[i])
        ds.compress(RLELossless, generate_instance_uid=False)
        if i == 13:
            ds.PixelData = encapsulate([bytes(64)])
        save(ds, tmp_path / f"slice{i}")
    assert refusal(tmp_path).startswith("slice13: its pixels are damaged (RLE Lossless); ")


def test_a_deflated_bomb_is_stopped(tmp_path):
    path = save(ct_slice(hu_volume(1)[0]), tmp_path / "x.dcm")
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    pydicom.dcmwrite(path, ds)
    head = path.read_bytes()[: 144 + pydicom.dcmread(path).file_meta.FileMetaInformationGroupLength]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    path.write_bytes(head + body)
    assert "inflates to more than 256.0 MiB" in refusal(path)


def test_a_huge_png_is_refused_by_its_header(tmp_path):
    path = tmp_path / "huge.png"
    Image.new("1", (20_000, 20_000)).save(path)
    assert refusal(path) == "huge.png: a picture of 400 million pixels; give one of at most 25 million pixels"
    Image.new("1", (10_000, 9_000)).save(path)
    assert "a picture of 10000 x 9000 pixels" in refusal(path)


def test_a_floating_tiff_with_nan(tmp_path):
    values = hu_volume(1, 36, 48)[0].astype(np.float32)
    values[3, 4] = np.nan
    Image.fromarray(values).save(tmp_path / "x.tif")
    assert "1 pixels are not numbers" in refusal(tmp_path / "x.tif")


def test_a_hostile_name_stays_one_line(tmp_path):
    path = tmp_path / "a\nb\x1b[31m.dcm"
    path.write_bytes(b"")
    assert refusal(path).startswith("a?b?[31m.dcm: empty file")


def test_pixels_of_an_unknown_kind_are_a_damaged_file(tmp_path):
    """pydicom reads the kind of an element (its VR) only when the element is asked for."""
    path = save(ct_slice(hu_volume(1)[0]), tmp_path / "slice")
    data = path.read_bytes()
    at = data.index(bytes.fromhex("e07f1000") + b"OW")
    path.write_bytes(data[: at + 4] + b"S\x10" + data[at + 6 :])
    with pytest.raises(InfNetError, match=r"slice: a damaged DICOM file; export or copy it again"):
        infnet.read(path)


def test_nothing_escapes_from_files_with_random_damage(tmp_path):
    """Flip, cut and insert bytes in small files of every kind: a study or an InfNetError, never anything else."""
    hu = hu_volume(1)[0]
    save(ct_slice(hu), tmp_path / "native")
    deflated = ct_slice(hu)
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    save(deflated, tmp_path / "deflated")
    Image.fromarray((hu_volume(1, 36, 48)[0] % 251).astype(np.uint8)).save(tmp_path / "png", "PNG")
    Image.fromarray((hu_volume(1, 36, 48)[0] % 251).astype(np.uint8)).save(tmp_path / "tiff", "TIFF")
    rng = random.Random(7)
    path = tmp_path / "damaged"
    ended = {"study": 0, "refused": 0}
    for name in ("native", "deflated", "png", "tiff"):
        whole = (tmp_path / name).read_bytes()
        for _ in range(60):
            data = bytearray(whole)
            for _ in range(rng.choice([1, 4, 30])):
                data[rng.randrange(len(data))] = rng.randrange(256)
            at = rng.randrange(len(data))
            data[at : at + rng.choice([0, 0, 1, 40])] = rng.randbytes(rng.choice([0, 0, 1, 40]))
            path.write_bytes(data[: rng.choice([len(data), rng.randrange(1, len(data))])])
            try:
                infnet.read(path)
                ended["study"] += 1
            except InfNetError:
                ended["refused"] += 1
    assert ended["study"] > 10
    assert ended["refused"] > 10
