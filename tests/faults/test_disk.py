"""A full disk, or one that is read-only: one line that says so, a status that is not 0, and nothing half written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from infnet import export, phantom
from infnet.engine import OpenVINOEngine
from infnet.export.nifti import write_nifti
from infnet.measure.statistics import measure
from infnet.pipeline.run import segment
from tests.engine.making import Scale
from tests.fakes import fake_engines
from tests.faults.killing import Program, killed_at
from tests.faults.room import disk, make_read_only
from tests.faults.test_kills import files_in, unfinished, zipped

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
STUDY = phantom.chest(6, 128, 128, spacing=(40.0, 2.8, 2.8)).study
ROOMS = (4, 40, 80)  # KiB: for a folder, for a few of the files, for all but the largest


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three studies, one of them a zip."""
    folder = tmp_path_factory.mktemp("cohort") / "in"
    folder.mkdir()
    for number in (1, 2):
        write_nifti(folder / f"{number}.nii", STUDY.pixels - number, STUDY.affine)
    zipped(folder, 3)
    return folder


def fails_in_one_line(program: Program, *arguments: str, said: str) -> str:
    status, line = program.ended(program.start(*arguments))
    assert status == 2, line
    assert line.count("\n") == 1, line
    assert said in line
    assert "; " in line, "it says what to do"
    return line


@pytest.mark.parametrize("kib", ROOMS)
def test_segment_on_a_full_disk(inputs: Path, tmp_path: Path, kib: int) -> None:
    program = Program("tests.faults.command", "segment", temporary=tmp_path / "tmp")
    with disk(tmp_path / "small", kib) as small:
        fails_in_one_line(program, str(inputs / "1.nii"), "--out", str(small / "out"), said="No space left on device")
        assert list(small.iterdir()) == []


def test_a_zip_that_finds_no_room_to_be_unpacked(inputs: Path, tmp_path: Path) -> None:
    with disk(tmp_path / "small", 40) as small:
        program = Program("tests.faults.command", "segment", temporary=small)
        fails_in_one_line(program, str(inputs / "3.zip"), "--out", str(tmp_path / "out"), said="free disk space")
        assert list(small.iterdir()) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("files", [True, False], ids=["with files", "tables only"])
def test_batch_on_a_full_disk_goes_on_when_there_is_room(inputs: Path, tmp_path: Path, files: bool) -> None:
    """Room for the journal and not for masks; or for less than a row."""
    program = Program("tests.faults.command", "batch", *["--files"] * files, temporary=tmp_path / "tmp")
    program.whole(str(inputs), str(tmp_path / "whole"))
    with disk(tmp_path / "small", 64 if files else 8) as small:
        out = small / "out"
        out.mkdir()
        fails_in_one_line(program, str(inputs), str(out), said="No space left on device")
        assert not unfinished(small)
        assert not list((out / "studies").glob("*"))
        assert set(files_in(out)) <= {"rows.jsonl", "names.json", ".lock"}
        larger = Path(shutil.copytree(out, tmp_path / "larger"))
    program.whole(str(inputs), str(larger))
    found, expected = files_in(larger), files_in(tmp_path / "whole")
    for each in (found, expected):
        each["rows.jsonl"] = b"".join(sorted(each["rows.jsonl"].splitlines(True)))
    assert found == expected


@pytest.mark.parametrize("kib", [4, 8, 12])
def test_a_cache_on_a_full_disk_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kib: int) -> None:
    batch = np.random.default_rng(0).standard_normal((1, 1, 8, 8)).astype(np.float32)
    expected = OpenVINOEngine(Scale, "key", (1, 8, 8), "fp32")(batch)
    with disk(tmp_path / "small", kib) as small:
        monkeypatch.setenv("INFNET_CACHE", str(small / "cache"))
        for _ in range(2):
            assert np.array_equal(OpenVINOEngine(Scale, "key", (1, 8, 8), "fp32")(batch), expected)
        assert not files_in(small)


@pytest.mark.parametrize("command", ["segment", "batch"])
def test_a_read_only_folder_for_the_results(inputs: Path, tmp_path: Path, command: str) -> None:
    program = Program("tests.faults.command", command, temporary=tmp_path / "tmp")
    with disk(tmp_path / "closed", 1000) as closed:
        make_read_only(closed)
        for out in (closed, closed / "out"):
            given = [str(inputs / "1.nii"), "--out", str(out)] if command == "segment" else [str(inputs), str(out)]
            fails_in_one_line(program, *given, said="Read-only file system")
        assert list(closed.iterdir()) == []


def test_a_kill_while_an_earlier_result_is_replaced_is_seen_and_mended(tmp_path: Path) -> None:
    """Killed before each step in turn: where there is a summary all files are of one run, and a rerun makes it so."""
    earlier = phantom.chest(8, 128, 128, spacing=(30.0, 2.8, 2.8), seed=1).study
    runs = []
    for study in (earlier, STUDY):
        result = segment(study, fake_engines())
        runs.append((study, result, measure(study, result)))
    export.write_all(tmp_path / "old", *runs[0])
    export.write_all(tmp_path / "new", *runs[1])
    old, new = files_in(tmp_path / "old"), files_in(tmp_path / "new")
    assert set(old) - set(new), "the earlier run had more slices"
    for step in range(100):
        out = tmp_path / str(step)
        export.write_all(out, *runs[0])
        child = os.fork()
        if not child:
            try:
                _killed_at(step)
                export.write_all(out, *runs[1])
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        left = {name: content for name, content in files_in(out).items() if not name.startswith(".infnet-")}
        if not os.WIFSIGNALED(status):
            assert left == new
            break
        assert "summary.json" not in left or left == old
        export.write_all(out, *runs[1])
        assert files_in(out) == new
    assert step > len(new)


def _killed_at(step: int) -> None:
    """From now on the `step`-th file to be moved or removed kills this process instead."""
    counted, _ = killed_at(step)
    os.replace, Path.unlink = counted(os.replace), counted(Path.unlink)  # type: ignore[method-assign]
