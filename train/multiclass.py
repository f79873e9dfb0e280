"""Train FCN8s to split infection into GGO and consolidation, from the slice and the infection map.

`python -m train.multiclass --run runs/fcn8s --steps 800`. In training the map is the ground-truth region (paper,
section III-D), softened at random so that it resembles a network's map. One fold of the 50 slices is held out; with
--fold -1 all are trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from infnet.errors import InfNetError
from infnet.metrics import paper_scores
from infnet.networks import build
from infnet.study import CONSOLIDATION, GGO
from train.config import TrainConfig
from train.data import Example, held_out, labelled, make_batch, to_input
from train.loop import Batch, fit
from train.options import start_from, training_parser

OPTIONS = {"width": 256, "batch_norm": True, "shrink": 2}


def guided(grey: Tensor, infection: Tensor) -> Tensor:
    """Network input (N, 6, S, S) of grey (N, 1, S, S) in [0, 1] and an infection map of the same shape."""
    return torch.cat([to_input(grey), infection.expand(-1, 3, -1, -1)], 1).contiguous(memory_format=torch.channels_last)


def soften(infection: Tensor, rng: np.random.Generator) -> Tensor:
    """Blur the true region and scale its confidence, differently for every slice."""
    softened = []
    for one in infection:
        width = int(rng.choice([1, 3, 7, 11]))
        blurred = F.avg_pool2d(one[None], width, 1, width // 2, count_include_pad=False)
        softened.append(blurred * float(rng.uniform(0.8, 1.0)))
    return torch.cat(softened)


def class_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross entropy inside and round the infection, plus one minus the Dice of each lesion class."""
    entropy = F.cross_entropy(logits, truth, reduction="none")
    infected = (truth > 0).float()
    near = F.max_pool2d(infected[:, None], 15, 1, 7)[:, 0]
    weight = 0.1 + near
    p = torch.softmax(logits, 1)[:, 1:]
    t = F.one_hot(truth, 3).permute(0, 3, 1, 2)[:, 1:].float()
    overlap = (2 * (p * t).sum((0, 2, 3)) + 1) / ((p + t).sum((0, 2, 3)) + 1)
    return (entropy * weight).sum() / weight.sum() + (1 - overlap).mean()


def class_scores(
    network: nn.Module, examples: Sequence[Example], size: int, maps: Sequence[Tensor] | None = None
) -> dict[str, float]:
    """Mean Dice by the paper's definition of each class; with the true regions unless `maps` are given.

    A class without a pixel in the truth of a slice counts only where it is present.
    """
    found: dict[int, list[float]] = {GGO: [], CONSOLIDATION: []}
    with torch.inference_mode():
        for i, example in enumerate(examples):
            grey, truth = make_batch([example], size, classes=True)
            region = maps[i] if maps is not None else (truth[:, None] > 0).float()
            p = torch.softmax(network(guided(grey, region)), 1)[0]
            for kind, values in found.items():
                if (truth == kind).any():
                    values.append(paper_scores(p[kind].numpy(), (truth[0] == kind).numpy()).dice)
    ggo, consolidation = (float(np.mean(found[k])) for k in (GGO, CONSOLIDATION))
    return {"mean": (ggo + consolidation) / 2, "GGO mean Dice": ggo, "consolidation mean Dice": consolidation}


def main() -> None:
    parser = training_parser(__doc__, 800, 5e-4, 100)
    parser.add_argument("--size", type=int, default=352)
    options = parser.parse_args()
    try:
        config = TrainConfig(
            steps=options.steps,
            size=options.size,
            batch=8,
            learning_rate=options.learning_rate,
            fold=options.fold,
            seed=options.seed,
            validate_every=options.validate_every,
            ema=0.99,
            weight_decay=1e-3,
        )
        train, validation = held_out(labelled(options.data, classes=True), config.fold, config.fold_count, config.seed)
        network = build("fcn8s", **OPTIONS)
        start_from(network, options.init)

        def batch_at(step: int, rng: np.random.Generator) -> Batch:
            chosen = [train[i] for i in rng.integers(len(train), size=config.batch)]
            grey, truth = make_batch(chosen, config.side(rng.choice(config.scales)), rng, classes=True)
            return guided(grey, soften((truth[:, None] > 0).float(), rng)), truth

        fit(
            network,
            batch_at,
            lambda net, batch: class_loss(net(batch[0]).float(), batch[1]),
            lambda net: class_scores(net, validation or train[:10], config.size),
            config,
            options.run,
            options.resume,
        )
    except InfNetError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
