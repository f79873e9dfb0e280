"""The only training loop: steps, schedule, precision, averaging, validation, log and restartable checkpoints.

The batch, the learning rate and every random number of a step are functions of the seed and the step. So the step is
all that a checkpoint must hold of the sampler, the scheduler and the generators, and a resumed run is the same run.
bf16 needs no gradient scaler.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from infnet.errors import InfNetError
from train.fitting import report
from train.fitting.checkpoint import save_atomically, write_text
from train.fitting.config import TrainConfig
from train.fitting.distributed import agreed, shared
from train.fitting.machine import faster_precision
from train.fitting.schedule import learning_rate_at, make_optimizer
from train.fitting.state import Average, State
from train.fitting.task import Paused, Run, Task


def fit(task: Task, config: TrainConfig, run: Run) -> nn.Module:
    """Train `task.network` in place until `config.steps` and return the averaged network.

    Raises Paused at the run's deadline, once the checkpoint is saved; InfNetError where a checkpoint does not fit the
    settings or cannot be saved, or the loss is lost.
    """
    process = run.process
    network = task.network.to(process.device).to(memory_format=torch.channels_last)
    average, optimizer = Average(network, config.ema), make_optimizer(network, config)
    state = State(network, average, optimizer)
    if run.resume and run.last.exists():
        state.load(run.last, config)
    if process.leads:
        run.folder.mkdir(parents=True, exist_ok=True)
        write_text(run.folder / "config.json", json.dumps(config.as_dict(), indent=1))
        if task.split:
            write_text(run.folder / "split.json", json.dumps(task.split, indent=1))
    state.precision = state.precision or _precision(task, config, run)
    if process.leads:
        facts = report.environment(process, state.precision)
        write_text(run.folder / "environment.json", json.dumps(facts, indent=1))

    trained = shared(network, process)
    autocast = torch.autocast(process.device.type, torch.bfloat16, enabled=state.precision == "bf16")
    rows = process.share(config.batch)
    pieces = [rows[i : i + config.micro_batch] for i in range(0, len(rows), config.micro_batch)]
    finish = min(config.steps, run.stop_at or config.steps)
    begun = time.monotonic() - state.seconds

    with report.Logger(run.folder, config, process, state.step) as logger:
        for step in range(state.step, finish):
            if task.before:
                task.before(step, average.network)

            # One step of the optimizer on this process's rows of the batch, piece by piece.
            rate = learning_rate_at(step, config)
            for group in optimizer.param_groups:
                group["lr"] = rate
            torch.manual_seed(hash((config.seed, step, process.rank)) & 0x7FFFFFFF)
            trained.train()
            optimizer.zero_grad(set_to_none=True)
            mean_loss = torch.zeros((), device=process.device)
            for piece in pieces:
                with _gradients_wait(trained) if piece is not pieces[-1] else nullcontext():
                    x, truth = task.batch(step, piece)
                    with autocast:
                        loss = task.loss(trained(x), truth)
                    # The processes' gradients are averaged; this makes it the mean over the whole batch.
                    torch.autograd.backward(loss * (len(piece) * process.world / config.batch))
                mean_loss += loss.detach() * (len(piece) / len(rows))
            if config.clip_by == "value":
                nn.utils.clip_grad_value_(trained.parameters(), config.clip)
            else:
                nn.utils.clip_grad_norm_(trained.parameters(), config.clip)
            optimizer.step()
            average.follow(step)

            state.step, state.seconds = step + 1, time.monotonic() - begun
            state.losses.append(mean_loss)
            logger.step(state.step, mean_loss, rate)

            # Validate, save, and see whether it is time to end.
            validates = state.step % config.validate_every == 0 or state.step == config.steps
            if validates:
                _validate(task, config, run, state)
                if process.leads:
                    logger.validated(state.rows[-1])
            late = run.deadline < math.inf and agreed(time.monotonic() > run.deadline, process) and state.step < finish
            if process.leads and (validates or late or state.step % config.save_every == 0):
                state.save(run.last, config)
            if validates and config.patience and agreed(state.stale, process) >= config.patience:
                break
            if late:
                raise Paused(state.step, config.steps)

    if process.leads:
        report.curves(state.rows, run.folder / "curves.png")
        if task.montage:
            task.montage(average.network).save(run.folder / "montage.png")
    return average.network


def _precision(task: Task, config: TrainConfig, run: Run) -> str:
    """fp32 or bf16: as set, or the one that the leading process measures to be faster."""
    if config.precision != "auto":
        return config.precision
    trial = task.batch(0, range(min(config.micro_batch, config.batch)))
    faster = faster_precision(task.network, trial, task.loss, run.process.device)
    return "bf16" if agreed(faster == "bf16", run.process) else "fp32"


def _gradients_wait(trained: nn.Module) -> AbstractContextManager[None]:
    """Between processes gradients travel once a step, with its last piece."""
    return trained.no_sync() if isinstance(trained, nn.parallel.DistributedDataParallel) else nullcontext()


def _validate(task: Task, config: TrainConfig, run: Run, state: State) -> None:
    """Score the averaged network, keep it where it is the best so far, and write the log."""
    loss = _mean(state.losses)
    if not math.isfinite(loss):
        text = f"the loss is {loss} at step {state.step}; lower --learning-rate or use --precision fp32"
        raise InfNetError(f"{run.folder}: {text}")
    state.losses.clear()
    if not run.process.leads:
        return
    scores = task.validate(state.average.network) if task.validate else {}
    row = {"step": state.step, "seconds": round(state.seconds), "loss": round(loss, 4)}
    state.rows.append({**row, **{k: round(v, 4) for k, v in scores.items()}})
    score = next(iter(scores.values()), float(state.step))  # nothing held out: the latest is kept
    if score > state.best:
        state.best, state.stale = score, 0
        best = {"network": state.average.network.state_dict(), "step": state.step, "config": config.as_dict()}
        save_atomically({**best, "scores": scores}, run.folder / "best.pt")
    else:
        state.stale += 1
    report.write_log(state.rows, run.folder / "log.csv")


def _mean(losses: list[Tensor]) -> float:
    return float(torch.stack(losses).mean())
