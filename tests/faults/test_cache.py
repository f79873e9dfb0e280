"""A cache that is damaged, or filled by two programs at once: the mask is the same, and no error is seen."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from infnet import phantom
from infnet.engine import OpenVINOEngine, cache
from infnet.export.nifti import write_nifti
from infnet.files import sha256
from tests.faults.killing import Program

HARMS: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "random": lambda data: random.Random(0).randbytes(len(data)),
    "empty": lambda data: b"",
}
CASES = [(harm, file, sums) for harm in HARMS for file in ("model.bin", "model.xml") for sums in (False, True)]
CASES.remove(("random", "model.bin", True))  # other weights with their own sums are another model: nothing can tell


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1)).eval()


@pytest.mark.parametrize(("harm", "file", "sums"), CASES)
def test_what_is_damaged_is_built_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, harm: str, file: str, sums: bool
) -> None:
    """sums: as if it had been damaged before its sums were taken."""
    monkeypatch.setenv("INFNET_CACHE", str(tmp_path / "cache"))
    batch = np.random.default_rng(0).standard_normal((1, 1, 16, 16)).astype(np.float32)
    first = OpenVINOEngine(network, "key", (1, 16, 16), "fp32")(batch)
    (damaged,) = (tmp_path / "cache").rglob(file)
    damaged.write_bytes(HARMS[harm](damaged.read_bytes()))
    if sums:
        known = damaged.with_name(cache.SUMS)
        known.write_text(json.dumps({**json.loads(known.read_text()), file: sha256(damaged)}))
    for _ in range(2):
        assert np.array_equal(OpenVINOEngine(network, "key", (1, 16, 16), "fp32")(batch), first)


def fill(cached: str, together: Any, answer: Connection) -> None:
    """In a process of its own: build the network on a cold cache at the same moment as another, and run it."""
    os.environ["INFNET_CACHE"] = cached
    together.wait(120)
    answer.send_bytes(
        OpenVINOEngine(network, "key", (1, 16, 16), "fp32")(np.ones((1, 1, 16, 16), np.float32)).tobytes()
    )


@pytest.mark.slow
def test_two_processes_that_fill_a_cold_cache_at_the_same_moment(tmp_path: Path) -> None:
    context = get_context("forkserver")
    context.set_forkserver_preload(["torch", "openvino", __name__])  # so that both are as quick
    answers = set()
    for number in range(10):
        cached, together = tmp_path / str(number), context.Barrier(2)
        ends = [context.Pipe(duplex=False) for _ in range(2)]
        both = [context.Process(target=fill, args=(str(cached), together, theirs)) for _, theirs in ends]
        for process in both:
            process.start()
        for _, theirs in ends:
            theirs.close()
        answers |= {ours.recv_bytes() for ours, _ in ends}
        for process in both:
            process.join(120)
            assert process.exitcode == 0
        (kept,) = cached.iterdir()
        assert sorted(path.name for path in kept.iterdir()) == ["model.bin", "model.xml", cache.SUMS]
    assert len(answers) == 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_programs_on_one_cold_cache_ten_times_and_on_a_damaged_one(tmp_path: Path) -> None:
    """The shipped networks, from the command line."""
    study = phantom.chest(6, 96, 96, spacing=(40.0, 3.7, 3.7)).study
    given = str(write_nifti(tmp_path / "ct.nii", study.pixels, study.affine))
    masks = set()

    def run(kept: Path, *outs: str) -> None:
        program = Program(
            "infnet", "segment", given, "--no-overlay", temporary=tmp_path / "tmp", INFNET_CACHE=str(kept)
        )
        for child in [program.start("--out", str(tmp_path / out)) for out in outs]:
            status, said = program.ended(child, 600)
            assert (status, said) == (0, ""), said
        masks.update((tmp_path / out / "mask.nii.gz").read_bytes() for out in outs)
        assert len(list(kept.iterdir())) == 3, "the three networks and nothing else"

    for number in range(10):
        run(tmp_path / f"cache-{number}", f"{number} a", f"{number} b")
    for harm in HARMS.values():
        for path in (tmp_path / "cache-0").rglob("model.*"):
            path.write_bytes(harm(path.read_bytes()))
        run(tmp_path / "cache-0", "damaged")
    assert len(masks) == 1
