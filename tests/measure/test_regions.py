"""Where lesions lie, counted by hand on block-shaped lungs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from skimage.morphology import convex_hull_image

from infnet.geometry.affine import axial_affine
from infnet.measure.regions import _hull, regional
from infnet.phantom import chest
from infnet.study import CONSOLIDATION, GGO, LEFT, RIGHT, Segmentation, Study
from tests.orders import ORDERS, stored


def blocks() -> tuple[Study, Segmentation]:
    """8 slices of 14 x 26, 0.01 ml a voxel; lungs of 10 x 10 in slices 1 to 6 with the mediastinum between them.

    Right: rows 2 to 11, columns 2 to 11; left: the same rows, columns 14 to 23.
    """
    lungs = np.zeros((8, 14, 26), np.uint8)
    lungs[1:7, 2:12, 2:12] = RIGHT
    lungs[1:7, 2:12, 14:24] = LEFT
    study = Study(np.full(lungs.shape, -850, np.int16), axial_affine((10.0, 1.0, 1.0)))
    labels = np.zeros(lungs.shape, np.uint8)
    return study, Segmentation(labels, np.zeros(lungs.shape, np.float32), lungs)


def test_thirds_of_the_height():
    study, result = blocks()
    result.labels[1, 2, 2] = GGO  # lowest slice with lung
    result.labels[2, 2, 2] = GGO
    result.labels[3, 2, 2] = CONSOLIDATION
    result.labels[6, 2, 2] = GGO  # highest
    result.labels[5, 0, 0] = GGO  # in no lung: in no region
    found = regional(study, result)
    assert list(found) == ["upper", "middle", "lower", "peripheral", "central", "dorsal", "ventral"]
    assert [found[n].lesion.lesion_voxels for n in ("lower", "middle", "upper")] == [2, 1, 1]
    assert [found[n].lesion.lung_voxels for n in ("lower", "middle", "upper")] == [400, 400, 400]
    assert found["lower"].lesion.lesion_ml == pytest.approx(0.02)
    assert found["lower"].lesion.lung_ml == pytest.approx(4.0)
    assert found["lower"].lesion.involvement_percent == pytest.approx(0.5)
    assert found["middle"].by_class[CONSOLIDATION].lesion_voxels == 1
    assert found["middle"].by_class[GGO].lesion_voxels == 0


def test_the_mediastinal_border_is_not_periphery():
    study, result = blocks()
    # The hull round both lungs is rows 2 to 11, columns 2 to 23; a pixel on its border has depth 1. In both lungs the
    # deepest pixels have depth 5, so periphery is depth up to 5 / 3: the outermost row or column of the hull.
    result.labels[3, 6, 2] = GGO  # right, at the ribs
    result.labels[3, 6, 11] = GGO  # right, at the mediastinum
    result.labels[3, 2, 11] = GGO  # at the mediastinum, but at the front wall too
    found = regional(study, result)
    assert (found["peripheral"].lesion.lesion_voxels, found["central"].lesion.lesion_voxels) == (2, 1)
    assert found["peripheral"].lesion.lung_voxels == 6 * 2 * (10 + 2 * 9)  # a side of 10, two edges of 9 more
    assert found["central"].lesion.lung_voxels == 6 * 2 * (8 * 9)


def test_back_and_front_by_each_lungs_own_centre():
    study, result = blocks()
    lungs = result.lungs
    lungs[lungs == LEFT] = 0
    lungs[1:7, 0:4, 14:24] = LEFT  # rows 0 to 3: centre 1.5; the right lung's is 6.5
    result.labels[2, 3, 15] = GGO  # behind the left lung's centre, before the right's
    result.labels[2, 6, 5] = GGO
    result.labels[2, 7, 5] = CONSOLIDATION
    found = regional(study, result)
    assert (found["dorsal"].lesion.lesion_voxels, found["ventral"].lesion.lesion_voxels) == (2, 1)
    assert found["dorsal"].lesion.lung_voxels == found["ventral"].lesion.lung_voxels == 6 * (50 + 20)


def test_a_row_at_the_centre_is_not_behind_it():
    lungs = np.zeros((1, 5, 5), np.uint8)
    lungs[0, 1:4, 1:4] = RIGHT
    study = Study(np.zeros(lungs.shape, np.uint8), None, is_hu=False)
    found = regional(study, Segmentation(np.zeros_like(lungs), np.zeros(lungs.shape, np.float32), lungs))
    assert (found["dorsal"].lesion.lung_voxels, found["ventral"].lesion.lung_voxels) == (3, 6)


def test_pictures_have_no_height_and_no_ml():
    study, result = blocks()
    picture = Study(np.zeros(study.pixels.shape, np.uint8), None, is_hu=False, source={"format": "picture"})
    found = regional(picture, result)
    assert set(found) == {"peripheral", "central", "dorsal", "ventral"}
    assert found["central"].lesion.lung_ml is None
    assert set(regional(picture.with_spacing(1, 1), result)) == set(found)


def test_no_lung_has_no_share():
    study, result = blocks()
    found = regional(study, replace(result, lungs=np.zeros_like(result.lungs)))
    assert found["dorsal"].lesion.involvement_percent is None
    assert found["dorsal"].lesion.lung_voxels == 0


@pytest.mark.parametrize(("axes", "flips"), ORDERS)
def test_any_storage_order_gives_the_same_regions(axes, flips):
    study, result = blocks()
    result.labels[1, 9, 3], result.labels[5, 3, 20] = GGO, CONSOLIDATION
    assert regional(*stored(study, result, axes, flips)) == regional(study, result)


def test_each_split_adds_up_and_the_phantoms_lesions_lie_low_peripheral_and_dorsal():
    phantom = chest(slices=12, rows=96, columns=96, spacing=(17.0, 3.7, 3.7))
    result = Segmentation(phantom.labels, (phantom.labels > 0).astype(np.float32), phantom.lungs)
    found = {name: region.lesion for name, region in regional(phantom.study, result).items()}
    for split in (("upper", "middle", "lower"), ("peripheral", "central"), ("dorsal", "ventral")):
        assert sum(found[name].lesion_voxels for name in split) == np.count_nonzero(phantom.labels)
        assert sum(found[name].lung_voxels for name in split) == np.count_nonzero(phantom.lungs)
    assert found["upper"].lesion_voxels < found["lower"].lesion_voxels
    assert found["peripheral"].involvement_percent > 2 * found["central"].involvement_percent
    assert found["dorsal"].lesion_voxels > found["ventral"].lesion_voxels


@pytest.mark.parametrize("seed", [0, 1])
def test_the_hull_is_that_of_scikit_image_to_a_pixel(seed):
    mask = chest(slices=3, rows=128, columns=128, spacing=(60.0, 2.8, 2.8), seed=seed).lungs[1] > 0
    own, theirs = _hull(mask), convex_hull_image(mask, offset_coordinates=False)
    assert not (mask & ~own).any()
    grown = binary_dilation(theirs, np.ones((3, 3), bool))
    assert not (own & ~grown).any()
    assert not (theirs & ~binary_dilation(own, np.ones((3, 3), bool))).any()
    assert np.count_nonzero(own != theirs) < 0.02 * np.count_nonzero(theirs)


def test_the_hull_of_a_line_is_the_line():
    line = np.zeros((3, 5), bool)
    line[1, 1:4] = True
    assert np.array_equal(_hull(line), line)
