"""What the tests of `train.evaluate` share: calls of the program, maps, and a network of one convolution."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from train.evaluate import main


def run(tmp_path: Path, *arguments: object) -> dict[str, dict[str, float]]:
    main([*map(str, arguments), "--json", str(tmp_path / "out" / "scores.json")])
    return json.loads((tmp_path / "out" / "scores.json").read_text())


def refuse(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line with which the program ends."""
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, arguments)])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def square(top: int, left: int, side: int = 8, shape: tuple[int, int] = (20, 24)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def soft(seed: int, shape: tuple[int, int] = (20, 24)) -> np.ndarray:
    """A grey map over the whole range."""
    grey = np.random.default_rng(seed).integers(0, 200, shape).astype(np.uint8)
    grey[4:14, 5:15] += 55
    grey.flat[:2] = 0, 255
    return grey


class Pointwise(nn.Module):
    """Logits of each class from the grey of a pixel and, with 6 channels, from the infection map."""

    def __init__(self, inputs: int = 3, classes: int = 1) -> None:
        super().__init__()
        self.mix = nn.Conv2d(inputs, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mix(x)
