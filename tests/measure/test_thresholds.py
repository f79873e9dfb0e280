"""Thresholds read what is stored; no network runs."""

from __future__ import annotations

import numpy as np
import pytest

from infnet.errors import GeometryError, InfNetError
from infnet.geometry.affine import axial_affine
from infnet.measure.thresholds import InvolvementRange, involvement_range, mirrored, reread
from infnet.notices import warn
from infnet.pipeline.run import segment
from infnet.study import CONSOLIDATION, GGO, RIGHT, Segmentation, Study
from tests.fakes import fake_engines
from tests.orders import ORDERS, stored
from tests.pipeline.test_run import chest

SAID = warn("said", "A warning.")


def known() -> tuple[Study, Segmentation]:
    """One slice of 1 x 10 and one empty, 0.5 mm2 a pixel, all lung: lesions of 3 pixels and of 1, at 0.2 ... 0.9."""
    p = np.zeros((2, 3, 10), np.float32)
    p[0, 0] = [0.9, 0.6, 0.4, 0.3, 0, 0, 0.6, 0, 0, 0.2]
    share = np.zeros(p.shape, np.uint8)
    share[0, 0] = [255, 128, 127, 0, 0, 0, 255, 0, 0, 0]
    study = Study(np.full(p.shape, -800, np.int16), axial_affine((2.0, 0.5, 1.0)))
    labels = np.zeros(p.shape, np.uint8)
    facts = {"threshold": 0.5, "infnet": "1"}
    return study, Segmentation(labels, p, np.full(p.shape, RIGHT, np.uint8), (SAID,), facts, share)


def test_labels_by_probability_and_share():
    study, result = known()
    read = reread(study, result, 0.35)
    assert read.labels[0, 0].tolist() == [2, 2, 1, 0, 0, 0, 2, 0, 0, 0]
    assert not read.labels[1].any()
    assert read.provenance == {"threshold": 0.35, "infnet": "1", "smallest_mm2": 0.0}
    assert read.notices == (SAID,)
    assert read.probability is result.probability
    assert reread(study, result, 0.2).labels[0, 0].tolist() == [2, 2, 1, 1, 0, 0, 2, 0, 0, 1]
    assert result.provenance["threshold"] == 0.5  # the first result stays


def test_small_lesions_are_dropped_by_their_area_in_a_slice():
    study, result = known()
    # 1 pixel is 0.5 mm2
    assert reread(study, result, 0.35, 0.5).labels[0, 0].tolist() == [2, 2, 1, 0, 0, 0, 2, 0, 0, 0]
    assert reread(study, result, 0.35, 0.6).labels[0, 0].tolist() == [2, 2, 1, 0, 0, 0, 0, 0, 0, 0]
    assert reread(study, result, 0.35, 1.5).labels.sum() == 5
    assert not reread(study, result, 0.35, 1.6).labels.any()


def test_without_millimetres_the_smallest_lesion_is_in_pixels():
    study, result = known()
    picture = Study(study.pixels, None)
    read = reread(picture, result, 0.35, 2)
    assert read.labels[0, 0].tolist() == [2, 2, 1, 0, 0, 0, 0, 0, 0, 0]
    assert read.provenance["smallest_pixels"] == 2
    again = reread(picture.with_spacing(1, 1), read, 0.35)
    assert again.labels[0, 0, 6] == CONSOLIDATION
    assert "smallest_pixels" not in again.provenance


def test_a_corner_joins_lesions_and_slices_do_not():
    p = np.zeros((2, 3, 3), np.float32)
    p[0, 0, 0] = p[0, 1, 1] = p[1, 2, 2] = 0.9
    empty = np.zeros(p.shape, np.uint8)
    study = Study(empty.astype(np.int16), axial_affine((1.0, 1.0, 1.0)))
    read = reread(study, Segmentation(empty, p, empty, consolidation=empty), 0.5, 2)
    assert np.argwhere(read.labels).tolist() == [[0, 0, 0], [0, 1, 1]]


def test_the_pipelines_own_threshold_gives_the_pipelines_labels():
    study, _ = chest()
    engines = fake_engines()
    result = segment(study, engines)
    calls = engines.infection.engine.slices
    assert np.array_equal(reread(study, result, 0.5).labels, result.labels)
    assert not np.array_equal(reread(study, result, 0.95).labels, result.labels)
    assert engines.infection.engine.slices == calls


@pytest.mark.parametrize(("axes", "flips"), ORDERS)
def test_any_storage_order_reads_the_same(axes, flips):
    study, result = known()
    turned, same = stored(study, result, axes, flips)
    wanted = stored(study, reread(study, result, 0.35, 0.6), axes, flips)[1]
    assert np.array_equal(reread(turned, same, 0.35, 0.6).labels, wanted.labels)


@pytest.mark.parametrize("threshold", [0.1, 1.0, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold):
    study, result = known()
    with pytest.raises(InfNetError, match=r"must lie between 0\.2 and 1"):
        reread(study, result, threshold)
    with pytest.raises(InfNetError, match=r"must lie between 0\.2 and 1"):
        involvement_range(study, result, (threshold,))


def test_what_cannot_be_read_again_is_refused():
    study, result = known()
    bare = Segmentation(result.labels, result.probability, result.lungs)
    with pytest.raises(InfNetError, match="segment the study again"):
        reread(study, bare, 0.5)
    with pytest.raises(InfNetError, match="give mm2 of 0 or more"):
        reread(study, result, 0.5, -1.0)


def test_range_over_thresholds_and_flips():
    study, result = known()
    found = involvement_range(study, result, (0.25, 0.5, 0.95))
    assert found.percents == pytest.approx((100 * 5 / 60, 100 * 3 / 60, 0))
    assert (found.low, found.high) == pytest.approx((0, 100 * 5 / 60))
    flip = np.where(np.arange(60).reshape(2, 3, 10) < 6, np.float32(0.9), np.float32(0))
    more = involvement_range(study, result, (0.25, 0.5), flip)
    assert more.flipped == (pytest.approx((10, 10)),)
    assert (more.low, more.high) == pytest.approx((5, 10))
    assert involvement_range(study, result, (0.25, 0.5), [flip]) == more
    with pytest.raises(GeometryError, match="same grid"):
        involvement_range(study, result, flipped=flip[:1])


def test_lesion_outside_the_lungs_takes_no_part_and_no_lung_gives_no_range():
    study, result = known()
    lungs = result.lungs.copy()
    lungs[0, 0, :2] = 0
    outside = Segmentation(result.labels, result.probability, lungs)
    assert involvement_range(study, outside, (0.5,)).high == pytest.approx(100 * 1 / 58)
    none = Segmentation(result.labels, result.probability, np.zeros_like(lungs))
    assert involvement_range(study, none, (0.5,)) == InvolvementRange((0.5,), (), (), None, None)


@pytest.mark.parametrize(("axes", "flips"), ORDERS)
def test_a_mirrored_run_comes_back_on_the_same_side(axes, flips):
    study, truth = chest()
    result = segment(study, fake_engines())
    turned, same = stored(study, result, axes, flips)
    back = mirrored(turned, fake_engines())
    assert back.dtype == np.float32
    found, straight = back >= 0.5, same.labels > 0
    assert 2 * (found & straight).sum() / (found.sum() + straight.sum()) > 0.95
    assert (truth == GGO).any()
