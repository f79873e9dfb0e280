"""Train a network that splits infection into GGO and consolidation: `python -m train.multiclass --out run/fcn8s`.

It sees the slice and the infection map (paper, section III-D). In training the map is the true region, its border moved
and softened at random so that it resembles a network's map; `--unguided` leaves it out, as the baselines of Table III
do. `--network unet --options '{"encoder": "tu-res2net50d"}' --init RUN` starts from the backbone of an Inf-Net.
--mix names the sources, `labelled` (default) and `medseg-volumes`, or a folder of your own with classes.

--network fcn8s (default), `deeplabv3+` (stride 16; 8 with --options '{"stride": 8}') or `unet` (the authors' later
"MC" network). --paper: FCN8s of full width at 512 pixels, SGD with learning rate 1e-10 on the summed cross entropy,
momentum 0.99, weight decay 5e-4, the true region as it is, 100 epochs. The default differs: 352 pixels, batch norm and
half the width, AdamW, cross entropy weighted round the infection plus Dice.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from infnet.measure.metrics import paper_scores
from infnet.pipeline.inputs import CHANNELS
from infnet.study import CONSOLIDATION, GGO
from train.data import split_record
from train.fitting import report
from train.fitting.batches import Pool, generators, guided, to_input
from train.fitting.config import LITERAL, TrainConfig
from train.fitting.loop import fit
from train.fitting.losses import class_loss, summed_entropy
from train.fitting.options import build_network, epochs, program, training_parser
from train.fitting.regions import roughen, soften
from train.fitting.schedule import scale_at
from train.fitting.start import begin
from train.fitting.task import Batch, Run, Scores, Task
from train.sources import Sources, configured, mixed

NETWORKS = ("fcn8s", "deeplabv3+", "unet")
RECIPE = TrainConfig(steps=800, network="fcn8s", batch=8, ema=0.99, weight_decay=1e-3, validate_every=100)
SLIM = {"width": 256, "batch_norm": True, "shrink": 2}
See = Callable[[Tensor, Tensor], Tensor]  # grey and infection map -> input of the network


def paper(slices: int) -> TrainConfig:
    """The paper's settings for FCN8s, for a set of so many slices; sizes of batch and length are the reference's."""
    fed = replace(LITERAL, network="fcn8s", size=512, scales=(1.0,), batch=4, micro_batch=4, clip=float("inf"))
    config = replace(fed, optimizer="sgd", learning_rate=1e-10, schedule="constant", weight_decay=5e-4)
    return replace(config, steps=epochs(100, slices, config))


def for_classes(config: TrainConfig, is_guided: bool, slim: bool = True) -> TrainConfig:
    """The config with a network of three classes that sees the infection map or does not."""
    own = SLIM if config.network == "fcn8s" and slim else {}
    inputs = CHANNELS["classes" if is_guided else "infection"]
    return replace(config, options={"inputs": inputs, "classes": 3, **own, **config.options})


def class_task(
    config: TrainConfig,
    train: Sources,
    validation: Sources,
    device: torch.device,
    literal: bool = False,
) -> Task:
    """GGO and consolidation. `literal`: the paper's loss, and true regions as they are."""
    examples, draw = mixed(config, train)
    pool = Pool(examples, device)
    sees_map = config.options["inputs"] == CHANNELS["classes"]

    def see(grey: Tensor, region: Tensor) -> Tensor:
        return guided(grey, region) if sees_map else to_input(grey)

    def batch(step: int, rows: range) -> Batch:
        draw_number, side = scale_at(step, config)
        rngs = generators(config.seed, step, rows)
        grey, truth = pool.batch(draw(draw_number)[list(rows)], side, rngs, classes=True)
        region = (truth[:, None] > 0).float()
        return see(grey, region if literal else soften(roughen(region, rngs), rngs)), truth

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        return summed_entropy(logits.float(), truth) if literal else class_loss(logits.float(), truth)

    held = {name: Pool(slices, device) for name, slices in validation.items()}
    return Task(
        build_network(config),
        batch,
        loss,
        functools.partial(class_scores, validation=held, size=config.size, see=see) if held else None,
        functools.partial(_picture, pool=next(iter(held.values())), size=config.size, see=see) if held else None,
        split=split_record(train, validation),
    )


def _predict(
    network: nn.Module, pool: Pool, index: int, size: int, see: See
) -> tuple[Tensor, NDArray[np.int64], Tensor]:
    """Class probabilities (3, size, size) given the true region, the true classes, and the grey slice."""
    with torch.inference_mode():
        grey, truth = pool.batch([index], size, classes=True)
        p = torch.softmax(network(see(grey, (truth[:, None] > 0).float())).float(), 1)[0]
    return p.cpu(), truth[0].cpu().numpy(), grey[0, 0].cpu()


def class_scores(network: nn.Module, validation: dict[str, Pool], size: int, see: See) -> Scores:
    """Mean Dice by the paper's definition of each class in each source, with the true regions as infection maps.

    A slice counts for a class only where the class is present; `train.evaluate` counts all slices, as Table III does.
    """
    scores: Scores = {}
    for name, pool in validation.items():
        by_class: dict[str, list[float]] = {"GGO": [], "consolidation": []}
        for index in range(len(pool)):
            p, truth, _ = _predict(network, pool, index, size, see)
            for (_, values), kind in zip(by_class.items(), (GGO, CONSOLIDATION), strict=True):
                if (truth == kind).any():
                    values.append(paper_scores(p[kind].numpy(), truth == kind).dice)
        scores |= {f"{name} {kind} mean Dice": float(np.mean(v)) if v else 0.0 for kind, v in by_class.items()}
    return {"mean": float(np.mean(list(scores.values()))), **scores}


def _picture(network: nn.Module, pool: Pool, size: int, see: See) -> Image.Image:
    """Up to six validation slices with true and predicted consolidation."""
    cells = [_predict(network, pool, i, size, see) for i in range(min(6, len(pool)))]
    greys = [(grey * 255).byte().numpy() for _, _, grey in cells]
    truths = [truth == CONSOLIDATION for _, truth, _ in cells]
    return report.montage(greys, truths, [p.argmax(0).numpy() == CONSOLIDATION for p, _, _ in cells])


def _train(options: argparse.Namespace, run: Run) -> None:
    config, train, validation = configured(options, RECIPE, paper, classes=True)
    config = for_classes(config, not options.unguided, slim=not options.paper)
    task = class_task(config, train, validation, run.process.device, literal=options.paper)
    fit(begin(task, options.init, config, validation, options.pretrained), config, run)


def parser() -> argparse.ArgumentParser:
    options = training_parser(__doc__, ("steps", "init", "pretrained", "paper", "mix", "validate_on"), NETWORKS)
    options.add_argument("--unguided", action="store_true", help="without the infection map")
    return options


main = program(parser, _train)


if __name__ == "__main__":
    main()
