"""Cross-validation: `python -m train.folds run/fine-{fold}/last.pt`, one checkpoint for each fold of labelled slices.

Each network is scored on the slices that its own fold held out, so every labelled slice counts once, for a network that
has not seen it. With `--classes run/classes-{fold}/last.pt`, so are GGO and consolidation, given the maps that the
fold's own infection network predicts. Mean and standard deviation are over the folds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from infnet.errors import InfNetError
from infnet.pipeline.models import load_engines
from train.data import data_root, held_out, labelled
from train.validate import evaluate_labelled, with_checkpoint

SCORES = ("dice", "sensitivity", "specificity", "dice_at_threshold", "pooled_dice")


def spread(folds: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation (n - 1) of each score over the folds."""
    values = {name: np.array([fold[name] for fold in folds]) for name in SCORES}
    several = len(folds) > 1
    return {
        name: {"mean": round(float(v.mean()), 4), "sd": round(float(v.std(ddof=1)), 4) if several else 0.0}
        for name, v in values.items()
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="path with {fold} in it")
    parser.add_argument("--classes", help="path with {fold} in it, of checkpoints of train.multiclass")
    parser.add_argument("--fold-count", type=int, default=5)
    parser.add_argument("--data", type=Path, default=data_root())
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    try:
        for path in (options.checkpoint, options.classes):
            if path and "{fold}" not in path:
                raise InfNetError(f"{path}: one network for all folds; put {{fold}} where they differ")
        engines = load_engines().with_threshold(options.threshold)
        examples = labelled(options.data)
        held: list[list[str]] = []
        scores: list[dict[str, dict[str, float]]] = []
        for fold in range(options.fold_count):
            names = [e.name for e in held_out(examples, fold, options.fold_count)[1]]
            own = with_checkpoint(engines, Path(options.checkpoint.format(fold=fold)))
            if options.classes:
                own = with_checkpoint(own, Path(options.classes.format(fold=fold)), "classes")
            by_kind = evaluate_labelled(own, options.data, names)
            held.append(names)
            scores.append(by_kind if options.classes else {"infection": by_kind["infection"]})
    except InfNetError as error:
        parser.exit(2, f"{error}\n")
    means = {kind: spread([fold[kind] for fold in scores]) for kind in scores[0]}
    folds = [{"held_out": names, **fold} for names, fold in zip(held, scores, strict=True)]
    text = json.dumps({**means, "folds": folds}, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
