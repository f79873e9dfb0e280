"""The losses by hand-computed numbers."""

from __future__ import annotations

import math

import torch

from infnet.networks.infnet import FinerOutput, InfNetOutput
from train.fitting.losses import boundary_weight, edge_of, infection_loss, infnet_loss, segmentation_loss


def square() -> torch.Tensor:
    truth = torch.zeros(1, 1, 64, 64)
    truth[..., 20:40, 20:40] = 1
    return truth


def test_weight_is_one_far_from_the_boundary_and_more_at_it():
    weight = boundary_weight(square())
    assert weight[0, 0, 0, 63] == 1
    # at the centre the 31 x 31 window holds the whole 20 x 20 square
    assert math.isclose(weight[0, 0, 30, 30].item(), 1 + 5 * (1 - 400 / 961), rel_tol=1e-5)


def test_zero_logits_cost_log_two_and_the_hand_computed_iou():
    truth = square()
    weight = torch.ones_like(truth)
    loss = segmentation_loss(torch.zeros_like(truth), truth, weight)
    both, either = 200.0, 2048 + 400 - 200.0
    assert math.isclose(loss.item(), math.log(2) + 1 - (both + 1) / (either + 1), rel_tol=1e-5)


def test_entropy_weighs_the_cross_entropy_only():
    truth = square()
    weight, logits = torch.ones_like(truth), torch.zeros_like(truth)
    whole, none = (segmentation_loss(logits, truth, weight, entropy).item() for entropy in (1.0, 0.0))
    assert math.isclose(whole - none, math.log(2), rel_tol=1e-5)
    edge = torch.zeros_like(truth)
    output = InfNetOutput(logits, logits + 0, logits + 0, logits + 0, edge)
    saved = infnet_loss(output, truth) - infnet_loss(output, truth, 0.5)
    assert math.isclose(saved.item(), 4 * 0.5 * math.log(2), rel_tol=1e-5)


def test_s_2_counts_as_much_as_the_other_maps():
    truth = square()
    logits = torch.zeros_like(truth)
    output = InfNetOutput(logits, logits + 0, logits + 0, logits + 0, edge=None)
    finer = FinerOutput(logits + 0, *output)
    assert math.isclose(infnet_loss(finer, truth).item(), 1.25 * infnet_loss(output, truth).item(), rel_tol=1e-5)
    assert infection_loss(finer, truth) == infnet_loss(finer, truth)


def test_boundary_weights_do_not_cancel():
    """A mistake at the boundary must cost more than one of the same size far from it."""
    truth = square()
    weight = boundary_weight(truth)
    right = (truth * 2 - 1) * 8
    near, far = right.clone(), right.clone()
    near[..., 15:20, 20:40] *= -1
    far[..., 0:5, 20:40] *= -1
    assert segmentation_loss(near, truth, weight) > 1.2 * segmentation_loss(far, truth, weight)


def test_edge_is_the_ring_on_both_sides_of_the_boundary():
    assert edge_of(square()).sum().item() == 22 * 22 - 18 * 18
    assert edge_of(torch.zeros(1, 1, 8, 8)).sum() == 0


def test_a_perfect_answer_costs_almost_nothing():
    truth = square()
    logits = (truth * 2 - 1) * 20
    edge = (edge_of(truth) * 2 - 1) * 20
    assert infnet_loss(InfNetOutput(logits, logits, logits, logits, edge), truth) < 1e-3
    assert infnet_loss(InfNetOutput(-logits, logits, logits, logits, edge), truth) > 1
