"""Train the lung network: `python -m train.lungs --run runs/lungs --steps 500`.

Input: the whole slice, or any crop that holds the lungs, at 256 x 256. One fold of the patients is held out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from infnet.errors import InfNetError
from infnet.metrics import dice
from infnet.networks import build
from train.config import TrainConfig
from train.data import Example, held_out, lungs, make_batch
from train.loop import Batch, fit
from train.options import start_from, training_parser

ANY_CROP = (-0.02, 0.9)  # from a crop that touches the lungs to the full field
WHOLE = (9.0, 9.0)


def split(root: Path, config: TrainConfig) -> tuple[list[Example], list[Example], list[Example]]:
    """Training slices, then validation slices of coronacases and of lungs-hu. The held-out coronacases patients are
    those that `train.supervised` holds out, so that the whole pipeline can be validated on them."""
    examples = lungs(root)
    corona, hu = ([e for e in examples if e.group.startswith("corona") is kind] for kind in (True, False))
    corona_train, corona_validation = held_out(corona, config.fold, config.fold_count, config.seed)
    hu_train, hu_validation = held_out(hu, config.fold, config.fold_count, config.seed)
    return corona_train + 4 * hu_train, corona_validation, hu_validation


def main() -> None:
    parser = training_parser(__doc__, 500, 1e-3, 100)
    options = parser.parse_args()
    try:
        config = TrainConfig(
            steps=options.steps,
            size=256,
            scales=(1.0,),
            batch=12,
            validate_every=options.validate_every,
            learning_rate=options.learning_rate,
            fold=options.fold,
            seed=options.seed,
            ema=0.99,
            warmup=30,
        )
        train, corona, hu = split(options.data, config)
        network = build("lung-unet")
        start_from(network, options.init)

        def batch_at(step: int, rng: np.random.Generator) -> Batch:
            grey, truth = make_batch(
                [train[i] for i in rng.integers(len(train), size=config.batch)], config.size, rng, margin=ANY_CROP
            )
            return grey.contiguous(memory_format=torch.channels_last), truth

        def loss_of(net: nn.Module, batch: Batch) -> Tensor:
            logits, truth = net(batch[0]).float(), batch[1]
            p = torch.sigmoid(logits)
            overlap = (2 * (p * truth).sum((1, 2, 3)) + 1) / ((p + truth).sum((1, 2, 3)) + 1)
            return F.binary_cross_entropy_with_logits(logits, truth) + (1 - overlap).mean()

        def validate(net: nn.Module) -> dict[str, float]:
            found = {}
            for name, examples in (("lungs-hu", hu), ("coronacases", corona[::3])):
                with torch.inference_mode():
                    pairs = [
                        (net(g) > 0, t > 0.5) for g, t in (make_batch([e], config.size, margin=WHOLE) for e in examples)
                    ]
                found[name] = float(np.mean([dice(p.numpy(), t.numpy()) for p, t in pairs]))
            return {"mean": (found["lungs-hu"] + found["coronacases"]) / 2, **found}

        fit(network, batch_at, loss_of, validate, config, options.run, options.resume)
    except InfNetError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
