from __future__ import annotations

import numpy as np
import torch

from train.fitting.batches import generators
from train.fitting.regions import roughen, slow_noise, soften


def test_slow_noise_changes_slowly_and_comes_from_its_generator():
    like = torch.zeros(1, 1, 64, 64)
    noise = slow_noise(np.random.default_rng(3), 8, like, 0.5)
    assert noise.shape == (64, 64)
    assert torch.equal(noise, slow_noise(np.random.default_rng(3), 8, like, 0.5))
    assert float(noise.std()) > 0.2
    assert float(noise.diff(dim=0).abs().max()) < 0.5  # a cell is 8 pixels wide


def test_softened_regions_keep_their_place_and_lose_confidence():
    region = torch.zeros(4, 1, 64, 64)
    region[..., 20:50, 20:50] = 1
    soft = soften(region, generators(0, 0, range(4)))
    assert soft.max() <= 1
    assert ((soft > 0.4) == (region > 0)).float().mean() > 0.97
    assert all(0.8 <= float(region[0, 35, 35]) <= 1 for region in soft)


def test_a_roughened_region_is_as_wrong_as_a_network_and_no_more():
    region = torch.zeros(40, 1, 128, 128)
    region[..., 30:100, 20:60] = 1
    rough = roughen(region, generators(0, 0, range(40)))
    assert set(rough.unique().tolist()) == {0, 1}
    overlap = [float(2 * (a * b).sum() / (a.sum() + b.sum())) for a, b in zip(region, rough, strict=True)]
    assert 0.7 < min(overlap) < 0.93
    assert 0.88 < sum(overlap) / 40 < 0.98
    kept = [torch.equal(a, b) for a, b in zip(region, rough, strict=True)]
    assert 3 < sum(kept) < 20  # one in four is left as it is
