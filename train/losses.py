"""Losses of Inf-Net (Eq. 1, 4 and 5), with the boundary weights that the paper describes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from infnet.networks.infnet import InfNetOutput


def boundary_weight(truth: Tensor) -> Tensor:
    """1 + 5 |avgpool31(G) - G|: up to 6 at the boundary of G, 1 away from it. (N, 1, H, W)."""
    return 1 + 5 * (F.avg_pool2d(truth, 31, stride=1, padding=15) - truth).abs()


def segmentation_loss(logits: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Weighted IoU + weighted BCE (Eq. 4), averaged over the batch."""
    bce = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    bce = (weight * bce).sum((2, 3)) / weight.sum((2, 3))
    p = torch.sigmoid(logits)
    both = (p * truth * weight).sum((2, 3))
    either = ((p + truth) * weight).sum((2, 3)) - both
    return (bce + 1 - (both + 1) / (either + 1)).mean()


def edge_of(truth: Tensor) -> Tensor:
    """G_e: the pixels next to the boundary of G >= 0.5, as 0/1 (N, 1, H, W)."""
    mask = (truth >= 0.5).float()
    return F.max_pool2d(mask, 3, 1, 1) + F.max_pool2d(-mask, 3, 1, 1)


def infnet_loss(output: InfNetOutput, truth: Tensor) -> Tensor:
    """L_seg on S_g, S_5, S_4, S_3 plus the edge loss (Eq. 1, 5). `truth` (N, 1, H, W) in [0, 1], soft or hard."""
    weight = boundary_weight(truth)
    maps = (output.s3, output.s4, output.s5, output.s_g)
    edge = F.binary_cross_entropy_with_logits(output.edge.float(), edge_of(truth))
    return sum((segmentation_loss(m.float(), truth, weight) for m in maps), edge)
