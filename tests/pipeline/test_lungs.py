from __future__ import annotations

import numpy as np

from infnet.pipeline.lungs import clean, drop_air, drop_outside, mark, split_sides, with_lesions
from infnet.study import LEFT, RIGHT
from tests.fakes import FakeEngine


def two_lungs(slices: int = 3) -> np.ndarray:
    mask = np.zeros((slices, 60, 100), bool)
    mask[:, 10:50, 10:40] = True
    mask[:, 15:50, 60:92] = True
    return mask


def body(slices: int = 3) -> np.ndarray:
    """Grey of a body from column 2 to 97, with a table below it that is not centred."""
    grey = np.zeros((slices, 60, 100), np.uint8)
    grey[:, 2:55, 2:98] = 200
    grey[:, 58, 40:100] = 200
    return grey


def test_the_patients_right_lung_is_at_the_left_of_an_upright_image():
    sides = split_sides(two_lungs(), body(), True)
    assert (sides[:, 10:50, 10:40] == RIGHT).all()
    assert (sides[:, 15:50, 60:92] == LEFT).all()
    assert ((sides > 0) == two_lungs()).all()


def test_lungs_that_touch_are_cut_where_they_are_thinnest():
    mask = two_lungs()
    mask[1, 20:24, 40:60] = True  # an anterior junction, 4 rows high
    sides = split_sides(mask, body(), True)
    assert (sides[1, 10:50, 10:40] == RIGHT).all()
    assert (sides[1, 15:50, 60:92] == LEFT).all()
    assert ((sides > 0) == mask).all()


def test_a_lone_lung_at_the_base_keeps_its_side():
    mask = two_lungs()
    mask[0, :, 50:] = False  # only the right lung is left
    mask[2, :, :50] = False  # only the left
    sides = split_sides(mask, body(), True)
    assert set(np.unique(sides[0])) == {0, RIGHT}
    assert set(np.unique(sides[2])) == {0, LEFT}


def test_no_lung_gives_no_side():
    assert not split_sides(np.zeros((2, 20, 20), bool), np.zeros((2, 20, 20), np.uint8), True).any()


def test_specks_are_dropped_and_holes_filled():
    mask = two_lungs()
    mask[1, 2:4, 2:4] = True  # 4 pixels of bowel gas or noise
    mask[1, 30:33, 20:23] = False  # a vessel
    for volumetric in (True, False):
        cleaned = clean(mask, volumetric)
        assert not cleaned[1, :5, :5].any()
        assert cleaned[1, 30:33, 20:23].all()
        assert cleaned[0].sum() == 40 * 30 + 35 * 32


def test_a_piece_that_is_small_in_its_slice_but_part_of_a_lung_stays_in_a_volume():
    mask = two_lungs()
    mask[2] = False
    mask[2, 12:14, 12:14] = True  # the very tip of the right lung
    assert clean(mask, True)[2].sum() == 4


def test_mark_returns_masks_on_the_slice_grid():
    grey = np.zeros((10, 40, 60), np.uint8)
    grey[:, :, 30:] = 200
    masks = list(mark(grey, FakeEngine(lambda batch: batch), 32))  # the "network" answers with the grey itself
    assert len(masks) == 10
    assert masks[0].shape == (40, 60)
    assert masks[9][:, 33:].all()
    assert not masks[9][:, :27].any()


def test_trachea_and_bowel_gas_are_dropped_by_their_air_and_small_lung_is_kept():
    hu = np.full((1, 60, 100), 40, np.int16)
    mask = two_lungs(1)
    hu[mask] = -850
    mask[0, 2:8, 46:52] = True  # trachea
    hu[0, 2:8, 46:52] = -990
    mask[0, 54:58, 5:9] = True  # the tip of a lobe, as small, but lung
    hu[0, 54:58, 5:9] = -800
    kept = drop_air(mask, hu, 1.0)
    assert not kept[0, 2:8, 46:52].any()
    assert kept[0, 54:58, 5:9].all()
    assert kept.sum() == mask.sum() - 36
    assert (drop_air(mask, hu, 100.0) == mask).all()  # of 3600 mm2 it would be a destroyed lung


def test_foam_of_the_table_is_no_lung():
    """A body from row 4 to 55, and below it a table: a thin shell round foam as light as lung."""
    grey = np.zeros((2, 80, 100), np.uint8)
    grey[:, 4:56, 2:98] = 200
    mask = two_lungs(2)
    grey[:, :60][mask] = 50
    grey[:, 60:76, 5:95] = 180
    grey[:, 61:75, 6:94] = 40
    foam = np.zeros((2, 80, 100), bool)
    foam[:, 62:74, 8:92] = True
    lungs = np.zeros_like(foam)
    lungs[:, :60] = mask
    lungs[1] = False  # a slice of the abdomen: the foam is all that is marked
    assert (drop_outside(lungs | foam, grey) == lungs).all()


def test_a_picture_cut_to_the_chest_keeps_its_lungs():
    """Cut so close that the lungs reach the rim, and the only body on it stands between them."""
    mask = np.ones((1, 60, 100), bool)
    mask[:, :, 42:58] = False
    grey = np.where(mask, 40, 200).astype(np.uint8)
    assert (drop_outside(mask, grey) == mask).all()


def test_a_lesion_that_lies_mostly_in_a_lung_belongs_to_it_whole():
    sides = np.zeros((40, 60), np.uint8)
    sides[5:35, 5:25], sides[5:35, 35:55] = RIGHT, LEFT
    infected = np.zeros((40, 60), bool)
    infected[10:14, 0:10] = True  # half of it beyond the right lung, at the chest wall
    infected[20:24, 50:60] = True  # half of it beyond the left
    infected[30:34, 23:33] = True  # 2 of 10 columns in the right lung: the mediastinum
    infected[0:3, 28:31] = True  # in no lung
    extended = with_lesions(sides, infected)
    assert (extended[10:14, 0:5] == RIGHT).all()
    assert (extended[20:24, 55:60] == LEFT).all()
    assert np.count_nonzero(extended) == np.count_nonzero(sides) + 2 * 4 * 5
    assert (with_lesions(sides, np.zeros_like(infected)) == sides).all()


def test_one_lung_alone_in_the_whole_study_keeps_its_side():
    """The other may be dense from top to bottom, or gone: the body's midline decides, not the lung's own middle."""
    for columns, side in ((slice(0, 50), RIGHT), (slice(50, 100), LEFT)):
        mask = np.zeros_like(two_lungs())
        mask[:, :, columns] = two_lungs()[:, :, columns]
        for volumetric in (True, False):
            assert set(np.unique(split_sides(mask, body(), volumetric))) == {0, side}


def test_pictures_that_do_not_belong_together_have_a_midline_each():
    mask, grey = two_lungs(2), body(2)
    mask[1], grey[1] = np.roll(mask[1], 30, 1), np.roll(grey[1], 30, 1)
    grey[1, :, :32] = 0  # the body is cut by the picture's edge
    mask[1, :, :32] = False
    sides = split_sides(mask, grey, False)
    assert set(np.unique(sides[0, :, :50])) == {0, RIGHT}
    assert set(np.unique(sides[1, :, 40:70])) == {0, RIGHT}
