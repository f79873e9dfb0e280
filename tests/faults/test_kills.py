"""Ended at 50 random moments each, by a kill or a request to end: nothing half written, nothing lost or done twice."""

from __future__ import annotations

import json
import signal
import zipfile
from pathlib import Path

import pytest

from infnet import phantom
from infnet.export.nifti import write_nifti
from infnet.files import STAGING
from tests.faults.killing import Program, through_kills

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
both = pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "request"])


def zipped(folder: Path, seed: int = 0) -> Path:
    """A small study as a zip of DICOM, which is unpacked among the temporary files."""
    study = phantom.chest(6, 128, 128, spacing=(40.0, 2.8, 2.8), seed=seed).study
    path = folder / f"{seed}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for slice_ in phantom.write_dicom(study, folder.parent / f"dicom-{seed}"):
            archive.write(slice_, slice_.name)
    return path


def files_in(folder: Path) -> dict[str, bytes]:
    """What every file in a folder holds; nothing where it is not there."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def unfinished(folder: Path) -> list[Path]:
    return list(folder.rglob(f"{STAGING}*"))


@both
def test_segment_writes_all_or_nothing_and_clears_up_after_a_killed_one(tmp_path: Path, number: int) -> None:
    program = Program("tests.faults.command", "segment", temporary=tmp_path / "tmp")
    (tmp_path / "in").mkdir()
    study, results = zipped(tmp_path / "in"), tmp_path / "results"
    length = program.whole(str(study), "--out", str(tmp_path / "whole"))
    expected = files_in(tmp_path / "whole")
    assert len(expected) > 8

    def whole_or_nothing(out: Path) -> None:
        assert not out.exists() or files_in(out) == expected

    def whole(out: Path) -> None:
        assert files_in(out) == expected
        assert not unfinished(results)
        assert not list((tmp_path / "tmp").iterdir())

    results.mkdir()
    told = through_kills(
        lambda out: program.start(str(study), "--out", str(out)), results, number, length, whole_or_nothing, whole
    )
    print(f"segment, signal {number}: {told}, a whole run {length:.1f} s")


@both
def test_training_goes_on_and_ends_as_if_nothing_had_been(tmp_path: Path, number: int) -> None:
    program = Program("tests.faults.training", temporary=tmp_path / "tmp")
    child = program.start(str(tmp_path), str(int(number)))
    told, said = child.communicate(timeout=1700)
    assert child.returncode == 0, said[-2000:]
    print(told.splitlines()[-1])


@both
def test_batch_has_each_study_once_and_goes_on(tmp_path: Path, number: int) -> None:
    program = Program("tests.faults.command", "batch", "--files", "--workers", "2", temporary=tmp_path / "tmp")
    inputs, results = tmp_path / "in", tmp_path / "results"
    inputs.mkdir()
    for seed in (1, 2):
        zipped(inputs, seed)
    for seed in (3, 4):
        study = phantom.chest(6, 128, 128, spacing=(40.0, 2.8, 2.8), seed=seed).study
        write_nifti(inputs / f"{seed}.nii", study.pixels, study.affine)
    (inputs / "bad.txt").write_text("no study")
    length = program.whole(str(inputs), str(tmp_path / "whole"))
    expected = files_in(tmp_path / "whole")
    lines: list[bytes] = []

    def interrupted(out: Path) -> None:
        journal = out / "rows.jsonl"
        now = (
            [line for line in journal.read_bytes().splitlines(True) if line.endswith(b"\n")] if journal.exists() else []
        )
        assert now[: len(lines)] == lines, "what was finished stays finished"
        lines[:] = now
        if number == signal.SIGTERM:
            assert not unfinished(out)
            assert not list((tmp_path / "tmp").iterdir())

    def done(out: Path) -> None:
        interrupted(out)
        assert len(lines) == 6
        assert {json.loads(line)["study"] for line in lines[1:]} == {f"study_{number}" for number in range(1, 6)}
        rows = "rows.jsonl"
        assert {**files_in(out), rows: b""} == {**expected, rows: b""}
        assert not unfinished(out)
        assert not list((tmp_path / "tmp").iterdir())
        lines.clear()

    results.mkdir()
    told = through_kills(lambda out: program.start(str(inputs), str(out)), results, number, length, interrupted, done)
    print(f"batch, signal {number}: {told}, a whole run {length:.1f} s")
