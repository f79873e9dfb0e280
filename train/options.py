"""Options that all training programs share."""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import nn

from train.data import data_root
from train.loop import load_checkpoint


def training_parser(doc: str | None, steps: int, learning_rate: float, validate_every: int) -> argparse.ArgumentParser:
    """A parser with run folder, data, start, length, learning rate, fold and seed; `doc` becomes the help text."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints, settings and log")
    parser.add_argument("--data", type=Path, default=data_root(), help="folder of data sets; INFNET_DATA by default")
    parser.add_argument("--init", type=Path, help="start from the network of this checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on where the run in --run stopped")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--learning-rate", type=float, default=learning_rate)
    parser.add_argument("--validate-every", type=int, default=validate_every)
    parser.add_argument("--fold", type=int, default=0, help="which fifth of the patients is held out")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def start_from(network: nn.Module, checkpoint: Path | None) -> None:
    """Load the averaged network of a checkpoint, where one is given."""
    if checkpoint:
        state = load_checkpoint(checkpoint)
        network.load_state_dict(state.get("average", state["network"]))
