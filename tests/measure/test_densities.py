"""HU of lung and lesion, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from infnet.geometry.affine import axial_affine
from infnet.measure.densities import DENSE_ONLY, NETWORK_ONLY, bands, disagreement, hu_histogram
from infnet.phantom import chest
from infnet.study import CONSOLIDATION, GGO, RIGHT, Segmentation, Study
from tests.orders import stored


def row(hu: list[int], labels: list[int], lungs: list[int]) -> tuple[Study, Segmentation]:
    shape = (1, 1, len(hu))
    study = Study(np.array(hu, np.int16).reshape(shape), axial_affine((10.0, 10.0, 10.0)))
    labelled, sides = (np.array(v, np.uint8).reshape(shape) for v in (labels, lungs))
    return study, Segmentation(labelled, np.zeros(shape, np.float32), sides)


def test_a_bin_holds_its_lower_edge_and_lesion_is_no_lung():
    study, result = row(
        [-900, -801, -800, -500, -500, 0, -2000, 300],
        [0, 0, 0, GGO, CONSOLIDATION, CONSOLIDATION, 0, 0],
        [1, 1, 2, 1, 0, 1, 1, 0],
    )
    found = hu_histogram(study, result, (-1000, -800, -500, 100))
    assert found.lung.tolist() == [2, 1, 0]  # -2000 lies outside the edges, 300 outside the lungs
    assert found.ggo.tolist() == [0, 0, 1]
    assert found.consolidation.tolist() == [0, 0, 2]
    assert found.centres.tolist() == [-900, -650, -200]


def test_float_hu_are_counted_alike():
    study, result = row([-900, -801, -800], [0, 0, 0], [1, 1, 1])
    same = hu_histogram(study.with_pixels(study.pixels.astype(np.float32)), result, (-1000, -800, -500))
    assert same.lung.tolist() == hu_histogram(study, result, (-1000, -800, -500)).lung.tolist() == [2, 1]


def test_bands_of_the_lungs_lesion_included():
    study, result = row([-951, -950, -701, -700, -251, -250, 40, -1000], [0, 0, 0, 1, 1, 2, 2, 0], [1] * 7 + [0])
    found = bands(study, result)
    assert [(b.low, b.high) for b in found] == [(None, -950), (-950, -700), (-700, -250), (-250, None)]
    assert [b.voxels for b in found] == [1, 2, 2, 2]
    assert [b.ml for b in found] == pytest.approx([1, 2, 2, 2])
    assert [b.percent for b in found] == pytest.approx([100 / 7, 200 / 7, 200 / 7, 200 / 7])


def test_without_lung_a_band_has_no_share():
    study, result = row([-900], [0], [0])
    assert [b.percent for b in bands(study, result)] == [None] * 4


def blocks() -> tuple[Study, Segmentation]:
    """A lung of 1 mm pixels with a dense block of 12 x 12, a vessel 3 wide, and GGO marked on normal lung."""
    lungs = np.zeros((2, 40, 60), np.uint8)
    lungs[:, 2:38, 2:58] = RIGHT
    pixels = np.full(lungs.shape, 40, np.int16)
    pixels[lungs > 0] = -850
    pixels[0, 5:17, 5:17] = -500
    pixels[0, 25:28, 5:55] = 30  # a vessel
    pixels[0, 5:17, 35:47] = -600  # lesion that both see
    labels = np.zeros(lungs.shape, np.uint8)
    labels[0, 5:17, 35:47] = GGO
    labels[1, 5:15, 5:15] = GGO  # normal lung
    study = Study(pixels, axial_affine((10.0, 1.0, 1.0)))
    return study, Segmentation(labels, np.zeros(lungs.shape, np.float32), lungs)


def test_where_network_and_hu_disagree():
    study, result = blocks()
    found = disagreement(study, result)
    # A disc of 2.5 mm is 5 x 5 pixels without its corners: it cannot reach the last pixel of each corner.
    assert found.dense_only == 144 - 4 == np.count_nonzero(found.volume == DENSE_ONLY)
    assert found.network_only == 100 - 4 == np.count_nonzero(found.volume == NETWORK_ONLY)
    assert (found.volume[0, 8:14, 8:14] == DENSE_ONLY).all()
    assert (found.volume[1, 8:12, 8:12] == NETWORK_ONLY).all()
    assert not found.volume[0, 20:].any()  # the vessel
    assert not found.volume[:, :, 30:].any()
    assert found.dense_only_ml == pytest.approx(140 * 0.01)


def test_minus_700_is_denser_than_normal():
    study, result = blocks()
    pixels = study.pixels.copy()
    pixels[0, 5:17, 5:17] = -700
    assert disagreement(study.with_pixels(pixels), result).dense_only == 140
    pixels[0, 5:17, 5:17] = -701
    assert disagreement(study.with_pixels(pixels), result).dense_only == 0


def test_it_follows_the_storage_order():
    study, result = blocks()
    order = ((2, 0, 1), (0, 1, 0))
    turned = disagreement(*stored(study, result, *order))
    as_result = replace(result, labels=disagreement(study, result).volume)
    assert np.array_equal(turned.volume, stored(study, as_result, *order)[1].labels)


def test_grey_has_none_of_this():
    study, result = blocks()
    grey = Study(np.zeros(study.pixels.shape, np.uint8), None, is_hu=False)
    assert hu_histogram(grey, result) is bands(grey, result) is disagreement(grey, result) is None


def test_the_phantom_truth_and_its_hu_agree_for_the_most_part():
    phantom = chest(slices=6, rows=128, columns=128, spacing=(34.0, 2.8, 2.8))
    result = Segmentation(phantom.labels, np.zeros(phantom.labels.shape, np.float32), phantom.lungs)
    found = disagreement(phantom.study, result)
    assert found.network_only < 0.2 * np.count_nonzero(phantom.labels)
    missed = disagreement(phantom.study, replace(result, labels=np.zeros_like(phantom.labels)))
    assert missed.dense_only > found.dense_only + 0.5 * np.count_nonzero(phantom.labels)
