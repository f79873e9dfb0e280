"""Airless lung that is painted into slices: dense, inside the lung, different for every slice, and repeatable."""

from __future__ import annotations

import torch

from train.fitting.batches import generators
from train.lungs import with_airless_lung

LUNG, TISSUE = 0.2, 0.8


def slices(count: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    truth = torch.zeros(count, 1, 64, 64)
    truth[..., 8:56, 12:52] = 1
    return torch.where(truth > 0, LUNG, TISSUE), truth


def test_patches_are_as_dense_as_tissue_and_lie_in_the_lung() -> None:
    grey, truth = slices()
    painted = with_airless_lung(grey, truth, generators(0, 1, range(len(grey))))
    changed = (painted - grey).abs() > 1e-6
    assert not changed[truth == 0].any()
    shares = changed.float().sum((1, 2, 3)) / truth.sum((1, 2, 3))
    assert 6 <= int((shares > 0).sum()) <= 18, "about half of the slices"
    assert float(shares.max()) < 0.9
    densest = painted.where(truth > 0, torch.tensor(0.0)).amax((1, 2, 3))
    assert (densest[shares > 0] > 0.6).all()
    assert (painted <= 1).all()
    assert (grey[truth > 0] == LUNG).all(), "the slices given stay as they are"


def test_the_same_generators_paint_the_same() -> None:
    grey, truth = slices(6)
    first, again, other = (with_airless_lung(grey, truth, generators(0, step, range(6))) for step in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_slice_without_lung_stays() -> None:
    grey = torch.full((4, 1, 64, 64), TISSUE)
    assert torch.equal(with_airless_lung(grey, torch.zeros_like(grey), generators(0, 1, range(4))), grey)
