"""Zips: what may be in them, and what a hostile one cannot do."""

from __future__ import annotations

import io
import os
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import infnet
from infnet.__main__ import main
from infnet.errors import ReadError, SeveralSeriesError
from infnet.read import archive, find_series

from .making import SERIES, hu_volume, save_series


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """A private temporary folder, so that a test can see what is left in it."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def pack(path: Path, members: dict[str, bytes], method=zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return path


def series_bytes(tmp_path: Path, hu: np.ndarray, **tags) -> dict[str, bytes]:
    folder = save_series(tmp_path / f"made{len(list(tmp_path.iterdir()))}", hu, **tags)
    return {f"study/{p.name}": p.read_bytes() for p in folder.iterdir()}


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_series_in_a_zip_whatever_it_is_called(tmp_path, scratch, method):
    hu = hu_volume()
    clutter = {"__MACOSX/study/._IM0": b"x" * 50, "study/.DS_Store": b"y", "readme": b"z" * 40}
    members = series_bytes(tmp_path, hu) | clutter
    study = infnet.read(pack(tmp_path / "upload.bin", members, method))
    assert np.array_equal(study.pixels, hu)
    assert study.volumetric
    assert study.source["skipped"] == (("upload.bin/readme", "plain text, not an image"),)
    assert list(scratch.iterdir()) == []  # nothing stays


def test_pictures_and_nifti_in_a_zip(tmp_path):
    out = io.BytesIO()
    grey = np.add.outer(np.arange(40), np.arange(50)).astype(np.uint8)
    Image.fromarray(grey).save(out, "PNG")
    study = infnet.read(pack(tmp_path / "x.zip", {"a/slice.png": out.getvalue()}))
    assert np.array_equal(study.pixels, grey[None])
    assert study.name == "slice"


def test_several_series_and_zips_with_files(tmp_path):
    hu = hu_volume(4)
    one = pack(tmp_path / "one.zip", series_bytes(tmp_path, hu[:2]))
    two = tmp_path / "two"
    save_series(two, hu[2:], positions=[(-100, -90, -295), (-100, -90, -292.5)])
    assert np.array_equal(infnet.read([one, *two.iterdir()]).pixels, hu)
    other = pack(tmp_path / "other.zip", series_bytes(tmp_path, hu, SeriesInstanceUID=SERIES + ".7"))
    with pytest.raises(SeveralSeriesError, match="2 files: holds 2 series"):
        infnet.read([one, other])
    assert np.array_equal(infnet.read([one, other], series=SERIES + ".7").pixels, hu)


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "C:\\evil", "..\\evil", "\\evil"])
def test_names_that_lead_outside_are_refused(tmp_path, scratch, name):
    before = sorted(tmp_path.parent.iterdir())
    path = pack(tmp_path / "x.zip", {name: b"x" * 400} | series_bytes(tmp_path, hu_volume(2)))
    with pytest.raises(ReadError, match=r"^x.zip: holds the unsafe name '.*evil'; pack"):
        infnet.read(path)
    assert sorted(tmp_path.parent.iterdir()) == before
    assert list(scratch.iterdir()) == []
    assert not Path("/evil").exists()


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, scratch):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out, out.open("slice", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ReadError, match=r"^bomb.zip: unpacks to 300.0 MiB, far more than a chest CT holds; "):
        infnet.read(path)
    assert list(scratch.iterdir()) == []


def test_a_bomb_that_understates_its_size_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "RATIO_MATTERS", 1 << 20)
    content = b"\x89PNG\r\n\x1a\n" + bytes(8 << 20)
    path = pack(tmp_path / "liar.zip", {"a.png": content})
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", len(content)), struct.pack("<I", 1000)))
    with pytest.raises(ReadError, match=r"^liar.zip: (a damaged zip|unpacks to far more)"):
        infnet.read(path)


def test_too_many_members_are_refused_without_listing_them(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILES", 5)
    with pytest.raises(ReadError, match=r"^x.zip: lists more than 5 files; "):
        infnet.read(pack(tmp_path / "x.zip", {f"{n}.txt": b"x" for n in range(6)}))
    folder = tmp_path / "folder"
    folder.mkdir()
    for n in range(6):
        (folder / f"{n}").write_text("x")
    with pytest.raises(ReadError, match=r"^folder: more than 5 files; "):
        infnet.read(folder)


def test_a_zip_in_a_zip_is_left_out(tmp_path):
    inner = pack(tmp_path / "inner.zip", {"a.txt": b"x"}).read_bytes()
    with pytest.raises(ReadError, match=r"x.zip/inner.zip: a zip inside a zip; unpack the outer zip first"):
        infnet.read(pack(tmp_path / "x.zip", {"inner.zip": inner}))


def test_links_passwords_and_unusual_methods_are_refused(tmp_path):
    path = tmp_path / "link.zip"
    with zipfile.ZipFile(path, "w") as out:
        link = zipfile.ZipInfo("ct")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        out.writestr(link, "/etc/passwd")
    with pytest.raises(ReadError, match=r"^link.zip/ct: a link, not a file; "):
        infnet.read(path)

    locked = pack(tmp_path / "locked.zip", {"a": b"x" * 50})
    data = bytearray(locked.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    locked.write_bytes(data)
    with pytest.raises(ReadError, match=r"^locked.zip: protected by a password; "):
        infnet.read(locked)
    with pytest.raises(ReadError, match=r"^unusual.zip: packed by an unusual method; "):
        infnet.read(pack(tmp_path / "unusual.zip", {"a": b"x" * 50}, zipfile.ZIP_LZMA))


@pytest.mark.parametrize("share", [0.2, 0.7, 0.99])
def test_a_zip_cut_short(tmp_path, share):
    data = pack(tmp_path / "whole.zip", series_bytes(tmp_path, hu_volume(2))).read_bytes()
    (tmp_path / "x.zip").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ReadError, match=r"^x.zip: a zip without its end \(cut short\?\); "):
        infnet.read(tmp_path / "x.zip")


def test_a_damaged_member(tmp_path):
    data = bytearray(pack(tmp_path / "x.zip", series_bytes(tmp_path, hu_volume(2))).read_bytes())
    data[600:640] = os.urandom(40)
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(ReadError, match=r"^x.zip: a damaged zip; pack or download it again$"):
        infnet.read(tmp_path / "x.zip")


def test_an_empty_zip_and_one_without_images(tmp_path):
    with pytest.raises(ReadError, match=r"^x.zip: an empty zip; "):
        infnet.read(pack(tmp_path / "x.zip", {}))
    path = pack(tmp_path / "y.zip", {"a.txt": b"hello there", "b.txt": b"hello again", "c.pdf": b"%PDF-1.4 and more"})
    with pytest.raises(ReadError, match=r"^y.zip: no chest CT in it: 2 x plain text.*1 x a PDF document.*; give"):
        infnet.read(path)
    assert len(find_series(path).skipped) == 3
    assert find_series(path).series == ()


def killed_while_reading(packed: Path, scratch: Path) -> None:
    """A process that has unpacked a zip, and is killed before it could remove that."""
    code = f"""
