"""What the benchmarks share: the machine in words, fair timing, tables."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Table:
    """Rows of cells under a head, as Markdown."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""

    def __str__(self) -> str:
        lines = [f"## {self.title}", "", _line(self.head), _line(["---"] * len(self.head))]
        lines += [_line([_cell(value) for value in row]) for row in self.rows]
        return "\n".join(lines + (["", self.note] if self.note else []))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    """Numbers with three digits that count."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def hardware() -> str:
    """Processor, cores, memory, graphics processor and the versions that matter, in one line."""
    from importlib.metadata import PackageNotFoundError, version

    import psutil

    parts = [f"{_processor()}, {os.cpu_count()} cores", f"{psutil.virtual_memory().total / 2**30:.0f} GiB memory"]
    parts += [name for name in [_gpu()] if name]
    for package in ("torch", "openvino"):
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            parts.append(f"no {package}")
    return "; ".join(parts)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), platform.processor())
        known = next((line for line in lines if line.startswith("flags")), "").split()
        chip = [flag for flag in ("avx512f", "avx512_bf16", "amx_bf16", "avx512_vnni") if flag in known]
        return f"{name} ({', '.join(chip)})" if chip else name
    except OSError:
        return platform.processor() or platform.machine()


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def load() -> float:
    """How many processes wanted the processor during the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def side_by_side(contenders: Mapping[str, Callable[[], object]], rounds: int = 7) -> dict[str, float]:
    """Median seconds of each, run in turn, so that a busy moment of the machine hits them all alike."""
    for run in contenders.values():
        run()  # warm
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            begun = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in seconds.items()}


def command(*arguments: str, environment: Mapping[str, str] | None = None) -> tuple[float, str]:
    """Run `python -m infnet ...` to its end; seconds from its start, and what it printed."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "infnet", *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"infnet {' '.join(arguments)}: {done.stderr}")
    return seconds, done.stdout


def data() -> Path | None:
    """The folder of real studies: INFNET_DATA, or ../shared/data; None where there is none."""
    place = Path(os.environ.get("INFNET_DATA", ROOT.parent / "shared" / "data"))
    return place if place.is_dir() else None
