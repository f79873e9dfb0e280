"""Train a network on infection masks: `python -m train.supervised --out run/inf-net --data Dataset`.

Sources of slices and their shares in a batch are given by --mix: `labelled` (the radiologist's slices), `pseudo` (the
published pseudo labels), `coronacases` (lesions of ten patients), `healthy` (a patient without infection), `clear`
(slices of 45 patients without it), `medseg-volumes` (lesions of four patients, one of whom is held out),
`infection-free` (slices of two collections), or the path of a folder of your own (see `train.data.folder`). One fold of
the labelled slices and of every other source but `pseudo` and `healthy` is held out, by patient; pseudo-labelled slices
of held-out patients are left out too, and an --init that was trained on held-out patients is refused.

--paper: Adam, 100 epochs of the labelled slices, batch 16, each batch at three scales, learning rate 1e-4 and a tenth
of it after 50 epochs, gradients cut at 0.5, no averaging. The default differs: one scale a step, AdamW with cosine
schedule, averaged weights, and augmentation as strong as the images of different hospitals are different.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from infnet.measure.metrics import dice, paper_scores
from train import sources
from train.data import (
    split_record,
)
from train.fitting import report
from train.fitting.batches import PASTE, Draw, Pool, generators, paste, to_input
from train.fitting.config import LITERAL, TrainConfig
from train.fitting.loop import fit
from train.fitting.losses import infection_loss
from train.fitting.options import build_network, epochs, program, training_parser
from train.fitting.schedule import scale_at
from train.fitting.start import begin
from train.fitting.task import Batch, Run, Scores, Task
from train.sources import WITHOUT_INFECTION, Sources, mixed

NETWORKS = ("inf-net", "unet", "unet++", "deeplabv3+", "fcn8s")
RECIPE = TrainConfig(steps=2000)
Maps = NDArray[np.float32]


def paper(slices: int, batch: int = 16) -> TrainConfig:
    """100 epochs with the settings of the paper and its reference, for a set of so many slices."""
    fed = replace(LITERAL, every_scale=True, batch=batch, micro_batch=batch, clip=0.5, clip_by="value")
    config = replace(fed, optimizer="adam", learning_rate=1e-4, schedule="step", weight_decay=0.0)
    return replace(config, steps=epochs(100, slices, config), decay_every=epochs(50, slices, config))


def for_infection(config: TrainConfig) -> TrainConfig:
    """The config with a network of three input channels and one class."""
    if config.network == "inf-net":
        return config
    return replace(config, options={"inputs": 3, "classes": 1, **config.options})


def infection_task(
    config: TrainConfig, train: Sources, validation: Sources, device: torch.device, draw: Draw | None = None
) -> tuple[Task, Pool]:
    """Infection from slices of `train`, drawn by the shares of `config.mix` or by `draw`; and the pool of them all."""
    examples, by_mix = mixed(config, train)
    pool, draw = Pool(examples, device), draw or by_mix

    def batch(step: int, rows: range) -> Batch:
        draw_number, side = scale_at(step, config)
        drawn = draw(draw_number)
        grey, truth = pool.batch(drawn[list(rows)], side, generators(config.seed, step, rows))
        if config.cutmix:
            donors = np.roll(drawn, -1)[list(rows)]  # each slice takes from the next of the batch
            paste((grey, truth), pool, donors, generators(config.seed, step, rows, PASTE), config.cutmix)
        return to_input(grey), truth

    held = {name: Pool(examples, device) for name, examples in validation.items() if name not in WITHOUT_INFECTION}
    task = Task(
        build_network(config),
        batch,
        functools.partial(infection_loss, entropy=config.entropy),
        functools.partial(scores, validation=held, size=config.size) if held else None,
        functools.partial(picture, pool=next(iter(held.values())), size=config.size) if held else None,
        split=split_record(train, validation),
    )
    return task, pool


def predict(network: nn.Module, pool: Pool, indices: Sequence[int], size: int) -> tuple[Maps, NDArray[np.bool_]]:
    """Infection probabilities and truths of plain crops, both (N, size, size)."""
    maps, truths = [], []
    with torch.inference_mode():
        for start in range(0, len(indices), 8):
            grey, truth = pool.batch(indices[start : start + 8], size)
            output = network(to_input(grey))
            logits = output[0] if isinstance(output, tuple) else output
            maps.append(torch.sigmoid(logits)[:, 0].float().cpu())
            truths.append(truth[:, 0].cpu() > 0.5)
    return torch.cat(maps).numpy(), torch.cat(truths).numpy()


def scores(network: nn.Module, validation: dict[str, Pool], size: int) -> Scores:
    """Mean Dice by the paper's definition, and Dice at 0.5, of each source; of large sources on every fourth slice."""
    by_source = {}
    for name, pool in validation.items():
        maps, truths = predict(network, pool, range(0, len(pool), 4 if len(pool) > 60 else 1), size)
        slices = list(zip(maps, truths, strict=True))
        by_source[f"{name} mean Dice"] = float(np.mean([paper_scores(m, t).dice for m, t in slices]))
        by_source[f"{name} Dice at 0.5"] = float(np.mean([dice(m >= 0.5, t) for m, t in slices]))
        by_source[f"{name} pooled"] = dice(maps >= 0.5, truths)
    return {"mean": float(np.mean([v for k, v in by_source.items() if "mean" in k])), **by_source}


def picture(network: nn.Module, pool: Pool, size: int) -> Image.Image:
    """Up to six validation slices with reference and prediction."""
    indices = np.linspace(0, len(pool) - 1, min(6, len(pool))).astype(int).tolist()
    maps, truths = predict(network, pool, indices, size)
    greys = (pool.batch(indices, size)[0][:, 0] * 255).byte().cpu().numpy()
    return report.montage(list(greys), list(truths), list(maps >= 0.5))


MIXED = ("steps", "entropy", "cutmix", "pretrained", "paper", "mix", "validate_on")  # options of a mix of sources


def configured(options: argparse.Namespace) -> tuple[TrainConfig, Sources, Sources]:
    """Config, training and validation slices that the options MIXED ask for."""
    config, train, validation = sources.configured(options, RECIPE, paper)
    return for_infection(config), train, validation


def _train(options: argparse.Namespace, run: Run) -> None:
    config, train, validation = configured(options)
    task, _ = infection_task(config, train, validation, run.process.device)
    fit(begin(task, options.init, config, validation, options.pretrained), config, run)


def parser() -> argparse.ArgumentParser:
    return training_parser(__doc__, (*MIXED, "init"), NETWORKS)


main = program(parser, _train)


if __name__ == "__main__":
    main()
