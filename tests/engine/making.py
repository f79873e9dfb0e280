"""Networks for the engines, whose answers are worked out by hand."""

from __future__ import annotations

import torch
from torch import nn

from infnet.networks.infnet import InfNetOutput


class Constant(nn.Module):
    """Answers with the same logits everywhere; several outputs where asked, as Inf-Net has."""

    def __init__(self, logits: list[float], staged: bool = False) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))
        self.staged = staged

    def forward(self, x):
        out = self.logits[None, :, None, None].expand(len(x), -1, *x.shape[2:])
        return InfNetOutput(out, out - 9, out - 9, out - 9, out - 9) if self.staged else out


class Scale(nn.Module):
    """Logits are twice the input at half its size, enlarged again: depends on every pixel and on the input's size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.constant_(self.conv.weight, 2.0)

    def forward(self, x):
        small = nn.functional.avg_pool2d(self.conv(x), 2)
        return nn.functional.interpolate(small, size=x.shape[-2:], mode="nearest")
