"""Train the lung network: `python -m train.lungs --out run/lungs --steps 500`.

Input: the whole slice, or any crop that holds the lungs. One fold of the patients is held out, of medseg-volumes one
patient. Up to half of the slices get patches of airless lung painted in, since lung that is dense up to the chest wall
is what lung masks miss most, and few of the slices at hand show it; and dense lung weighs more in the loss.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from infnet.measure.metrics import dice
from train.data import Example, lung_masks, split_record
from train.fitting.batches import Pool, by_epoch, generators
from train.fitting.config import TrainConfig
from train.fitting.loop import fit
from train.fitting.losses import overlap_loss
from train.fitting.options import build_network, configure, program, training_parser
from train.fitting.regions import slow_noise
from train.fitting.start import begin
from train.fitting.task import Batch, Run, Scores, Task
from train.sources import of_fold

ANY_CROP = (-0.02, 0.9)  # from a crop that touches the lungs to the full field
WHOLE = (9.0, 9.0)
# Enough air must remain for a lung to be recognised. At the tips of the lungs, where a slice shows little of them,
# nothing is painted: the network would learn to take the tissue below the diaphragm for airless lung.
SMALLEST_LUNG, LARGEST_PATCH = 0.06, 0.2  # of the slice; of the lung
DENSE, DENSE_WEIGHT = 0.5, 4.0  # grey from which lung is dense (about -450 HU); its weight in the cross entropy
RECIPE = TrainConfig(
    steps=500,
    network="lung-unet",
    options={"encoder": "tu-tf_efficientnet_lite2", "decoder_widths": [128, 64, 32, 24, 16]},
    size=320,
    scales=(1.0,),
    batch=12,
    learning_rate=1e-3,
    ema=0.99,
    warmup=30,
    validate_every=100,
)


def split(root: Path, config: TrainConfig) -> tuple[list[Example], dict[str, list[Example]]]:
    """Training slices, and validation slices of each data set, every third of those with many slices of a patient.

    The held-out patients are those that `train.supervised` holds out, so that the whole pipeline can be validated on
    them. Slices of small data sets come several times in an epoch."""
    (corona, corona_held), (hu, hu_held), (medseg, medseg_held) = (
        of_fold(name, examples, config) for name, examples in lung_masks(root).items()
    )
    validation = {"lungs-hu": hu_held, "coronacases": corona_held[::3], "medseg-volumes": medseg_held[::3]}
    return corona + 4 * hu + 3 * medseg, validation


def with_airless_lung(grey: Tensor, truth: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor:
    """The slices, about half of them with one to three patches of lung made as dense as soft tissue.

    grey (N, 1, S, S) in [0, 1]; truth (N, 1, S, S), lung above 0.5, which stays as it is.
    """
    painted = grey.clone()
    side = grey.shape[-1]
    across = torch.arange(side, device=grey.device, dtype=torch.float32)
    for image, lung, rng in zip(painted[:, 0], truth[:, 0] > 0.5, rngs, strict=True):
        points = torch.nonzero(lung)
        if rng.random() < 0.5 or len(points) < SMALLEST_LUNG * side**2:
            continue
        tissue = image[~lung & (image > 0.4)]
        level = float(tissue.median()) if len(tissue) else 0.8
        for _ in range(int(rng.integers(1, 4))):
            row, column = points[int(rng.integers(len(points)))].tolist()
            tall, wide = rng.uniform(0.03, 0.13, 2) * side
            distance = ((across[:, None] - row) / tall) ** 2 + ((across - column) / wide) ** 2
            distance += 0.4 * slow_noise(rng, 12, image)
            # The rim is soft within the lung, and sharp at the chest wall.
            cover = F.avg_pool2d((distance < 1).float()[None], 5, 1, 2)[0] * lung
            if cover.sum() > LARGEST_PATCH * len(points):
                continue
            grain = torch.tensor(rng.normal(0, 0.02, (side, side)), dtype=torch.float32, device=grey.device)
            image += cover * (level * rng.uniform(0.85, 1.05) + grain - image)
    return painted.clamp(0, 1)


def _train(options: argparse.Namespace, run: Run) -> None:
    config = configure(options, RECIPE)
    train, validation = split(options.data, config)
    device = run.process.device
    pool = Pool(train, device)
    held = {name: Pool(examples, device) for name, examples in validation.items() if examples}
    draw = by_epoch(len(pool), config.batch, config.seed)

    def batch(step: int, rows: range) -> Batch:
        rngs = generators(config.seed, step, rows)
        grey, truth = pool.batch(draw(step)[list(rows)], config.size, rngs, margin=ANY_CROP)
        grey = with_airless_lung(grey, truth, rngs)
        weight = 1 + (DENSE_WEIGHT - 1) * ((truth > 0.5) & (grey > DENSE))
        return grey.contiguous(memory_format=torch.channels_last), torch.cat([truth, weight], 1)

    def loss(logits: Tensor, truth_and_weight: Tensor) -> Tensor:
        return overlap_loss(logits.float(), truth_and_weight[:, :1], truth_and_weight[:, 1:])

    def validate(network: nn.Module) -> Scores:
        by_source = {}
        for name, slices in held.items():
            scores = []
            for i in range(len(slices)):
                grey, truth = slices.batch([i], config.size, margin=WHOLE)
                with torch.inference_mode():
                    marked = network(grey) > 0
                scores.append(dice(marked.cpu().numpy(), (truth > 0.5).cpu().numpy()))
            by_source[name] = float(np.mean(scores))
        return {"mean": float(np.mean(list(by_source.values()))), **by_source}

    record = split_record({"lungs": train}, validation)
    task = Task(build_network(config), batch, loss, validate if held else None, split=record)
    fit(begin(task, options.init, config, validation, options.pretrained), config, run)


def parser() -> argparse.ArgumentParser:
    return training_parser(__doc__, ("steps", "init", "pretrained"), ("lung-unet",))


main = program(parser, _train)


if __name__ == "__main__":
    main()
