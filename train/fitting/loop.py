"""The only training loop: steps, schedule, precision, averaging, validation, log and restartable checkpoints.

The batch, the learning rate and every random number of a step are functions of the seed and the step. So the step is
all that a checkpoint must hold of the sampler, the scheduler and the generators, and a resumed run is the same run.
bf16 needs no gradient scaler.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from infnet.errors import InfNetError
from train.fitting import report
from train.fitting.checkpoint import load_checkpoint, save_atomically, write_text
from train.fitting.config import TrainConfig
from train.fitting.distributed import Place, agreed, shared
from train.fitting.machine import faster_precision, keep_memory

Batch = tuple[Tensor, Tensor]
Scores = dict[str, float]
SCALE = 2  # stream of random numbers; see train.batches


class Paused(Exception):  # noqa: N818 - nothing went wrong
    """The time that was given is over; the checkpoint is saved. `step`: how many are done."""

    def __init__(self, step: int, steps: int) -> None:
        super().__init__(f"paused after {step} of {steps} steps; go on with --resume")
        self.step = step


@dataclass(frozen=True)
class Task:
    """What is trained.

    batch: (step, places) -> input and truth of those places of the step's batch, on the device.
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
    split: dict = field(default_factory=dict)


def learning_rate_at(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then half a cosine down to a hundredth, a tenth every `decay_every` steps, or no change."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    if config.schedule == "step":
        return config.learning_rate * 0.1 ** (step // config.decay_every)
    if config.schedule == "constant":
        return config.learning_rate
    done = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def scale_at(step: int, config: TrainConfig) -> tuple[int, int]:
    """(which draw of slices, side in pixels) of a step."""
    if config.every_scale:
        return step // len(config.scales), config.side(config.scales[step % len(config.scales)])
    rng = np.random.default_rng((config.seed, step, SCALE))
    return step, config.side(float(rng.choice(config.scales)))


def make_optimizer(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Weight decay acts on kernels, not on biases and batch norm."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.99, fused=True)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=config.learning_rate, fused=True)


class Average:
    """Running average of a network's weights, kept beside it."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval()
        self._decay = decay
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        self._floats = [p for p in pairs if p[0].is_floating_point()]
        self._counts = [p for p in pairs if not p[0].is_floating_point()]

    @torch.no_grad()
    def follow(self, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))  # closely while the weights still move fast
        ours, theirs = zip(*self._floats, strict=True)
        torch._foreach_lerp_(list(ours), list(theirs), 1 - decay)
        for mine, other in self._counts:
            mine.copy_(other)


def fit(
    task: Task,
    config: TrainConfig,
    run: Path,
    place: Place | None = None,
    resume: bool = False,
    deadline: float = math.inf,
    stop_at: int | None = None,
) -> nn.Module:
    """Train `task.network` in place until `config.steps` and return the averaged network.

    The folder `run` gets config, split, environment, log, curves, montage, `last.pt` and `best.pt`. `deadline`, in
    `time.monotonic()`, ends it with Paused once that checkpoint is saved; `stop_at` returns early, as a kill would.
    Raises InfNetError where a checkpoint does not fit the settings or cannot be saved, or the loss is lost.
    """
    place = place or Place(0, 1, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    keep_memory()
    network = task.network.to(place.device, memory_format=torch.channels_last)
    average = Average(network, config.ema)
    optimizer = make_optimizer(network, config)
    state: dict[str, Any] = {"step": 0, "best": -math.inf, "stale": 0, "rows": [], "seconds": 0.0, "precision": ""}
    losses: list[Tensor] = []  # since the last validation
    last = run / "last.pt"
    if resume and last.exists():
        state = _restore(last, config, network, average, optimizer)
        losses = list(state.pop("losses").to(place.device))
    if place.leads:
        run.mkdir(parents=True, exist_ok=True)
        write_text(run / "config.json", json.dumps(config.as_dict(), indent=1))
        if task.split:
            write_text(run / "split.json", json.dumps(task.split, indent=1))
    if not state["precision"] and config.precision == "auto":
        trial = task.batch(0, range(min(config.micro_batch, config.batch)))
        faster = faster_precision(network, trial, task.loss, place.device)
        state["precision"] = "bf16" if agreed(faster == "bf16", place) else "fp32"
    state["precision"] = state["precision"] or config.precision
    if place.leads:
        write_text(run / "environment.json", json.dumps(report.environment(place, state["precision"]), indent=1))

    def checkpoint(done: int) -> None:
        if place.leads:
            state.update(step=done, seconds=spent + time.monotonic() - begun)
            own: dict[str, Any] = {"network": network.state_dict(), "average": average.network.state_dict()}
            own["losses"] = torch.stack(losses).cpu() if losses else torch.zeros(0)
            save_atomically({**state, **own, "optimizer": optimizer.state_dict(), "config": config.as_dict()}, last)

    trained = shared(network, place)
    autocast = torch.autocast(place.device.type, torch.bfloat16, enabled=state["precision"] == "bf16")
    spent, begun = state["seconds"], time.monotonic()
    finish = min(config.steps, stop_at or config.steps)
    logger = report.Logger(run, config, place, state["step"])
    with logger:
        for step in range(state["step"], finish):
            if task.before:
                task.before(step, average.network)
            rate = learning_rate_at(step, config)
            losses.append(_step(trained, optimizer, task, config, place, step, rate, autocast))
            average.follow(step)
            done = step + 1
            logger.step(done, losses[-1], rate)
            if done % config.validate_every == 0 or done == config.steps:
                state["seconds"] = spent + time.monotonic() - begun
                _validate(task, config, run, place, average, state, done, losses)
                losses.clear()
                checkpoint(done)
                if place.leads:
                    logger.validated(state["rows"][-1])
                if config.patience and agreed(state["stale"], place) >= config.patience:
                    break
            elif done % config.save_every == 0:
                checkpoint(done)
            if deadline < math.inf and done < finish and agreed(time.monotonic() > deadline, place):
                checkpoint(done)
                raise Paused(done, config.steps)
    if place.leads:
        report.curves(state["rows"], run / "curves.png")
        if task.montage:
            task.montage(average.network).save(run / "montage.png")
    return average.network


def _step(
    trained: nn.Module,
    optimizer: torch.optim.Optimizer,
    task: Task,
    config: TrainConfig,
    place: Place,
    step: int,
    rate: float,
    autocast: torch.autocast,
) -> Tensor:
    """One optimizer step on this process's part of the batch; returns its loss."""
    trained.train()
    for group in optimizer.param_groups:
        group["lr"] = rate
    torch.manual_seed(hash((config.seed, step, place.rank)) & 0x7FFFFFFF)
    optimizer.zero_grad(set_to_none=True)
    part = place.part(config.batch)
    pieces = [part[i : i + config.micro_batch] for i in range(0, len(part), config.micro_batch)]
    total = torch.zeros((), device=place.device)
    for piece in pieces:
        wait = place.world > 1 and piece is not pieces[-1]  # gradients travel once a step
        with trained.no_sync() if wait else nullcontext():  # type: ignore[operator]
            x, truth = task.batch(step, piece)
            with autocast:
                loss = task.loss(trained(x), truth)
            # The processes' gradients are averaged; this makes it the mean over the whole batch.
            (loss * (len(piece) * place.world / config.batch)).backward()
        total += loss.detach() * (len(piece) / len(part))
    if config.clip_by == "value":
        nn.utils.clip_grad_value_(trained.parameters(), config.clip)
    else:
        nn.utils.clip_grad_norm_(trained.parameters(), config.clip)
    optimizer.step()
    return total


def _restore(
    last: Path, config: TrainConfig, network: nn.Module, average: Average, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    saved = load_checkpoint(last)
    try:
        different = TrainConfig.from_dict(saved["config"]).differences(config)
        if different:
            raise InfNetError(
                f"{last}: made with other settings ({', '.join(different)}); "
                "resume with the same ones or choose another run folder"
            )
        network.load_state_dict(saved["network"])
        average.network.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        return {k: saved[k] for k in ("step", "best", "stale", "rows", "seconds", "precision", "losses")}
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InfNetError(f"{last}: not a checkpoint of this program ({error}); start in another run folder") from error


def _validate(
    task: Task,
    config: TrainConfig,
    run: Path,
    place: Place,
    average: Average,
    state: dict[str, Any],
    done: int,
    losses: list[Tensor],
) -> None:
    """Score the averaged network, keep it where it is the best so far, and write the log."""
    loss = float(torch.stack(losses).mean())
    if not math.isfinite(loss):
        raise InfNetError(f"{run}: the loss is {loss} at step {done}; lower --learning-rate or use --precision fp32")
    if not place.leads:
        return
    scores = task.validate(average.network) if task.validate else {}
    row = {"step": done, "seconds": round(state["seconds"]), "loss": round(loss, 4)}
    state["rows"] = [*state["rows"], {**row, **{k: round(v, 4) for k, v in scores.items()}}]
    score = next(iter(scores.values()), float(done))  # nothing held out: the latest is kept
    state["stale"] = 0 if score > state["best"] else state["stale"] + 1
    if score > state["best"]:
        state["best"] = score
        kept = {"network": average.network.state_dict(), "step": done, "config": config.as_dict(), "scores": scores}
        save_atomically(kept, run / "best.pt")
    report.write_log(state["rows"], run / "log.csv")
