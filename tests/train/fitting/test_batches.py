from __future__ import annotations

import numpy as np
import pytest
import torch

from infnet.errors import InfNetError
from infnet.pipeline import inputs
from train.data import STORED, Example
from train.fitting.batches import PASTE, Pool, by_epoch, by_share, generators, guided, paste


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


def infected_and_clear() -> Pool:
    """Two slices that differ everywhere: bright and infected, dark and not. The boxes leave no room round them."""
    full = np.full((STORED, STORED), 255, np.uint8)
    whole = (0.0, 0.0, 1.0, 1.0)
    return Pool([Example("a", "a", full, full, whole), Example("b", "b", 0 * full, 0 * full, whole)])


def test_a_pasted_rectangle_brings_its_truth_along():
    pool, drawn, rngs = infected_and_clear(), np.array([0, 1]), generators(0, 0, range(2))
    grey, truth = pool.batch(drawn, 64, rngs)
    plain = truth.clone()
    paste((grey, truth), pool, drawn[::-1], generators(0, 0, range(2), PASTE), 1.0)
    changed = truth != plain
    for row in range(2):
        share = changed[row].float().mean()
        assert 0.02 < share < 0.75**2 + 0.01
        rows, columns = changed[row, 0].any(1), changed[row, 0].any(0)
        inside = changed[row, 0][rows][:, columns].float().mean()
        assert inside > 0.9  # a rectangle; at the corners of a tilted slice nothing differs
    assert (grey[0][changed[0]] < 0.3).all()
    assert (grey[1][changed[1]] > 0.5).float().mean() > 0.95


def test_no_rectangle_is_pasted_where_none_is_asked_for():
    pool, drawn = infected_and_clear(), np.array([0, 1])
    grey, truth = pool.batch(drawn, 64, generators(0, 0, range(2)))
    kept = grey.clone(), truth.clone()
    paste((grey, truth), pool, drawn[::-1], generators(0, 0, range(2), PASTE), 0.0)
    assert torch.equal(grey, kept[0])
    assert torch.equal(truth, kept[1])


def test_pasting_does_not_depend_on_how_a_batch_is_shared_out():
    pool, drawn = infected_and_clear(), np.array([0, 1])
    parts = []
    for rows in (range(2), range(1), range(1, 2)):
        grey, truth = pool.batch(drawn[list(rows)], 64, generators(5, 2, rows))
        paste((grey, truth), pool, drawn[::-1][list(rows)], generators(5, 2, rows, PASTE), 1.0)
        parts.append(grey)
    assert torch.equal(parts[0], torch.cat(parts[1:]))


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


def test_guided_input_is_that_of_the_app():
    values = torch.randint(0, 256, (2, 8, 8), dtype=torch.uint8)
    region = torch.rand(2, 8, 8)
    x = guided(values[:, None].float() / 255, region[:, None])
    app = inputs.guided(inputs.normalise(values.numpy()), region.numpy())
    np.testing.assert_allclose(x.numpy(), app, rtol=0, atol=1e-6)


def test_guided_input_holds_the_map_three_times():
    grey, region = torch.full((2, 1, 8, 8), 0.5), torch.rand(2, 1, 8, 8)
    x = guided(grey, region)
    assert x.shape == (2, 6, 8, 8)
    assert x[:, 0, 0, 0].tolist() == pytest.approx([(0.5 - 0.485) / 0.229] * 2)
    for channel in (3, 4, 5):
        assert torch.equal(x[:, channel], region[:, 0])
