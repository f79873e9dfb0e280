"""Ship a trained network: `python -m train.export --checkpoint runs/infnet/best.pt --name NAME --role infection ...`.

Writes `weights/NAME.safetensors` in fp16 and the entry of `weights/registry.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from infnet import weights
from infnet.errors import InfNetError
from infnet.networks import NETWORKS, build
from train.fitting.checkpoint import averaged, load_checkpoint
from train.fitting.config import TrainConfig


def blended(state: Mapping[str, Tensor], other: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """The mean of two networks' weights, of which the other gets this share; counters stay those of the first.

    Averages of runs that went on from each other are often better than both (Izmailov et al., UAI 2018). Raises
    InfNetError where the networks differ or the share is not within 0 to 1.
    """
    if not 0 <= share <= 1:
        raise InfNetError(f"--average: a share of {share}; give one from 0 to 1")
    if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in other.items()}:
        raise InfNetError("--average: the checkpoints hold different networks; give two of the same")
    return {k: torch.lerp(v, other[k], share) if v.is_floating_point() else v for k, v in state.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    average = "average the weights with those of another run of the same network, which get this share (0 to 1)"
    parser.add_argument("--average", nargs=2, metavar=("CHECKPOINT", "SHARE"), help=average)
    parser.add_argument("--name", required=True)
    parser.add_argument("--role", choices=["lungs", "infection", "classes"], required=True)
    parser.add_argument("--network", choices=NETWORKS, help="the checkpoint's own by default")
    parser.add_argument("--options", type=json.loads, help="JSON; the checkpoint's own by default")
    parser.add_argument("--size", type=int, help="side of the square input; that of training by default")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--description", required=True, help="one line: what it was trained on")
    parser.add_argument("--facts", type=json.loads, default={}, help="JSON: training, held out, measured validation")
    options = parser.parse_args()
    try:
        state = load_checkpoint(options.checkpoint)
        config = TrainConfig.from_dict(state["config"])
        name, size = options.network or config.network, options.size or config.size
        own_options = config.options if name == config.network else {}
        network_options = dict(own_options if options.options is None else options.options)
        own = build(name, **network_options)
        trained = averaged(state)
        if options.average:
            path, share = options.average
            trained = blended(trained, averaged(load_checkpoint(Path(path))), float(share))
        kept = {k: v for k, v in trained.items() if k in own.state_dict()}
        weights.load_state(own, kept, str(options.checkpoint))
        file = f"{options.name}.safetensors"
        sha256 = weights.save(kept, weights.folder() / file)
        path = weights.folder() / "registry.json"
        registry: dict[str, Any] = {"version": 1, "models": {}}
        if path.exists():
            registry = json.loads(path.read_text())
        registry["models"][options.name] = {
            "role": options.role,
            "file": file,
            "sha256": sha256,
            "network": name,
            "options": network_options,
            "size": size,
            "threshold": options.threshold,
            "description": options.description,
            "config": state["config"],
            **options.facts,
        }
        path.write_text(json.dumps(registry, indent=1) + "\n")
        print(f"{weights.folder() / file}: sha256 {sha256}")
    except InfNetError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
