"""The whole path of a real study: DICOM in, files out, each engine in a process of its own."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.measuring import Table, command, data

ROUNDS = 3
ENGINES = (("torch", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"))
STAGES = ("read", "segment", "measure and write")
MOST_SECONDS, MOST_GIB = 0.35, 2.0  # a slice, and peak memory


def profile(printed: str) -> dict[str, float]:
    """The seconds and GiB that `infnet segment --profile` printed."""
    found = {stage: float(re.search(rf"{stage} ([\d.]+) s", printed)[1]) for stage in STAGES}  # type: ignore[index]
    found["slice"] = float(re.search(r"([\d.]+) s a slice", printed)[1])  # type: ignore[index]
    found["slices"] = float(re.search(r"(\d+) slices\)", printed)[1])  # type: ignore[index]
    found["total"] = float(re.search(r"wall time ([\d.]+) s", printed)[1])  # type: ignore[index]
    found["GiB"] = float(re.search(r"peak memory ([\d.]+) GiB", printed)[1])  # type: ignore[index]
    return found


def tables() -> Iterator[Table]:
    root = data()
    if root is None:
        print("No data sets: set INFNET_DATA to their folder.")
        return
    study = root / "dicom/covid-p001"
    one = sorted(study.iterdir())[len(list(study.iterdir())) // 2]
    runs: dict[tuple[str, str], list[dict[str, float]]] = {choice: [] for choice in ENGINES}
    first: list[float] = []
    info: list[float] = []
    with tempfile.TemporaryDirectory() as out:
        place = str(Path(out) / "result")
        command("segment", str(one), "--out", place)  # fills the cache
        for _ in range(ROUNDS):
            for engine, precision in ENGINES:
                how = ["--engine", engine, "--precision", precision]
                seconds, printed = command("segment", str(study), "--out", place, "--profile", *how)
                runs[engine, precision].append({**profile(printed), "process": seconds})
            first.append(command("segment", str(one), "--out", place)[0])
            info.append(command("info")[0])
    rows = []
    for choice, results in runs.items():
        values = {key: median(r[key] for r in results) for key in results[0]}
        per_slice = values["total"] / values["slices"]
        held = "yes" if per_slice <= MOST_SECONDS and values["GiB"] <= MOST_GIB else "NO"
        stages = [values[stage] for stage in STAGES]
        rows.append([" ".join(choice), *stages, values["process"], per_slice, values["GiB"], held])
    yield Table(
        f"covid-p001, {values['slices']:.0f} slices of 512 x 512, JPEG Lossless, to masks, overlays and tables",
        ["engine", *(f"{stage}, s" for stage in STAGES), "process, s", "s a slice", "peak GiB", "holds"],
        rows,
        f"Median of {ROUNDS} runs in turn. Must hold: {MOST_SECONDS} s a slice, {MOST_GIB} GiB. The largest child "
        "process, which decodes, is counted in the memory.",
    )
    yield Table(
        "From the start of the process, warm cache",
        ["what", "seconds", "must hold"],
        [["`python -m infnet info`", median(info), "1"], ["one slice to files", median(first), "8"]],
    )
