"""A cohort that is killed again and again: every study once in the table, and the bytes of a run left in peace."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import ROOT, Table
from infnet.export.nifti import write_nifti
from infnet.phantom import chest

STUDIES, KILLS = 40, 10
WORKERS = (1, 2)


def _start(folder: Path, out: Path, workers: int) -> subprocess.Popen:
    arguments = ["batch", str(folder), str(out), "--workers", str(workers)]
    return subprocess.Popen(
        [sys.executable, "-m", "infnet", *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _done(out: Path) -> list[str]:
    """The studies with a whole line in the journal."""
    journal = out / "rows.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)[1:] if journal.exists() else []
    return [json.loads(line)["study"] for line in lines if line.endswith(b"\n")]


def cohort(folder: Path, count: int) -> None:
    """`count` small phantom studies of different chests, and one file that is none."""
    folder.mkdir()
    for seed in range(count - 1):
        study = chest(slices=6, rows=128, columns=128, spacing=(40.0, 2.8, 2.8), seed=seed).study
        assert study.affine is not None
        write_nifti(folder / f"study{seed}.nii.gz", study.pixels, study.affine)
    (folder / "bad.nii.gz").write_bytes(b"no study")


def tables() -> Iterator[Table]:
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        cohort(base / "in", STUDIES)
        rows: list[list[object]] = []
        for workers in WORKERS:
            begun = time.perf_counter()
            if _start(base / "in", base / f"peace-{workers}", workers).wait():
                raise RuntimeError("the cohort failed")
            rows.append([workers, time.perf_counter() - begun, STUDIES / (time.perf_counter() - begun)])
        yield Table(f"{STUDIES} phantom studies of 6 slices of 128 x 128", ["workers", "s", "studies a second"], rows)

        out, chance = base / "killed", random.Random(0)
        redone = 0
        for kill in range(KILLS):
            before = _done(out)
            process = _start(base / "in", out, 2)
            # At a random moment after it got so far that the kills spread over the whole cohort.
            target = (kill + 1) * STUDIES // (KILLS + 2)
            while len(_done(out)) < target and process.poll() is None:
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.3))
            os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers must end by themselves
            process.wait()
            redone += len(set(before) & set(_done(out)[len(before) :]))
        if _start(base / "in", out, 2).wait():
            raise RuntimeError("the cohort failed")
        often = Counter(_done(out))
        same = all(
            (out / name).read_bytes() == (base / "peace-1" / name).read_bytes()
            for name in ("cohort.csv", "cohort.parquet")
        )
        yield Table(
            f"Killed {KILLS} times",
            ["studies", "done once", "done again", "tables the same byte for byte"],
            [[len(often), sum(n == 1 for n in often.values()), redone, "yes" if same else "NO"]],
        )
