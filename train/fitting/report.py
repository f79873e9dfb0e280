"""What a run leaves for people: log, TensorBoard, progress line, learning curves, pictures, environment."""

from __future__ import annotations

import csv
import io
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from infnet import __version__
from infnet.overlay import COLOURS
from infnet.study import CONSOLIDATION, GGO
from train.fitting.checkpoint import write_atomically, write_text
from train.fitting.config import TrainConfig
from train.fitting.distributed import Process

EVERY = 10  # steps between two points of TensorBoard; reading the loss waits for the GPU


def environment(process: Process, precision: str) -> dict[str, Any]:
    """Versions, code revision and hardware, JSON-ready."""
    gpu = torch.cuda.get_device_name(process.device) if process.device.type == "cuda" else None
    return {
        "infnet": __version__,
        "revision": revision(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": gpu or f"{process.device.type}, {torch.get_num_threads()} threads",
        "processes": process.world,
        "precision": precision,
        "command": " ".join(["python -m", *_plain_command()]),
    }


def _plain_command() -> list[str]:
    program = Path(sys.argv[0])
    return [f"train.{program.stem}" if program.suffix == ".py" else program.name, *sys.argv[1:]]


def revision() -> str:
    """The git revision of this code, with a + where files were changed since; unknown outside a clone."""
    root = Path(__file__).parents[2]
    try:
        named, changed = (
            subprocess.run(  # nosec B603 B607  # the user's own git, with fixed words
                ["git", "-C", str(root), *words], capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return named + ("+" if changed else "")


def write_log(rows: Sequence[dict[str, float]], path: Path) -> None:
    """The whole log, so that a resumed run leaves no row twice."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(k for row in rows for k in row)))
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


class Logger:
    """Progress on a terminal, a line per validation elsewhere, and TensorBoard; silent in all but one process."""

    def __init__(self, run: Path, config: TrainConfig, process: Process, first: int) -> None:
        self._on = process.leads
        self._run, self._config, self._first = run, config, first
        self._losses: list[Tensor] = []
        self._progress: Any = None

    def __enter__(self) -> Logger:
        if not self._on:
            return self
        from torch.utils.tensorboard import SummaryWriter

        self._board = SummaryWriter(str(self._run / "tensorboard"), purge_step=self._first or None)
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("left  {task.fields[loss]}"),
            )
            self._progress = Progress(*columns, console=Console(stderr=True))
            self._progress.start()
            self._bar = self._progress.add_task(
                self._run.name, total=self._config.steps, completed=self._first, loss=""
            )
        return self

    def step(self, done: int, loss: Tensor, rate: float) -> None:
        if not self._on:
            return
        self._losses.append(loss)
        if done % EVERY == 0:
            mean = float(torch.stack(self._losses).mean())
            self._losses.clear()
            self._board.add_scalar("loss", mean, done)
            self._board.add_scalar("learning rate", rate, done)
            if self._progress:
                self._progress.update(self._bar, loss=f"loss {mean:.3f}")
        if self._progress:
            self._progress.update(self._bar, completed=done)

    def validated(self, row: dict[str, float]) -> None:
        for name, value in row.items():
            if name not in ("step", "seconds", "loss"):
                self._board.add_scalar(f"validation/{name}", value, int(row["step"]))
        line = "  ".join(f"{k} {v}" for k, v in row.items())
        if self._progress:
            self._progress.console.print(line)
        else:
            print(line, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._on:
            self._board.close()
            if self._progress:
                self._progress.stop()


def curves(rows: Sequence[dict[str, float]], path: Path) -> None:
    """Loss and validation scores over the steps, as one PNG."""
    if not rows:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    steps = [row["step"] for row in rows]
    left.plot(steps, [row["loss"] for row in rows], marker=".")
    left.set(xlabel="step", ylabel="training loss")
    for name in [k for k in rows[-1] if k not in ("step", "seconds", "loss")]:
        right.plot(steps, [row.get(name, np.nan) for row in rows], marker=".", label=name)
    right.set(xlabel="step", ylabel="validation", ylim=(0, 1))
    if right.get_lines():
        right.legend(fontsize="x-small")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    write_atomically(path, lambda file: figure.savefig(file, dpi=110, format="png"))


def montage(
    greys: Sequence[NDArray[np.uint8]], truths: Sequence[NDArray[np.bool_]], predictions: Sequence[NDArray[np.bool_]]
) -> Image.Image:
    """Slices in one row, and below each the slice with the reference and the prediction on it.

    Orange: marked by the reference only; blue: by the prediction only; white: by both.
    """
    cells = []
    for grey, truth, predicted in zip(greys, truths, predictions, strict=True):
        plain = np.repeat(grey[:, :, None], 3, 2)
        marked = plain.copy()
        colours = {
            COLOURS[GGO]: truth & ~predicted,
            COLOURS[CONSOLIDATION]: predicted & ~truth,
            (255, 255, 255): truth & predicted,
        }
        for colour, where in colours.items():
            marked[where] = (0.4 * marked[where] + 0.6 * np.array(colour)).astype(np.uint8)
        cells.append(np.vstack([plain, marked]))
    return Image.fromarray(np.hstack(cells))
