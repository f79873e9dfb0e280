"""Train Inf-Net on infection masks: `python -m train.supervised --run runs/infnet --steps 2000 --size 192`.

Sources: the labelled slices, the published pseudo labels, the coronacases lesions and slices
of a patient without infection, in the shares of --mix. One
fold of the labelled slices and one of the coronacases patients (with their pseudo-labelled slices) are held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from infnet.errors import InfNetError
from infnet.metrics import dice, paper_scores
from infnet.networks.infnet import InfNet
from train.config import TrainConfig
from train.data import (
    Example,
    coronacases,
    held_out,
    labelled,
    lesion_free,
    make_batch,
    pseudo_labelled,
    to_input,
)
from train.loop import Batch, fit
from train.losses import infnet_loss
from train.options import start_from, training_parser


def split(root: Path, config: TrainConfig) -> tuple[dict[str, list[Example]], dict[str, list[Example]]]:
    """(training, validation) slices by source; validation holds a fold of labelled slices and one of patients."""
    train, validation = {}, {}
    for name, read in (("labelled", labelled), ("coronacases", coronacases)):
        train[name], validation[name] = held_out(read(root), config.fold, config.fold_count, config.seed)
    unseen = {e.group for e in validation["coronacases"]}
    train["healthy"] = lesion_free(root)
    train["pseudo"] = [e for e in pseudo_labelled(root) if e.group not in unseen]
    return train, validation


def predict(network: nn.Module, examples: Sequence[Example], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Infection probabilities and truths of plain crops, both (N, size, size)."""
    device = next(network.parameters()).device
    maps, truths = [], []
    with torch.inference_mode():
        for start in range(0, len(examples), 8):
            grey, truth = make_batch(examples[start : start + 8], size)
            maps.append(torch.sigmoid(network(to_input(grey.to(device))).s3)[:, 0].float().cpu())
            truths.append(truth[:, 0] > 0.5)
    return torch.cat(maps).numpy(), torch.cat(truths).numpy()


def scores(network: nn.Module, validation: dict[str, list[Example]], size: int) -> dict[str, float]:
    """Mean Dice by the paper's definition, and Dice at 0.5, of each source."""
    found = {}
    for name, examples in validation.items():
        maps, truths = predict(network, examples, size)
        found[f"{name} mean Dice"] = float(
            np.mean([paper_scores(m, t).dice for m, t in zip(maps, truths, strict=True)])
        )
        found[f"{name} Dice at 0.5"] = float(np.mean([dice(m >= 0.5, t) for m, t in zip(maps, truths, strict=True)]))
        found[f"{name} pooled"] = dice(maps >= 0.5, truths)
    return {"mean": float(np.mean([v for k, v in found.items() if "mean" in k])), **found}


def main() -> None:
    parser = training_parser(__doc__, 2000, 5e-4, 250)
    parser.add_argument("--size", type=int, default=352)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--mix", default="labelled=0.25,coronacases=0.4,pseudo=0.25,healthy=0.1")
    options = parser.parse_args()
    try:
        mix = tuple((name, float(share)) for name, _, share in (part.partition("=") for part in options.mix.split(",")))
        config = TrainConfig(
            steps=options.steps,
            size=options.size,
            batch=options.batch,
            learning_rate=options.learning_rate,
            fold=options.fold,
            seed=options.seed,
            validate_every=options.validate_every,
            bf16=options.bf16,
            mix=mix,
        )
        train, validation = split(options.data, config)
        network = InfNet()
        start_from(network, options.init)
        pools = [train[name] for name, _ in mix]
        shares = np.array([share for _, share in mix]) / sum(share for _, share in mix)

        def batch_at(step: int, rng: np.random.Generator) -> Batch:
            sources = rng.choice(len(pools), config.batch, p=shares)
            chosen = [pools[s][rng.integers(len(pools[s]))] for s in sources]
            grey, truth = make_batch(chosen, config.side(rng.choice(config.scales)), rng)
            return to_input(grey), truth

        def loss_of(net: nn.Module, batch: Batch) -> Tensor:
            return infnet_loss(net(batch[0]), batch[1])

        def validate(net: nn.Module) -> dict[str, float]:
            few = {"labelled": validation["labelled"], "coronacases": validation["coronacases"][::4]}
            return scores(net, few, config.size)

        print(
            {k: len(v) for k, v in train.items()},
            {k: len(v) for k, v in validation.items()},
            sorted({e.group for v in validation.values() for e in v}),
            flush=True,
        )
        fit(network, batch_at, loss_of, validate, config, options.run, options.resume)
    except InfNetError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
