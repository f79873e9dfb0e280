"""Two dates: which slices belong together, and what has changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from infnet.geometry.affine import axial_affine
from infnet.measure.change import LESION, TOTAL, TWO_PATIENTS, align, change, trend, two_patients
from infnet.measure.statistics import measure
from infnet.phantom import chest
from infnet.study import CONSOLIDATION, GGO, RIGHT, Segmentation, Study
from tests.measure.test_statistics import tiny
from tests.orders import ORDERS, stored


def column(slices: int, low: int, high: int, step: float, head: float = 0.0) -> tuple[Study, Segmentation]:
    """A scan with lung in the slices low to high, `head` mm above the origin."""
    lungs = np.zeros((slices, 10, 10), np.uint8)
    lungs[low : high + 1, 2:8, 2:8] = RIGHT
    study = Study(np.full(lungs.shape, -850, np.int16), axial_affine((step, 1.0, 1.0), (0.0, 0.0, head)))
    return study, Segmentation(np.zeros_like(lungs), np.zeros(lungs.shape, np.float32), lungs)


def test_the_same_lungs_at_half_the_step():
    """Lungs of 200 mm: slices 2 to 21 of 10 mm, and 10 to 49 of 5 mm."""
    found = align(column(24, 2, 21, 10.0), column(60, 10, 49, 5.0, head=300.0))
    assert found.in_mm
    assert found.scale == pytest.approx(1.0)
    # Slice 2 covers 0 to 10 mm of the lungs, whose middle is the border between 10 and 11: the upper one is taken.
    assert [found.slice_at(k) for k in (2, 3, 21)] == [11, 13, 49]
    assert [found.slice_back(k) for k in (10, 11, 49)] == [2, 2, 21]
    assert found.shift_mm == pytest.approx((0, 0, 300 + 29.5 * 5 - 11.5 * 10))


def test_a_deeper_breath_is_a_scale():
    found = align(column(20, 0, 9, 10.0), column(20, 0, 11, 10.0))
    assert found.scale == pytest.approx(1.2)
    assert [found.slice_at(k) for k in (0, 9)] == [0, 11]


def test_beyond_the_lungs_it_goes_on_and_stops_at_the_ends():
    found = align(column(20, 5, 14, 5.0), column(12, 1, 10, 5.0))
    assert [found.slice_at(k) for k in (0, 4, 5, 14, 15, 19)] == [0, 0, 1, 10, 11, 11]


def test_a_study_with_itself_is_the_same_slice():
    phantom = chest(slices=9, rows=64, columns=64, spacing=(22.0, 5.6, 5.6))
    result = Segmentation(phantom.labels, np.zeros(phantom.labels.shape, np.float32), phantom.lungs)
    found = align((phantom.study, result), (phantom.study, result))
    assert [found.slice_at(k) for k in range(9)] == list(range(9))
    assert found.shift_mm == (0, 0, 0)


@pytest.mark.parametrize(("axes", "flips"), ORDERS)
def test_any_storage_order_is_aligned_alike(axes, flips):
    first, second = column(24, 2, 21, 10.0), column(60, 10, 49, 5.0)
    found, straight = align(first, stored(*second, axes, flips)), align(first, second)
    assert [found.slice_at(k) for k in range(24)] == [straight.slice_at(k) for k in range(24)]
    assert found.shift_mm == pytest.approx(straight.shift_mm)


def test_pictures_and_studies_without_lung_are_matched_by_their_slices():
    study, result = column(10, 0, 9, 5.0)
    picture = Study(np.zeros(study.pixels.shape, np.uint8), None, is_hu=False)
    empty = replace(result, lungs=np.zeros_like(result.lungs))
    found = align((picture, result), (study, empty))
    assert not found.in_mm
    assert found.shift_mm is None
    assert [found.slice_at(k) for k in (0, 4, 9)] == [0, 4, 9]


def test_change_in_ml_and_points():
    study, first = tiny()  # right: 2 GGO of 16; left: 1 consolidation of 8; one GGO outside
    labels = first.labels.copy()
    labels[0, 1:3, 0] = GGO
    labels[0, 0, 5] = 0
    rows = change(measure(study, first), measure(study, replace(first, labels=labels)))
    by_name = {(row.region, row.kind): row for row in rows}
    assert len(by_name) == 9
    voxel = 5 * 0.5 * 0.8 / 1000
    right = by_name["right lung", "ground-glass opacity"]
    assert (right.first_ml, right.second_ml) == pytest.approx((2 * voxel, 4 * voxel))
    assert (right.ml, right.points) == pytest.approx((2 * voxel, 12.5))
    left = by_name["left lung", "consolidation"]
    assert (left.ml, left.points) == pytest.approx((-voxel, -12.5))
    total = by_name[TOTAL, LESION]
    assert (total.ml, total.points) == pytest.approx((voxel, 100 / 24))


def test_what_is_unknown_at_one_date_has_no_change():
    study, first = tiny()
    flat = measure(replace(study, volumetric=False), replace(first, lungs=np.zeros_like(first.lungs)))
    rows = change(measure(study, first), flat)
    assert {row.ml for row in rows} == {row.points for row in rows} == {None}


def test_trend_has_a_row_for_each_date_region_and_class():
    statistics = measure(*tiny())
    rows = trend([("March", statistics), ("April", statistics), ("May", statistics)])
    assert [row.label for row in rows[::9]] == ["March", "April", "May"]
    assert len(rows) == 27
    march = {(row.region, row.kind): row for row in rows[:9]}
    assert march[TOTAL, LESION].percent == pytest.approx(12.5)
    assert march["left lung", "consolidation"].ml == pytest.approx(0.002)
    assert (tiny()[1].labels == CONSOLIDATION).sum() == 1


def test_two_patients_are_named_and_silence_is_not_another_patient():
    one, other, nobody = (replace(column(3, 0, 2, 1.0)[0], patient=patient) for patient in ("a", "b", ""))
    assert two_patients(one, other) == (TWO_PATIENTS,)
    assert two_patients(one, one) == two_patients(one, nobody) == two_patients(nobody, one) == ()
