"""Files and folders that are whole or not there at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from subprocess import PIPE

import pytest

from infnet import files
from infnet.files import STAGING, replacing, sha256, staging, sweep


def test_a_file_is_replaced_when_the_block_ends_well(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with replacing(path) as beside:
        assert beside.parent == tmp_path
        beside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_keeps_the_old_file_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(TypeError), replacing(path) as beside, beside.open("w") as file:
        file.writelines(["ne", None])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_before_the_first_file_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="at once"), replacing(tmp_path / "table.csv"):
        raise ValueError("at once")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="No such file"), replacing(tmp_path / "none" / "table.csv") as beside:
        beside.write_text("new")


def test_a_staging_folder_is_gone_at_the_end_with_all_that_is_left_in_it(tmp_path):
    with staging(tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith(STAGING)
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("left")
    assert list(tmp_path.iterdir()) == []


def test_what_is_moved_out_of_a_staging_folder_stays(tmp_path):
    with staging(tmp_path) as folder:
        (folder / "file").write_text("kept")
        folder.rename(tmp_path / "result")
    assert [p.name for p in tmp_path.iterdir()] == ["result"]
    assert (tmp_path / "result" / "file").read_text() == "kept"


def test_a_staging_folder_is_gone_after_an_error(tmp_path):
    with pytest.raises(TypeError), staging(tmp_path) as folder, (folder / "file").open("w") as file:
        file.writelines(["le", None])
    assert list(tmp_path.iterdir()) == []


def test_a_caller_that_holds_the_lock_itself_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(files, "PATIENCE", 0.1)
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with staging(tmp_path) as made:
        assert made.is_dir()
    os.close(handle)
    assert list(tmp_path.iterdir()) == []


def test_sha256_of_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert sha256(path) == hashlib.sha256(b"abc").hexdigest()


def test_what_a_killed_process_left_is_swept_and_what_a_running_one_fills_stays(tmp_path):
    code = f"import sys; sys.path[:0] = {sys.path!r}\nfrom pathlib import Path\nfrom infnet.files import staging\n"
    code += f"with staging(Path({str(tmp_path)!r})) as made:\n    print(made.name, flush=True)\n    input()\n"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE, text=True)
    left = child.stdout.readline().strip()
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [left]
    child.kill()
    child.communicate()
    assert [path.name for path in tmp_path.iterdir()] == [left]
    with staging(tmp_path) as mine:
        assert list(tmp_path.iterdir()) == [mine]
    sweep(tmp_path / "none")
