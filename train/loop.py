"""The only training loop: steps, schedule, precision, averaging, validation, log and restartable checkpoints."""

from __future__ import annotations

import copy
import csv
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from infnet.errors import InfNetError
from train.config import TrainConfig

Batch = tuple[Tensor, Tensor]


def save_atomically(state: dict, path: Path) -> None:
    """Write beside `path`, flush to disk, then replace: a kill leaves the old checkpoint or the new one, whole."""
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InfNetError(
            f"{path}: not saved ({error.strerror}); the older checkpoint is kept, free some space"
        ) from error


def load_checkpoint(path: Path) -> dict:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InfNetError(f"{path}: no such checkpoint; start without --resume") from None
    except Exception as error:
        raise InfNetError(f"{path}: not a readable checkpoint ({type(error).__name__}); start without it") from error


def learning_rate_at(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def _average_into(average: nn.Module, network: nn.Module, step: int, decay: float) -> None:
    decay = min(decay, (1 + step) / (10 + step))  # follow closely while the weights still move fast
    with torch.no_grad():
        for a, b in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if a.is_floating_point():
                a.lerp_(b, 1 - decay)
            else:
                a.copy_(b)


def fit(
    network: nn.Module,
    batch_at: Callable[[int, np.random.Generator], Batch],
    loss_of: Callable[[nn.Module, Batch], Tensor],
    validate: Callable[[nn.Module], dict[str, float]],
    config: TrainConfig,
    run: Path,
    resume: bool = False,
    stop_at: int | None = None,
) -> nn.Module:
    """Train `network` in place of `config.steps` steps and return the averaged network.

    `batch_at(step, rng)` makes the batch of a step from a generator seeded by (seed, step). `validate` returns scores
    for the log; the first is the one by which `best.pt` is chosen. `stop_at` ends early, as a kill would.
    """
    run.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_flush_denormal(True)  # numbers too small to matter cost a CPU many times the time of others
    network.to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval()
    decaying = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decaying, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=config.learning_rate,
        fused=True,
    )
    first, best = 0, -math.inf
    last = run / "last.pt"
    if resume and last.exists():
        state = load_checkpoint(last)
        if TrainConfig.from_dict(state["config"]) != config:
            raise InfNetError(
                f"{last}: made with other settings; resume with the same ones or choose another run folder"
            )
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first, best = state["step"], state["best"]
    (run / "config.json").write_text(json.dumps(config.as_dict(), indent=1))

    def checkpoint(step: int) -> None:
        save_atomically(
            {
                "network": network.state_dict(),
                "average": average.state_dict(),
                "best": best,
                "optimizer": optimizer.state_dict(),
                "step": step,
                "config": config.as_dict(),
            },
            last,
        )

    losses: list[float] = []
    begun = time.monotonic()
    for step in range(first, min(config.steps, stop_at or config.steps)):
        network.train()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, config)
        torch.manual_seed(hash((config.seed, step)) & 0x7FFFFFFF)
        batch = batch_at(step, np.random.default_rng((config.seed, step)))
        with torch.autocast(device.type, torch.bfloat16, enabled=config.bf16):
            loss = loss_of(network, (batch[0].to(device), batch[1].to(device)))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        optimizer.step()
        _average_into(average, network, step, config.ema)
        losses.append(loss.item())
        done = step + 1
        if done % config.validate_every == 0 or done == config.steps:
            scores = validate(average)
            row = {
                "step": done,
                "seconds": round(time.monotonic() - begun),
                "loss": round(float(np.mean(losses)), 4),
                **{k: round(v, 4) for k, v in scores.items()},
            }
            losses.clear()
            _log(run / "log.csv", row)
            score = next(iter(scores.values()))
            if score > best:
                best = score
                save_atomically(
                    {"network": average.state_dict(), "step": done, "config": config.as_dict(), "scores": scores},
                    run / "best.pt",
                )
            checkpoint(done)
        elif done % config.save_every == 0:
            checkpoint(done)
    return average


def _log(path: Path, row: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)
    print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
