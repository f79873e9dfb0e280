"""What all training programs share on the command line: options, errors in one line, a pause when time is up."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from infnet import weights
from infnet.errors import InfNetError
from infnet.networks import build
from train.arguments import flag
from train.data import data_root
from train.fitting.config import CHOICES, TrainConfig
from train.fitting.distributed import join, leave
from train.fitting.machine import keep_memory
from train.fitting.task import Paused, Run

Body = Callable[[argparse.Namespace, Run], None]  # what a program does with its options and its run
# Options that change a field of TrainConfig when they are given, and that every program obeys.
FIELDS: dict[str, tuple[Any, str]] = {
    "size": (int, "side of the square input"),
    "batch": (int, "slices of a step"),
    "micro_batch": (int, "slices that pass the network at once; fewer need less memory"),
    "learning_rate": (float, "of the optimizer, once the warm-up is over"),
    "schedule": (str, "cosine, step or constant"),
    "weight_decay": (float, "of the optimizer, on kernels"),
    "warmup": (int, "steps of rising learning rate"),
    "ema": (float, "decay of the averaged weights; 0 for none"),
    "validate_every": (int, "steps between validations"),
    "save_every": (int, "steps between checkpoints"),
    "patience": (int, "end after so many validations without a better score; 0 never"),
    "seed": (int, "of every random number, and of the folds"),
    "fold": (int, "which fold of the patients is held out; -1 for none"),
    "fold_count": (int, "number of folds"),
}
# Options that only some programs obey; each program adds its own.
OWN_FIELDS: dict[str, tuple[Any, str]] = {
    "steps": (int, "length of the training"),
    "entropy": (float, "weight of the cross entropy beside the IoU, 1 as published; less makes steeper maps"),
    "cutmix": (float, "share of slices with a rectangle of another one pasted into them"),
}
# And those that are no field of TrainConfig.
OWN_OPTIONS: dict[str, dict[str, Any]] = {
    "init": {"help": "start from the network of this checkpoint, or of this model of the registry"},
    "pretrained": {"action": "store_true", "help": "the encoder starts from ImageNet"},
    "mix": {"default": "labelled=1", "help": "sources and their shares; %(default)s by default"},
    "validate_on": {"default": "labelled", "help": "sources that validate, in the mix or not"},
    "paper": {"action": "store_true", "help": "the paper's settings to the letter"},
}


def training_parser(doc: str | None, own: Sequence[str] = (), networks: Sequence[str] = ()) -> argparse.ArgumentParser:
    """A parser with the options that every training program obeys, and with those that this one does too.

    doc: becomes the help text. own: names of OWN_FIELDS and OWN_OPTIONS. networks: what --network chooses from, the
    default first; where there are any, --options builds them.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    # torchrun takes `--run` for one of its own options, wherever it stands.
    parser.add_argument("--out", "--run", type=Path, required=True, help="folder for checkpoints, settings and logs")
    where = "the folder of COVID-SemiSeg (Dataset), or of several data sets; INFNET_DATA by default"
    parser.add_argument("--data", type=Path, default=data_root(), help=where)
    parser.add_argument("--resume", action="store_true", help="go on where the run in --out stopped")
    parser.add_argument("--minutes", type=float, default=math.inf, help="pause after so long, to go on with --resume")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ...; the GPU by default, where there is one")
    parser.add_argument("--precision", choices=CHOICES["precision"], help="auto: bf16 where it is faster")
    for name, (kind, text) in {**FIELDS, **{name: OWN_FIELDS[name] for name in own if name in OWN_FIELDS}}.items():
        parser.add_argument(flag(name), type=kind, help=text)
    if len(networks) > 1:
        parser.add_argument("--network", choices=networks, help=f"{networks[0]} by default")
    if networks:
        parser.add_argument("--options", type=json.loads, help="JSON options with which the network is built")
    for name in own:
        if name in OWN_OPTIONS:
            parser.add_argument(flag(name), **OWN_OPTIONS[name])
    return parser


def configure(options: argparse.Namespace, base: TrainConfig) -> TrainConfig:
    """`base` with what was given on the command line in its place; a shipped --init brings its network's options."""
    names = (*FIELDS, *OWN_FIELDS, "precision", "network", "options")
    given = {name: value for name in names if (value := getattr(options, name, None)) is not None}
    shipped = weights.registry().get(getattr(options, "init", None) or "")
    if shipped is not None and shipped.network == given.get("network", base.network):
        given.setdefault("options", shipped.options)
    return replace(base, **given)


def epochs(count: int, slices: int, config: TrainConfig) -> int:
    """Steps of so many epochs: every slice once, at every scale where the config says so."""
    return count * math.ceil(slices / config.batch) * (len(config.scales) if config.every_scale else 1)


def run_program(parser: argparse.ArgumentParser, argv: Sequence[str] | None, body: Body) -> None:
    """Parse, meet the other processes, and call `body(options, run)`.

    What a user can mend ends as one line and exit status 2; a pause as one line and status 0.
    """
    options = parser.parse_args(argv)
    deadline = time.monotonic() + 60 * options.minutes
    keep_memory()
    try:
        body(options, Run(options.out, join(options.device), options.resume, deadline))
    except Paused as pause:
        print(pause, file=sys.stderr)
    except InfNetError as error:
        parser.exit(2, f"{error}\n")
    finally:
        leave()


def program(parser: Callable[[], argparse.ArgumentParser], body: Body) -> Callable[..., None]:
    """The `main` of a training program: `main(argv)` runs `body` with the options that `parser()` reads."""

    def main(argv: Sequence[str] | None = None) -> None:
        run_program(parser(), argv, body)

    return main


def build_network(config: TrainConfig) -> nn.Module:
    """The network of a config, its weights drawn from the seed. Raises InfNetError for options it does not take."""
    torch.manual_seed(config.seed)
    try:
        return build(config.network, **config.options)
    except (TypeError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InfNetError(f"--options {json.dumps(dict(config.options))}: {config.network}: {reason}") from error
