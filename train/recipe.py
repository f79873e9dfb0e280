"""Make shipped weights anew: `python -m train.recipe semi-inf-net-plus --out run`, one command for each network.

A recipe is a row of runs in `train/recipes.toml`, each a training program with its options and a folder of --out.
Where runs of --out are finished or begun, it goes on from there; --minutes pauses it. `--list` names the recipes.
`train.export` makes a file of `weights/` from the last run's last.pt.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infnet.errors import InfNetError
from train.arguments import flag
from train.fitting.checkpoint import load_checkpoint

FILE = Path(__file__).with_name("recipes.toml")


def recipes() -> dict[str, dict[str, Any]]:
    """All recipes by name: `about`, and `runs` of a folder, a program and its options, those of `after` first."""
    known = tomllib.loads(FILE.read_text(encoding="utf-8"))
    for recipe in known.values():
        if earlier := recipe.get("after"):
            recipe["runs"] = [*known[earlier]["runs"], *recipe["runs"]]
    return known


def arguments(options: dict[str, Any], out: Path) -> list[str]:
    """Options as they stand on a command line, tables as JSON; `{out}` in them is the folder of all runs."""
    given = []
    for name, value in options.items():
        text = json.dumps(value) if isinstance(value, dict) else str(value).replace("{out}", str(out))
        given += [flag(name)] if value is True else [flag(name), text]
    return given


def finished(folder: Path, options: dict[str, Any]) -> bool:
    """Whether the last checkpoint in a folder stands at its last step. Raises InfNetError for one of other options."""
    if not (folder / "last.pt").exists():
        return False
    state = load_checkpoint(folder / "last.pt")
    config = state["config"]
    other = [name for name, value in options.items() if name in config and name != "mix" and config[name] != value]
    if other:
        raise InfNetError(f"{folder}: holds a run with other settings ({', '.join(other)}); choose another --out")
    return bool(state["step"] >= config["steps"])


def follow(runs: Sequence[dict[str, Any]], out: Path, data: Path | None, minutes: float = math.inf) -> bool:
    """Run them in their order, each from where it stands; False where the time ended before they did."""
    deadline = time.monotonic() + 60 * minutes
    for run in runs:
        folder, options = out / run["folder"], run.get("options", {})
        if finished(folder, options):
            continue
        left = (deadline - time.monotonic()) / 60
        if left <= 0:
            return False
        given = arguments(options, out)
        given += ["--data", str(data)] if data else []
        given += [] if math.isinf(left) else ["--minutes", str(left)]
        print(f"{folder}: train.{run['program']} {' '.join(given)}", file=sys.stderr, flush=True)
        importlib.import_module(f"train.{run['program']}").main([*given, "--out", str(folder), "--resume"])
        if not finished(folder, options):
            return False
    return True


def main(argv: Sequence[str] | None = None) -> None:
    known = recipes()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", choices=known, metavar="RECIPE", help=", ".join(known))
    parser.add_argument("--out", type=Path, default=Path("run"), help="folder of all runs; %(default)s by default")
    parser.add_argument("--data", type=Path, help="folder of the data sets; INFNET_DATA by default")
    parser.add_argument("--minutes", type=float, default=math.inf, help="pause after so long")
    parser.add_argument("--list", action="store_true", help="name the recipes and leave")
    options = parser.parse_args(argv)
    if options.list or options.recipe is None:
        print("\n".join(f"{name}: {recipe['about']}" for name, recipe in known.items()))
        return
    try:
        done = follow(known[options.recipe]["runs"], options.out, options.data, options.minutes)
    except InfNetError as error:
        parser.exit(2, f"{error}\n")
    print(f"{options.recipe}: {'finished' if done else 'paused; the same command goes on'}")


if __name__ == "__main__":
    main()