import os, signal, sys, tempfile
sys.path[:0] = {sys.path!r}
tempfile.tempdir = {str(scratch)!r}
from infnet.read.archive import gather
with gather({str(packed)!r}):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL


def start_the_app() -> None:
    from app.core import session

    session.registry.clear()
    session.registry()


@pytest.mark.parametrize(
    "start",
    [
        lambda folder: main(["segment", str(folder / "none"), "--out", str(folder / "out")]),
        lambda folder: main(["batch", str(folder / "none"), str(folder / "out")]),
        lambda folder: start_the_app(),
    ],
    ids=["segment", "batch", "app"],
)
def test_what_a_killed_program_unpacked_goes_at_the_next_start(scratch, tmp_path, start):
    packed = pack(tmp_path / "a.zip", {"a.png": b"\x89PNG\r\n\x1a\n"})
    with archive.gather(packed) as mine:
        killed_while_reading(packed, scratch)
        assert len(list(scratch.glob("*/*"))) == 2
        start(tmp_path)
        assert [path.parent for path in scratch.glob("*/*")] == [mine.of("picture")[0].path.parent], "that in use stays"
    assert not list(scratch.iterdir())


def test_a_zip_that_finds_no_place_to_be_unpacked_is_one_line(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("slice", b"x")
    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(ReadError, match=r"a.zip: no place to unpack it \(No space left on device\); free some space"):
        infnet.read(tmp_path / "a.zip")
