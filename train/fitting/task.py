"""What is trained (`Task`) and the run that trains it (`Run`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor, nn

from train.fitting.distributed import Process, alone

Batch = tuple[Tensor, Tensor]
Scores = dict[str, float]


class Paused(Exception):  # noqa: N818 - nothing went wrong
    """The time that was given is over; the checkpoint is saved. `step`: how many are done."""

    def __init__(self, step: int, steps: int) -> None:
        super().__init__(f"paused after {step} of {steps} steps; go on with --resume")
        self.step = step


@dataclass(frozen=True)
class Task:
    """What is trained.

    batch: (step, rows) -> input and truth of those rows of the step's batch, on the device.
    loss: (output of the network, truth) -> mean loss of the slices given.
    validate: scores of the averaged network; the first chooses `best.pt`. None where nothing is held out.
    montage: a picture of predictions on validation slices.
    before: called with (step, averaged network) ahead of every step; Algorithm 1 grows its training set there.
    split: which slices are trained on and which validate, by source and group.
    """

    network: nn.Module
    batch: Callable[[int, range], Batch]
    loss: Callable[[Any, Tensor], Tensor]
    validate: Callable[[nn.Module], Scores] | None = None
    montage: Callable[[nn.Module], Image.Image] | None = None
    before: Callable[[int, nn.Module], None] | None = None
    split: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """Where a task is trained, and for how long.

    folder: gets config, split, environment, log, curves, montage and checkpoints.
    process: this process among those that train together.
    resume: go on from `last.pt`, where there is one.
    deadline: in `time.monotonic()`; past it the run is saved and ends with Paused.
    stop_at: the step at which `fit` returns early and saves nothing, as a kill would.
    """

    folder: Path
    process: Process = field(default_factory=alone)
    resume: bool = False
    deadline: float = math.inf
    stop_at: int | None = None

    @property
    def last(self) -> Path:
        return self.folder / "last.pt"

    def inside(self, name: str) -> Run:
        """The same run in a folder of this one's."""
        return replace(self, folder=self.folder / name)
