"""Losses of Inf-Net (Eq. 1, 4 and 5), with the boundary weights that the paper describes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from infnet.networks.infnet import FinerOutput, InfNetOutput


def boundary_weight(truth: Tensor) -> Tensor:
    """1 + 5 |avgpool31(G) - G|: up to 6 at the boundary of G, 1 away from it. (N, 1, H, W)."""
    down = F.avg_pool2d(truth, (31, 1), stride=1, padding=(15, 0))  # first down, then across: 62 terms in place of 961
    return 1 + 5 * (F.avg_pool2d(down, (1, 31), stride=1, padding=(0, 15)) - truth).abs()


def segmentation_loss(logits: Tensor, truth: Tensor, weight: Tensor, entropy: float = 1.0) -> Tensor:
    """Weighted IoU + `entropy` times weighted BCE (Eq. 4), averaged over the batch."""
    bce = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    bce = (weight * bce).sum((2, 3)) / weight.sum((2, 3))
    p = torch.sigmoid(logits)
    both = (p * truth * weight).sum((2, 3))
    either = ((p + truth) * weight).sum((2, 3)) - both
    return (entropy * bce + 1 - (both + 1) / (either + 1)).mean()


def edge_of(truth: Tensor) -> Tensor:
    """G_e: the pixels next to the boundary of G >= 0.5, as 0/1 (N, 1, H, W)."""
    mask = (truth >= 0.5).float()
    return F.max_pool2d(mask, 3, 1, 1) + F.max_pool2d(-mask, 3, 1, 1)


def infnet_loss(output: InfNetOutput | FinerOutput, truth: Tensor, entropy: float = 1.0) -> Tensor:
    """L_seg on S_g, S_5, S_4, S_3, and S_2 where there is one, plus the edge loss (Eq. 1, 5).

    truth: (N, 1, H, W) in [0, 1], soft or hard. Parts that the network was built without add nothing.
    """
    weight = boundary_weight(truth)
    *outputs, _ = output
    maps = {id(m): m for m in outputs if m is not None}.values()
    total = sum((segmentation_loss(m.float(), truth, weight, entropy) for m in maps), truth.new_zeros(()))
    if output.edge is not None:
        total = total + F.binary_cross_entropy_with_logits(output.edge.float(), edge_of(truth))
    return total


def infection_loss(output: InfNetOutput | FinerOutput | Tensor, truth: Tensor, entropy: float = 1.0) -> Tensor:
    """The loss of any network for infection: Inf-Net's, or L_seg (Eq. 4) on the one map of a baseline."""
    if isinstance(output, tuple):
        return infnet_loss(output, truth, entropy)
    return segmentation_loss(output.float(), truth, boundary_weight(truth), entropy)


def class_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross entropy inside and round the infection, plus one minus the Dice of each lesion class.

    logits (N, 3, H, W), truth (N, H, W) of 0, 1, 2.
    """
    entropy = F.cross_entropy(logits, truth, reduction="none")
    infected = (truth > 0).float()
    near = F.max_pool2d(infected[:, None], 15, 1, 7)[:, 0]
    weight = 0.1 + near
    p = torch.softmax(logits, 1)[:, 1:]
    t = F.one_hot(truth, 3).permute(0, 3, 1, 2)[:, 1:].float()
    overlap = (2 * (p * t).sum((0, 2, 3)) + 1) / ((p + t).sum((0, 2, 3)) + 1)
    return (entropy * weight).sum() / weight.sum() + (1 - overlap).mean()


def summed_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross entropy summed over all pixels of the batch, as the paper trains FCN8s."""
    return F.cross_entropy(logits, truth, reduction="sum")


def overlap_loss(logits: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Weighted binary cross entropy plus one minus Dice, all (N, 1, H, W): for the lungs."""
    p = torch.sigmoid(logits)
    overlap = (2 * (p * truth).sum((1, 2, 3)) + 1) / ((p + truth).sum((1, 2, 3)) + 1)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, weight)
    return entropy + (1 - overlap).mean()
