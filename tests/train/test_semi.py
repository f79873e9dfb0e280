"""Semi-Inf-Net from its command line: it learns, labels its pool, and goes on where it was stopped."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.train.making import semiseg
from tests.train.quick import QUICK, SLIM, TINY
from tests.train.torchrun import two_processes
from train import semi
from train.data import training_set
from train.fitting.checkpoint import load_checkpoint

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return semiseg(tmp_path_factory.mktemp("data"))


def lengths(k: int, *steps: int) -> list[str]:
    """--k and the steps of each phase, in their order."""
    names = ("--k", "--supervised-steps", "--round-steps", "--pretraining-steps", "--finetuning-steps")
    return [word for name, value in zip(names, (k, *steps), strict=True) for word in (name, str(value))]


def test_semi_learns_and_labels_the_pool(dataset, tmp_path):
    where = ["--data", str(dataset), "--out", str(tmp_path)]
    semi.main([*where, *QUICK, *SLIM, "--validate-every", "20", *lengths(4, 45, 6, 40, 20)])
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert list(summary) == ["supervised", "propagation", "pretraining", "finetuning"]
    assert summary["finetuning"]["labelled Dice at 0.5"] > 0.9
    splits = {name: json.loads((tmp_path / name / "split.json").read_text()) for name in summary}
    assert splits["supervised"]["seen before"] == splits["pretraining"]["seen before"] == []
    assert splits["propagation"]["seen before"] == sorted(splits["supervised"]["train"]["labelled"])
    assert splits["finetuning"]["seen before"] == sorted(splits["pretraining"]["train"]["pseudo"])
    truth = training_set(dataset) / "LungInfection-Train" / "Pseudo-label"
    overlaps = []
    for path in sorted((tmp_path / "pseudo-label" / "GT").iterdir()):
        label, true = np.asarray(Image.open(path)), np.asarray(Image.open(truth / "GT" / path.name))
        assert label.shape == true.shape
        marked, infected = label > 127, true > 127
        overlaps.append(2 * (marked & infected).sum() / (marked.sum() + infected.sum()))
    assert len(overlaps) == 12
    assert np.mean(overlaps) > 0.85  # upright in memory, transposed again in the file


@pytest.mark.slow
def test_semi_stopped_after_every_step_is_the_same_run(dataset, tmp_path):
    """Algorithm 1 goes on in the round that it was in: pseudo labels and weights are those of a run without a stop."""
    common = ["--data", str(dataset), *QUICK, *TINY, *lengths(5, 1, 2, 1, 2)]
    semi.main([*common, "--out", str(tmp_path / "whole")])
    calls = 0
    while not (tmp_path / "parts/finetuning/montage.png").exists() and calls < 20:
        calls += 1
        semi.main([*common, "--out", str(tmp_path / "parts"), "--minutes", "0", "--resume"])
    assert calls > 6  # 1 + 3 rounds of 2 + 1 + 2 steps; the last step of a part needs no pause
    whole, parts = (load_checkpoint(tmp_path / name / "finetuning/last.pt")["network"] for name in ("whole", "parts"))
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())
    labels = [sorted((tmp_path / name / "pseudo-label/GT").iterdir()) for name in ("whole", "parts")]
    assert [p.read_bytes() for p in labels[0]] == [p.read_bytes() for p in labels[1]]


@pytest.mark.slow
def test_semi_on_two_processes(dataset, tmp_path):
    """torchrun: both processes share the batches and the pseudo labels, and one of them writes."""
    where = ["--data", str(dataset), "--out", str(tmp_path)]
    command = two_processes("-m", "train.semi", *where, *QUICK, *TINY, *lengths(6, 3, 2, 2, 2), "--device", "cpu")
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=200, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(list((tmp_path / "pseudo-label" / "GT").iterdir())) == 12
    assert json.loads((tmp_path / "finetuning" / "environment.json").read_text())["processes"] == 2
    assert "finetuning" in json.loads((tmp_path / "summary.json").read_text())
