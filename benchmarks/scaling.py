"""Whether a slice costs the same in a study of 1 and of 1000: phantoms, as DICOM, through the whole path."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.measuring import Table, command
from benchmarks.path import profile
from infnet.geometry.affine import axial_affine
from infnet.phantom import chest, write_dicom
from infnet.study import Study

COUNTS = (1, 10, 100, 300, 1000)
MOST_GIB, MOST_GROWTH = 3.0, 0.10  # at 1000 slices; against the cost of a slice at 100


def series(folder: Path, count: int, source: np.ndarray) -> None:
    """`count` slices of a chest: spread over it when fewer, the chest up and down again when more."""
    if count <= len(source):
        order = np.linspace(0, len(source) - 1, count + 2).astype(int)[1:-1] if count < len(source) else range(count)
    else:
        there_and_back = [*range(len(source)), *reversed(range(len(source)))]
        order = [there_and_back[k % len(there_and_back)] for k in range(count)]
    spacing = (300.0 / min(count, len(source)), 0.75, 0.75)
    write_dicom(Study(source[list(order)], axial_affine(spacing), name=f"phantom-{count}"), folder)


def tables() -> Iterator[Table]:
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        source = chest(slices=100, rows=512, columns=512, spacing=(3.0, 0.75, 0.75)).study.pixels
        results = {}
        for count in COUNTS:
            series(base / "in", count, source)
            if count == COUNTS[0]:
                command("segment", str(base / "in"), "--out", str(base / "out"))  # fills the cache
            _, printed = command("segment", str(base / "in"), "--out", str(base / "out"), "--profile")
            results[count] = profile(printed)
            shutil.rmtree(base / "in")
            shutil.rmtree(base / "out")
    cost = {count: found["total"] / count for count, found in results.items()}
    rows = [
        [count, found["read"], found["segment"], found["measure and write"], cost[count], found["GiB"]]
        for count, found in results.items()
    ]
    growth = cost[1000] / cost[100] - 1
    held = growth <= MOST_GROWTH and results[1000]["GiB"] <= MOST_GIB
    yield Table(
        "Phantom slices of 512 x 512, DICOM to files",
        ["slices", "read, s", "segment, s", "measure and write, s", "s a slice", "peak GiB"],
        rows,
        f"A slice of 1000 costs {100 * growth:+.0f} % of one of 100. Must hold: at most {100 * MOST_GROWTH:+.0f} %, "
        f"{MOST_GIB} GiB: {'yes' if held else 'NO'}. Loading the networks is in `segment`, and weighs on few slices.",
    )
