"""Table IV of the paper: `python -m train.ablation --out run/ablation --data Dataset`.

Trains the five variants of Inf-Net in turn, each in a folder of --out, with the same data, seed and settings, and
writes `table.json` and `table.csv`. A variant that is finished is not trained again with --resume. The options are
those of `train.supervised`, but for --network and --init: each variant is an Inf-Net that starts from
random weights, or with --pretrained from an encoder that knows ImageNet.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

from train.fitting.checkpoint import load_checkpoint, write_text
from train.fitting.loop import fit
from train.fitting.options import program, training_parser
from train.fitting.report import write_log
from train.fitting.start import begin
from train.fitting.task import Run
from train.supervised import MIXED, configured, infection_task

# Rows of the table: partial decoder (PPD), reverse attention (RA), edge attention (EA).
VARIANTS = {
    "backbone": (False, False, False),
    "backbone-ppd": (True, False, False),
    "backbone-ra": (False, True, False),
    "backbone-ppd-ra": (True, True, False),
    "inf-net": (True, True, True),
}


def _train(options: argparse.Namespace, run: Run) -> None:
    config, train, validation = configured(options)
    rows = []
    for name, (decoder, reverse, edge) in VARIANTS.items():
        modules = {"partial_decoder": decoder, "reverse_attention": reverse, "edge_attention": edge}
        own = replace(config, options={**config.options, **modules})
        task, _ = infection_task(own, train, validation, run.process.device)
        task = begin(task, None, own, validation, options.pretrained)
        fit(task, own, run.inside(name))
        if run.process.leads:
            best = load_checkpoint(run.folder / name / "best.pt")
            rows.append({"variant": name, **modules, "step": best["step"], **best.get("scores", {})})
            write_log(rows, run.folder / "table.csv")
            write_text(run.folder / "table.json", json.dumps(rows, indent=1))


def parser() -> argparse.ArgumentParser:
    return training_parser(__doc__, MIXED, ("inf-net",))


main = program(parser, _train)


if __name__ == "__main__":
    main()
