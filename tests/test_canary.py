"""What names a patient, in tags, files or folders, is in nothing that `segment` and `batch` write, keep or say."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import infnet
from infnet import pipeline
from infnet.__main__ import main
from infnet.cohort import workers
from infnet.overlay import display
from infnet.phantom import chest
from tests.canary import BROKEN, NIFTI, WORD, Files, broken, everything, packed, slices
from tests.fakes import fake_engines
from tests.test_cohort import Here

STUDY = chest(slices=6, rows=96, columns=96, spacing=(40.0, 3.7, 3.7)).study


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return slices(STUDY, tmp_path / "dicom")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary folder and cache of this process and of those it starts."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("INFNET_CACHE", str(tmp_path / "cache"))
    return folder


def written(folder: Path, files: Files) -> Path:
    folder.mkdir(parents=True)
    for name, content in files:
        (folder / name).write_bytes(content)
    return folder


def png(folder: Path) -> Path:
    """A slice as a picture whose texts name somebody."""
    about = PngInfo()
    about.add_text("Patient", WORD)
    Image.fromarray(display(STUDY, 3)).save(folder / f"{WORD}.png", pnginfo=about)
    return folder / f"{WORD}.png"


def test_segment_says_and_writes_it_nowhere(
    files: Files, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr(pipeline, "load_engines", lambda *_: fake_engines())
    folder, loose = written(tmp_path / WORD, files), tmp_path / "loose" / WORD
    (packed_study := written(loose, []) / f"{WORD}.zip").write_bytes(packed([*files, (f"{WORD}.txt", b"x")]))
    (volume := loose / f"{WORD}.nii").write_bytes(NIFTI)
    for number, path in enumerate((folder, packed_study, volume, png(loose))):
        assert main(["segment", str(path), "--out", str(tmp_path / "out" / str(number))]) == 0
    assert len(list((tmp_path / "out").glob("*/summary.json"))) == 4
    for number, kind in enumerate(BROKEN):
        path = written(tmp_path / "broken" / f"{WORD}{number}", broken(files)[kind])
        assert main(["segment", str(path), "--out", str(tmp_path / "none")]) == 2, kind
        assert main(["segment", *map(str, path.iterdir()), "--out", str(tmp_path / "none")]) == 2, kind
    assert main(["segment", str(loose / f"{WORD}.gone"), "--out", str(tmp_path / "none")]) == 2
    said = capfd.readouterr()
    assert said.err.count("; ") > 2 * len(BROKEN), "each says what to do"
    for text in (said.out, said.err, everything(tmp_path / "out"), everything(temporary)):
        assert WORD[:5].lower() not in text.lower()
    export, back = ["segment", str(folder), "--dicom", "--pdf"], tmp_path / "back"
    assert main([*export, "--deidentify", "--out", str(tmp_path / "away")]) == 0
    assert main([*export, "--out", str(back)]) == 0
    said = capfd.readouterr()
    for text in (said.out, said.err, everything(tmp_path / "away"), everything(temporary)):
        assert WORD[:5].lower() not in text.lower(), "not even in DICOM files"
    objects = sorted(back.rglob("*.dcm"))
    assert len(objects) == len(sorted((tmp_path / "away").rglob("*.dcm"))) == 3
    for path in objects:
        assert WORD in everything(path.parent), "what goes back to the archive is the patient's"
        path.unlink()
    assert WORD[:5].lower() not in everything(back).lower()
    assert main(["segment", str(volume), "--out", str(tmp_path / "named"), "--names"]) == 0
    assert json.loads((tmp_path / "named" / "summary.json").read_text())["study"] == WORD
    assert WORD in capfd.readouterr().out


@pytest.mark.parametrize("shipped", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_batch_says_and_writes_it_in_the_private_list_alone(
    files: Files, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any, shipped: bool
) -> None:
    """Also with the shipped networks in a process of their own, for the cache that they fill."""
    if not shipped:
        monkeypatch.setattr(infnet, "load_engines", lambda *_: fake_engines())
        monkeypatch.setattr(workers, "_process", Here)
    cohort = tmp_path / WORD
    written(cohort / f"{WORD}_first", files)
    (cohort / f"{WORD}.zip").write_bytes(packed(files))
    for number, kind in enumerate(BROKEN):
        written(cohort / f"{WORD}{number}", broken(files)[kind])
    out = tmp_path / "out"
    assert main(["batch", str(cohort), str(out), "--files"]) == 0
    said = capfd.readouterr()
    assert f"{len(BROKEN) + 2} studies, {len(BROKEN) - 1} failed" in said.out, "of two series one is taken"
    index = out / "names.json"
    assert index.stat().st_mode & 0o777 == 0o600
    assert sorted(json.loads(index.read_text())["studies"].values()) == sorted(path.name for path in cohort.iterdir())
    index.unlink()
    assert len(list((out / "studies").glob("study_*/summary.json"))) == 3
    assert any((tmp_path / "cache").glob("*")) == shipped
    for text in (said.out, said.err, everything(out), everything(temporary), everything(tmp_path / "cache")):
        assert WORD[:5].lower() not in text.lower()
