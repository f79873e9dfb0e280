"""Each lesion, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from infnet.geometry.affine import axial_affine
from infnet.measure.lesions import lesions
from infnet.measure.statistics import measure
from infnet.phantom import chest
from infnet.study import CONSOLIDATION, GGO, LEFT, RIGHT, Segmentation, Study
from tests.measure.test_statistics import tiny
from tests.orders import ORDERS, stored


def two() -> tuple[Study, Segmentation]:
    """4 slices of 6 x 8 of 5 x 1 x 2 mm; right lung in columns 0 to 3, left in 4 to 6.

    A lesion of 6 voxels in slices 1 to 3 of the right lung, one of 2 voxels, half of it consolidation, in the left.
    """
    labels = np.zeros((4, 6, 8), np.uint8)
    labels[1, 2, 1] = labels[2, 2, 1:4] = labels[2, 3, 2] = labels[3, 2, 2] = GGO
    labels[0, 4, 5], labels[0, 5, 5] = GGO, CONSOLIDATION
    lungs = np.zeros(labels.shape, np.uint8)
    lungs[:, :, :4], lungs[:, :, 4:7] = RIGHT, LEFT
    pixels = np.full(labels.shape, -850, np.int16)
    pixels[labels == GGO], pixels[labels == CONSOLIDATION] = -600, 0
    study = Study(pixels, axial_affine((5.0, 1.0, 2.0), (10.0, 20.0, 30.0)))
    return study, Segmentation(labels, np.zeros(labels.shape, np.float32), lungs)


def test_the_largest_first_with_all_its_numbers():
    large, small = lesions(*two())
    assert (large.number, large.voxels, large.ml) == (1, 6, pytest.approx(0.06))
    assert (large.largest_pixels, large.largest_mm2, large.display_slice) == (4, pytest.approx(8.0), 2)
    assert (large.mean_hu, large.consolidation_percent, large.lung) == (-600, 0, "right")
    assert large.centre == (2, 2, 2)
    assert large.position_mm == pytest.approx((10 + 2 * 2, 20 + 2, 30 + 2 * 5))
    assert (small.number, small.voxels, small.lung) == (2, 2, "left")
    assert (small.mean_hu, small.consolidation_percent) == (-300, 50)


@pytest.mark.parametrize(("axes", "flips"), ORDERS)
def test_any_storage_order_gives_the_same_lesions_but_for_the_index(axes, flips):
    study, result = two()
    turned, same = stored(study, result, axes, flips)
    for one, other in zip(lesions(study, result), lesions(turned, same), strict=True):
        assert replace(other, centre=one.centre, position_mm=one.position_mm) == one
        assert same.labels[other.centre] > 0
        shown = turned.orientation.apply(same.labels)[other.display_slice]
        assert np.count_nonzero(shown) == one.largest_pixels  # the only lesion of that slice
    assert lesions(turned, same)[0].position_mm == pytest.approx(lesions(study, result)[0].position_mm)


def test_the_centre_of_a_ring_lies_on_it():
    labels = np.zeros((1, 7, 7), np.uint8)
    labels[0, 1:6, 1:6] = GGO
    labels[0, 2:5, 2:5] = 0
    study = Study(np.zeros(labels.shape, np.uint8), None, is_hu=False)
    (ring,) = lesions(study, Segmentation(labels, np.zeros(labels.shape, np.float32), np.zeros_like(labels)))
    assert labels[ring.centre] == GGO
    assert (ring.lung, ring.ml, ring.largest_mm2, ring.mean_hu, ring.position_mm) == ("outside", None, None, None, None)


@pytest.mark.parametrize("volumetric", [True, False])
def test_as_many_as_the_statistics_count(volumetric):
    study, result = tiny()
    study = replace(study, volumetric=volumetric)
    found = lesions(study, result)
    assert len(found) == measure(study, result).lesion_count
    assert sum(lesion.voxels for lesion in found) == 4


def test_none():
    study, result = two()
    assert lesions(study, replace(result, labels=np.zeros_like(result.labels))) == ()


def test_the_phantoms_lesions_hold_all_its_voxels():
    phantom = chest(slices=12, rows=96, columns=96, spacing=(17.0, 3.7, 3.7))
    result = Segmentation(phantom.labels, np.zeros(phantom.labels.shape, np.float32), phantom.lungs)
    found = lesions(phantom.study, result)
    assert sum(lesion.voxels for lesion in found) == np.count_nonzero(phantom.labels)
    assert [lesion.voxels for lesion in found] == sorted((lesion.voxels for lesion in found), reverse=True)
    assert {lesion.lung for lesion in found} == {"right", "left"}
