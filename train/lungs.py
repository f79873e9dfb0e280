"""Train the lung network: `python -m train.lungs --out run/lungs --steps 500`.

Input: the whole slice, or any crop that holds the lungs, at 256 x 256. One fold of the patients is held out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from infnet.metrics import dice
from train.batches import Pool, by_epoch, generators
from train.config import TrainConfig
from train.data import Example, held_out, lungs, split_record
from train.distributed import Place
from train.loop import Batch, Scores, Task, fit
from train.losses import overlap_loss
from train.options import build_network, configure, run_program, start_from, training_parser

ANY_CROP = (-0.02, 0.9)  # from a crop that touches the lungs to the full field
WHOLE = (9.0, 9.0)
RECIPE = TrainConfig(
    steps=500, network="lung-unet", size=256, scales=(1.0,), batch=12, learning_rate=1e-3, ema=0.99, warmup=30,
    validate_every=100,
)  # fmt: skip


def split(root: Path, config: TrainConfig) -> tuple[list[Example], dict[str, list[Example]]]:
    """Training slices, and validation slices of coronacases and of lungs-hu. The held-out coronacases patients are
    those that `train.supervised` holds out, so that the whole pipeline can be validated on them."""
    examples = lungs(root)
    corona, hu = ([e for e in examples if e.group.startswith("corona") is kind] for kind in (True, False))
    corona_train, corona_validation = held_out(corona, config.fold, config.fold_count, config.seed)
    hu_train, hu_validation = held_out(hu, config.fold, config.fold_count, config.seed)
    return corona_train + 4 * hu_train, {"lungs-hu": hu_validation, "coronacases": corona_validation[::3]}


def _train(options: argparse.Namespace, place: Place, deadline: float) -> None:
    config = configure(options, RECIPE)
    train, validation = split(options.data, config)
    pool = Pool(train, place.device)
    held = {name: Pool(examples, place.device) for name, examples in validation.items() if examples}
    draw = by_epoch(len(pool), config.batch, config.seed)

    def batch(step: int, places: range) -> Batch:
        rngs = generators(config.seed, step, places)
        grey, truth = pool.batch(draw(step)[list(places)], config.size, rngs, margin=ANY_CROP)
        return grey.contiguous(memory_format=torch.channels_last), truth

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        return overlap_loss(logits.float(), truth)

    def validate(network: nn.Module) -> Scores:
        found = {}
        for name, slices in held.items():
            scores = []
            for i in range(len(slices)):
                grey, truth = slices.batch([i], config.size, margin=WHOLE)
                with torch.inference_mode():
                    marked = network(grey) > 0
                scores.append(dice(marked.cpu().numpy(), (truth > 0.5).cpu().numpy()))
            found[name] = float(np.mean(scores))
        return {"mean": float(np.mean(list(found.values()))), **found}

    record = split_record({"lungs": train}, validation)
    task = Task(build_network(config), batch, loss, validate if held else None, split=record)
    start_from(task.network, options.init)
    fit(task, config, options.out, place, options.resume, deadline)


def main(argv: Sequence[str] | None = None) -> None:
    run_program(training_parser(__doc__), argv, _train)


if __name__ == "__main__":
    main()
