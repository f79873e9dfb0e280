from __future__ import annotations

import numpy as np
import pytest
import torch

from infnet.errors import InfNetError
from train.batches import Pool, by_epoch, by_share, generators, guided, soften
from train.data import STORED, Example


def square() -> np.ndarray:
    mask = np.zeros((STORED, STORED), np.uint8)
    mask[40:160, 60:300] = 255
    return mask


@pytest.fixture
def pool():
    mask = square()
    return Pool([Example(str(i), "x", np.where(mask > 0, 200, 60).astype(np.uint8), mask) for i in range(8)])


def test_image_and_mask_move_together(pool):
    grey, truth = pool.batch(range(8), 128, generators(0, 0, range(8)))
    for x, y in zip(grey[:, 0], truth[:, 0], strict=True):
        bright = x > (x.max() + x[x > 0.02].min()) / 2
        infected = y > 0.5
        assert 2 * (bright & infected).sum() / (bright.sum() + infected.sum()) > 0.9


def test_a_batch_depends_on_seed_step_and_place_only(pool):
    whole = pool.batch([1, 2, 3, 4], 64, generators(7, 5, range(4)))[0]
    again = pool.batch([1, 2, 3, 4], 64, generators(7, 5, range(4)))[0]
    assert whole.equal(again)
    halves = [pool.batch(p, 64, generators(7, 5, r))[0] for p, r in (([1, 2], range(2)), ([3, 4], range(2, 4)))]
    assert torch.equal(whole, torch.cat(halves))
    assert not whole.equal(pool.batch([1, 2, 3, 4], 64, generators(7, 6, range(4)))[0])
    assert not whole[0].equal(whole[1])  # the same slice, another place


def test_classes_stay_whole_numbers():
    mask = (square() > 0).astype(np.uint8) * 2
    truth = Pool([Example("a", "a", mask, mask)]).batch([0], 96, generators(0, 0, range(1)), classes=True)[1]
    assert truth.dtype == torch.int64
    assert set(truth.unique().tolist()) == {0, 2}


def test_an_empty_pool_is_one_line():
    with pytest.raises(InfNetError, match="no slices to train on"):
        Pool([])


def test_an_epoch_holds_every_slice_once_and_the_next_in_another_order():
    draw = by_epoch(10, 4, seed=3)
    drawn = np.concatenate([draw(step) for step in range(5)])  # 20 places: two epochs
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert drawn[:10].tolist() != drawn[10:].tolist()


def test_shares_are_kept():
    draw = by_share([range(5), range(5, 1000)], [0.75, 0.25], 40, seed=0)
    drawn = np.concatenate([draw(step) for step in range(100)])
    assert (drawn < 5).mean() == pytest.approx(0.75, abs=0.03)
    assert drawn.max() < 1000


def test_a_source_without_slices_is_named():
    with pytest.raises(InfNetError, match="source number 2 of --mix holds no slices"):
        by_share([range(5), range(5, 5)], [0.5, 0.5], 4, seed=0)


def test_guided_input_holds_the_map_three_times():
    grey, region = torch.full((2, 1, 8, 8), 0.5), torch.rand(2, 1, 8, 8)
    x = guided(grey, region)
    assert x.shape == (2, 6, 8, 8)
    assert x[:, 0, 0, 0].tolist() == pytest.approx([(0.5 - 0.485) / 0.229] * 2)
    for channel in (3, 4, 5):
        assert torch.equal(x[:, channel], region[:, 0])


def test_softened_regions_keep_their_place_and_lose_confidence():
    region = torch.zeros(4, 1, 64, 64)
    region[..., 20:50, 20:50] = 1
    soft = soften(region, generators(0, 0, range(4)))
    assert soft.max() <= 1
    assert ((soft > 0.4) == (region > 0)).float().mean() > 0.97
    assert all(0.8 <= float(one[0, 35, 35]) <= 1 for one in soft)
