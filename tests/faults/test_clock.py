"""A clock on the wall that jumps: watchdogs, sweeps, expiry, limits and progress measure time by another one."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infnet import phantom
from infnet.export.nifti import write_nifti
from tests.faults.killing import Program
from tests.faults.test_kills import files_in

ROOT = Path(__file__).parents[2]
WALL = ("time.time", "time.time_ns")  # a date may be asked for; a duration comes from these or from the right clock
# What waits, gives up, sweeps or pauses, with the tests that say so.
WATCHED = [
    ("tests/test_files.py", ""),
    ("tests/test_cohort.py", "hangs or dies"),
    ("tests/app/test_jobs.py", ""),
    ("tests/app/test_case.py", ""),
    ("tests/app/test_guard.py", ""),
    ("tests/read/test_encodings.py", ""),
    ("tests/train/fitting/test_loop.py", "pauses or bit"),
]


@pytest.mark.parametrize("folder", ["infnet", "app", "train"])
def test_no_duration_is_measured_by_the_clock_on_the_wall(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) not in WALL, f"{path}:{node.lineno}"
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                assert not {alias.name for alias in node.names} & {"time", "time_ns"}, path


@pytest.fixture(scope="module")
def jumping(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which programs see the clock jump."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("the jumping clock is a C file that is preloaded on Linux")
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    environment = {"LD_PRELOAD": str(library)}
    code = (
        "import time\nuntil, seen = time.monotonic() + 2, []\n"
        "while time.monotonic() < until: seen.append(time.time())\nprint(max(seen) - min(seen))"
    )
    told = subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True)
    assert float(told.stdout) > 86400
    return environment


@pytest.mark.slow
@pytest.mark.parametrize(("path", "chosen"), WATCHED)
def test_what_waits_waits_as_long_as_ever(jumping: dict[str, str], path: str, chosen: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", path, "-k", chosen]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **jumping}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    print(path, done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_batch_with_a_limit_is_the_same(jumping: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    study = phantom.chest(6, 128, 128, spacing=(40.0, 2.8, 2.8)).study
    for number in range(3):
        write_nifti(tmp_path / "in" / f"{number}.nii", study.pixels - number, study.affine)
    for name, environment in (("still", {}), ("jumping", jumping)):
        program = Program("tests.faults.command", "batch", temporary=tmp_path / "tmp", **environment)
        program.whole("--limit-minutes", "5", str(tmp_path / "in"), str(tmp_path / name))
    assert files_in(tmp_path / "still") == files_in(tmp_path / "jumping")
