"""Files with random damage: a study or an error of ours, soon, and with little memory; never anything else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .fuzzing import KINDS, MEMORY

ROOT = Path(__file__).parents[2]
SLOWEST = 20.0  # s


def fuzz(kind: str, count: int, folder: Path) -> dict:
    command = [sys.executable, "-m", "tests.read.fuzzing", kind, "0", str(count), str(folder)]
    # One thread each: their stacks would count as memory.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert not told["others"], "\n".join(f"{number}: {error}" for number, error in told["others"].items())
    assert told["studies"] + told["errors"] == count
    assert told["slowest"] < SLOWEST
    assert told["peak"] < MEMORY
    return told


@pytest.mark.parametrize("kind", KINDS)
def test_some_mutations(tmp_path, kind):
    told = fuzz(kind, 50, tmp_path)
    assert told["studies"] > 2
    assert told["errors"] > 2


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_mutations(tmp_path, kind):
    print(kind, fuzz(kind, 1000, tmp_path))
