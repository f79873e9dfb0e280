"""The numbers, worked out by hand on arrays small enough to count."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from infnet.errors import GeometryError
from infnet.geometry.affine import axial_affine
from infnet.measure.connected import number_lesions
from infnet.measure.statistics import measure
from infnet.phantom import chest
from infnet.study import CONSOLIDATION, GGO, LEFT, RIGHT, Segmentation, Study


def tiny() -> tuple[Study, Segmentation]:
    """Two slices of 4 x 6; a slice has 8 voxels of right lung and 4 of left.

    Inside the lungs 2 voxels of GGO and 1 of consolidation, outside 1 of GGO.
    """
    lungs = np.zeros((2, 4, 6), np.uint8)
    lungs[:, :, 0:2] = RIGHT
    lungs[:, 0:2, 4:6] = LEFT
    labels = np.zeros((2, 4, 6), np.uint8)
    labels[0, 0, 0] = GGO
    labels[1, 1, 1] = GGO  # touches the one above by a corner only
    labels[0, 0, 5] = CONSOLIDATION
    labels[1, 3, 3] = GGO  # in no lung
    pixels = np.full((2, 4, 6), 40, np.int16)
    pixels[lungs > 0] = -900
    pixels[labels == GGO] = -600
    pixels[labels == CONSOLIDATION] = 0
    study = Study(pixels, axial_affine((5.0, 0.5, 0.8)), name="tiny")
    return study, Segmentation(labels, (labels > 0).astype(np.float32), lungs)


def test_whole_study():
    numbers = measure(*tiny()).summary()
    voxel = 5 * 0.5 * 0.8 / 1000
    assert numbers["lesion_volume_ml"] == pytest.approx(4 * voxel)
    assert numbers["lung_volume_ml"] == pytest.approx(24 * voxel)
    assert numbers["involvement_percent"] == pytest.approx(100 * 3 / 24)  # the one outside takes no part
    assert numbers["lesion_pixels"] == 4
    assert numbers["outside_pixels"] == 1
    assert numbers["mean_hu_lesion"] == pytest.approx((-600 * 3 + 0) / 4)
    assert numbers["mean_hu_lung"] == pytest.approx((-900 * 21 - 600 * 2 + 0) / 24)


def test_by_class_and_by_lung():
    numbers = measure(*tiny()).summary()
    voxel = 5 * 0.5 * 0.8 / 1000
    ggo, consolidation = numbers["by_class"]["ggo"], numbers["by_class"]["consolidation"]
    assert (ggo["lesion_pixels"], consolidation["lesion_pixels"]) == (3, 1)
    assert ggo["involvement_percent"] == pytest.approx(100 * 2 / 24)
    assert (ggo["mean_hu"], consolidation["mean_hu"]) == (-600, 0)
    right, left = numbers["by_lung"]["right"], numbers["by_lung"]["left"]
    assert right["lung_volume_ml"] == pytest.approx(16 * voxel)
    assert right["lesion_volume_ml"] == pytest.approx(2 * voxel)
    assert right["involvement_percent"] == pytest.approx(100 * 2 / 16)
    assert right["consolidation"]["lesion_pixels"] == 0
    assert left["involvement_percent"] == pytest.approx(100 / 8)
    assert left["consolidation"]["lesion_volume_ml"] == pytest.approx(voxel)
    assert left["ggo"]["lesion_volume_ml"] == 0


def test_per_slice():
    first, second = measure(*tiny()).rows()
    assert (first["slice"], second["slice"]) == (1, 2)
    assert (first["source_slice"], second["source_slice"]) == (0, 1)
    assert (first["lesion_pixels"], first["ggo_pixels"], first["consolidation_pixels"]) == (2, 1, 1)
    assert first["lesion_mm2"] == pytest.approx(2 * 0.4)
    assert first["lung_mm2"] == pytest.approx(12 * 0.4)
    assert first["lesion_percent"] == pytest.approx(100 * 2 / 12)
    assert first["right_lesion_percent"] == pytest.approx(100 / 8)
    assert first["left_consolidation_mm2"] == pytest.approx(0.4)
    assert (second["lesion_pixels"], second["outside_pixels"]) == (2, 1)
    assert second["lesion_percent"] == pytest.approx(100 / 12)


def test_slices_add_up_to_the_study():
    phantom = chest(slices=5, rows=64, columns=64, spacing=(40, 5, 5))
    result = Segmentation(phantom.labels, np.zeros(phantom.labels.shape, np.float32), phantom.lungs)
    statistics = measure(phantom.study, result)
    total = statistics.summary()
    for key in ("lesion_pixels", "lung_pixels", "outside_pixels"):
        assert (
            sum(row[key] for row in statistics.rows())
            == total[key]
            == {
                "lesion_pixels": np.count_nonzero(phantom.labels),
                "lung_pixels": np.count_nonzero(phantom.lungs),
                "outside_pixels": 0,
            }[key]
        )


def test_lesions_are_joined_through_slices_by_a_corner():
    statistics = measure(*tiny())
    assert statistics.counted_in_3d
    assert statistics.lesion_count == 3


def test_without_volume_lesions_are_counted_slice_by_slice():
    study, result = tiny()
    statistics = measure(replace(study, volumetric=False), result)
    assert not statistics.counted_in_3d
    assert statistics.lesion_count == 4
    assert "per slice" in statistics.summary()["lesion_count_rule"]


def test_touching_classes_are_one_lesion():
    labels = np.zeros((1, 3, 4), np.uint8)
    labels[0, 1, 1], labels[0, 2, 2] = GGO, CONSOLIDATION  # by a corner: 8 neighbours
    study = Study(np.zeros((1, 3, 4), np.int16), None)
    result = Segmentation(labels, np.zeros(labels.shape, np.float32), np.ones_like(labels))
    assert measure(study, result).lesion_count == 1


@pytest.mark.parametrize("codes", [(GGO, CONSOLIDATION), (CONSOLIDATION, GGO), (CONSOLIDATION, CONSOLIDATION)])
def test_lesions_are_numbered_in_the_box_of_both_classes(codes):
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1, 3, 2], labels[3, 2, 5] = codes
    numbered, corner, count = number_lesions(labels, volumetric=True)
    assert (numbered.shape, corner, count) == ((3, 2, 4), (1, 2, 2), 2)
    assert (numbered[0, 1, 0], numbered[2, 0, 3]) == (1, 2)
    assert np.count_nonzero(numbered) == 2


@pytest.mark.parametrize("side", [400, 600])
def test_lesions_may_be_more_than_a_short_number_holds(side):
    labels = np.zeros((1, side, side), np.uint8)
    labels[0, ::2, ::2] = GGO  # none touches another
    numbered, _, count = number_lesions(labels, volumetric=False)
    assert count == (side // 2) ** 2 == numbered.max()
    assert len(np.unique(numbered)) == count + 1


def test_a_picture_has_pixels_and_shares_but_no_millimetres_and_no_hu():
    study, result = tiny()
    picture = Study(study.pixels.clip(0, 255).astype(np.uint8), None, is_hu=False)
    numbers = measure(picture, result).summary()
    assert numbers["lesion_volume_ml"] is None
    assert numbers["lung_volume_ml"] is None
    assert numbers["by_lung"]["left"]["ggo"]["lesion_volume_ml"] is None
    assert numbers["mean_hu_lesion"] is None
    assert numbers["by_class"]["ggo"]["mean_hu"] is None
    assert numbers["involvement_percent"] == pytest.approx(12.5)
    row = measure(picture, result).rows()[0]
    assert row["lesion_mm2"] is None
    assert row["lesion_pixels"] == 2


def test_a_picture_with_spacing_has_areas_but_no_volume():
    study, result = tiny()
    picture = Study(study.pixels.clip(0, 255).astype(np.uint8), None, is_hu=False).with_spacing(0.5, 0.5)
    statistics = measure(picture, result)
    assert statistics.summary()["lesion_volume_ml"] is None
    assert statistics.rows()[0]["lesion_mm2"] == pytest.approx(2 * 0.25)


def test_no_lung_and_no_lesion_give_null_not_nan():
    empty = np.zeros((2, 3, 3), np.uint8)
    study = Study(empty.astype(np.int16), axial_affine((1.0, 1.0, 1.0)))
    statistics = measure(study, Segmentation(empty, empty.astype(np.float32), empty))
    numbers = statistics.summary()
    assert numbers["involvement_percent"] is None
    assert numbers["mean_hu_lung"] is None
    assert numbers["lesion_count"] == 0
    assert numbers["lesion_volume_ml"] == 0
    json.dumps(numbers, allow_nan=False)


def test_lung_all_diseased_is_100_percent():
    full = np.full((1, 3, 3), RIGHT, np.uint8)
    study = Study(np.zeros((1, 3, 3), np.int16), None)
    numbers = measure(study, Segmentation(np.full_like(full, GGO), np.ones(full.shape, np.float32), full)).summary()
    assert numbers["involvement_percent"] == 100
    assert numbers["by_lung"]["left"]["involvement_percent"] is None


def test_a_result_of_another_grid_is_refused():
    study, result = tiny()
    with pytest.raises(GeometryError, match="differ in shape"):
        measure(Study(study.pixels[:1], study.affine), result)
