"""Train a network that splits infection into GGO and consolidation: `python -m train.multiclass --out run/fcn8s`.

It sees the slice and the infection map (paper, section III-D). In training the map is the true region, its border moved
and softened at random so that it resembles a network's map; `--unguided` leaves it out, as the baselines of Table III
do. `--network unet --options '{"encoder": "tu-res2net50d"}' --init RUN` starts from the backbone of an Inf-Net.

--network fcn8s (default), `deeplabv3+` (stride 16; 8 with --options '{"stride": 8}') or `unet` (the authors' later
"MC" network). --paper: FCN8s of full width at 512 pixels, SGD with learning rate 1e-10 on the summed cross entropy,
momentum 0.99, weight decay 5e-4, the true region as it is, 100 epochs. The default differs: 352 pixels, batch norm and
half the width, AdamW, cross entropy weighted round the infection plus Dice.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from infnet.measure.metrics import paper_scores
from infnet.study import CONSOLIDATION, GGO
from train.data import Example, held_out, labelled, split_record
from train.fitting import report
from train.fitting.batches import Pool, by_epoch, generators, guided, roughen, soften, to_input
from train.fitting.config import TrainConfig
from train.fitting.distributed import Place
from train.fitting.loop import Batch, Scores, Task, fit, scale_at
from train.fitting.losses import class_loss, summed_entropy
from train.fitting.options import build_network, configure, epochs, run_program, training_parser
from train.fitting.start import seen_by, start_from

NETWORKS = ("fcn8s", "deeplabv3+", "unet")
RECIPE = TrainConfig(steps=800, network="fcn8s", batch=8, ema=0.99, weight_decay=1e-3, validate_every=100)
SLIM = {"width": 256, "batch_norm": True, "shrink": 2}


def paper(slices: int) -> TrainConfig:
    """The paper's settings for FCN8s, for a set of so many slices; sizes of batch and length are the reference's."""
    config = TrainConfig(
        steps=1, network="fcn8s", size=512, scales=(1.0,), batch=4, micro_batch=4, optimizer="sgd", learning_rate=1e-10,
        schedule="constant", weight_decay=5e-4, warmup=0, clip=float("inf"), ema=0.0, precision="fp32",
    )  # fmt: skip
    return replace(config, steps=epochs(100, slices, config))


def for_classes(config: TrainConfig, is_guided: bool, slim: bool = True) -> TrainConfig:
    """The config with a network of three classes that sees the infection map or does not."""
    own = SLIM if config.network == "fcn8s" and slim else {}
    return replace(config, options={"inputs": 6 if is_guided else 3, "classes": 3, **own, **config.options})


def class_task(
    config: TrainConfig, train: Sequence[Example], validation: Sequence[Example], place: Place, literal: bool = False
) -> Task:
    """GGO and consolidation. `literal`: the paper's loss, and true regions as they are."""
    pool = Pool(train, place.device)
    draw = by_epoch(len(pool), config.batch, config.seed)
    sees_map = config.options["inputs"] == 6

    def see(grey: Tensor, region: Tensor) -> Tensor:
        return guided(grey, region) if sees_map else to_input(grey)

    def batch(step: int, places: range) -> Batch:
        drawn, side = scale_at(step, config)
        rngs = generators(config.seed, step, places)
        grey, truth = pool.batch(draw(drawn)[list(places)], side, rngs, classes=True)
        region = (truth[:, None] > 0).float()
        return see(grey, region if literal else soften(roughen(region, rngs), rngs)), truth

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        return summed_entropy(logits.float(), truth) if literal else class_loss(logits.float(), truth)

    held = Pool(validation, place.device) if validation else None
    return Task(
        build_network(config),
        batch,
        loss,
        functools.partial(class_scores, pool=held, size=config.size, see=see) if held else None,
        functools.partial(_picture, pool=held, size=config.size, see=see) if held else None,
        split=split_record({"labelled": list(train)}, {"labelled": list(validation)}),
    )


def _predict(network: nn.Module, pool: Pool, place: int, size: int, see) -> tuple[Tensor, np.ndarray, Tensor]:
    """Class probabilities (3, size, size) given the true region, the true classes, and the grey slice."""
    with torch.inference_mode():
        grey, truth = pool.batch([place], size, classes=True)
        p = torch.softmax(network(see(grey, (truth[:, None] > 0).float())).float(), 1)[0]
    return p.cpu(), truth[0].cpu().numpy(), grey[0, 0].cpu()


def class_scores(network: nn.Module, pool: Pool, size: int, see) -> Scores:
    """Mean Dice by the paper's definition of each class, with the true regions as infection maps.

    A slice counts for a class only where the class is present; `train.evaluate` counts all slices, as Table III does.
    """
    found: dict[int, list[float]] = {GGO: [], CONSOLIDATION: []}
    for place in range(len(pool)):
        p, truth, _ = _predict(network, pool, place, size, see)
        for kind, values in found.items():
            if (truth == kind).any():
                values.append(paper_scores(p[kind].numpy(), truth == kind).dice)
    ggo, consolidation = (float(np.mean(found[k])) if found[k] else 0.0 for k in (GGO, CONSOLIDATION))
    return {"mean": (ggo + consolidation) / 2, "GGO mean Dice": ggo, "consolidation mean Dice": consolidation}


def _picture(network: nn.Module, pool: Pool, size: int, see) -> Image.Image:
    """Up to six validation slices with true and predicted consolidation."""
    cells = [_predict(network, pool, i, size, see) for i in range(min(6, len(pool)))]
    greys = [(grey * 255).byte().numpy() for _, _, grey in cells]
    truths = [truth == CONSOLIDATION for _, truth, _ in cells]
    return report.montage(greys, truths, [p.argmax(0).numpy() == CONSOLIDATION for p, _, _ in cells])


def _train(options: argparse.Namespace, place: Place, deadline: float) -> None:
    config = configure(options, RECIPE)
    train, validation = held_out(labelled(options.data, classes=True), config.fold, config.fold_count, config.seed)
    if options.paper:
        config = configure(options, paper(len(train)))
    config = for_classes(config, not options.unguided, slim=not options.paper)
    task = class_task(config, train, validation, place, literal=options.paper)
    start_from(task.network, options.init)
    seen = seen_by(options.init, config, {"labelled": validation})
    task = replace(task, split={**task.split, "seen before": sorted(seen)})
    fit(task, config, options.out, place, options.resume, deadline)


def main(argv: Sequence[str] | None = None) -> None:
    parser = training_parser(__doc__, NETWORKS)
    parser.add_argument("--unguided", action="store_true", help="without the infection map")
    run_program(parser, argv, _train)


if __name__ == "__main__":
    main()
