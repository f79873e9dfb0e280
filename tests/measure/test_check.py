"""A result against a reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from infnet.errors import GeometryError, InfNetError
from infnet.geometry.affine import axial_affine
from infnet.measure.check import check, difference, doubts, misplaced, placed
from infnet.measure.metrics import Scores, all_scores
from infnet.notices import warn
from infnet.study import CONSOLIDATION, GGO, Segmentation, Study
from tests.orders import ORDERS, stored


def found() -> Segmentation:
    """Three slices of 4 x 4: GGO of 4 pixels, consolidation of 2, and nothing."""
    labels = np.zeros((3, 4, 4), np.uint8)
    labels[0, 1:3, 1:3], labels[1, 0, 0:2] = GGO, CONSOLIDATION
    p = np.where(labels > 0, np.float32(0.8), np.float32(0.1))
    share = np.where(labels == CONSOLIDATION, 255, 0).astype(np.uint8)
    return Segmentation(labels, p, np.ones_like(labels), consolidation=share)


def test_the_papers_measures_are_means_over_the_slices_with_lesion():
    result = found()
    reference = np.zeros((3, 4, 4), np.uint8)
    reference[0, 1:3, 1:4] = 255  # 6 pixels, 4 of them found
    reference[2, 0, 0] = 255  # missed
    got = check(result, reference)
    assert list(got) == ["infection"]
    infection = got["infection"]
    rows = [all_scores(result.probability[k], reference[k] > 0) for k in (0, 2)]
    assert infection.scores == pytest.approx(tuple(np.mean(rows, axis=0)))
    assert isinstance(infection.scores, Scores)
    assert infection.slices == 2
    assert infection.plain_dice == pytest.approx(2 * 4 / (6 + 7))  # of 6 found and 7 true


def test_classes_where_the_reference_names_them():
    result = found()
    got = check(result, result.labels)
    assert {name: each.plain_dice for name, each in got.items()} == {"infection": 1, "ggo": 1, "consolidation": 1}
    assert {name: each.slices for name, each in got.items()} == {"infection": 2, "ggo": 1, "consolidation": 1}
    ggo = all_scores(np.where(result.labels[0] == GGO, 0.8, 0.1), result.labels[0] == GGO)
    assert got["ggo"].scores == pytest.approx(ggo)


def test_a_class_that_the_reference_lacks_has_no_scores():
    reference = np.zeros((3, 4, 4), np.int16)
    reference[1, 0, 0:2] = 2
    ggo = check(found(), reference)["ggo"]
    assert (ggo.scores, ggo.slices, ggo.plain_dice) == (None, 0, 0)
    empty = check(found(), np.zeros((3, 4, 4)))
    assert empty["infection"].scores is None


def test_a_result_without_shares_is_scored_by_its_mask():
    result = found()
    bare = Segmentation(result.labels, result.probability, result.lungs)
    assert check(bare, result.labels)["consolidation"].plain_dice == 1
    assert check(bare, result.labels)["consolidation"].scores.mae == 0


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float64])
def test_binary_references_of_any_type(dtype):
    reference = (found().labels > 0).astype(dtype)
    assert check(found(), reference)["infection"].plain_dice == 1
    assert difference(found(), reference).max() == 1


def test_another_shape_or_other_values_are_refused():
    with pytest.raises(InfNetError, match=r"1 x 4 x 4 voxels where the study has 3 x 4 x 4.*on these very slices"):
        check(found(), np.zeros((1, 4, 4)))
    for values in ([0, 1, 3], [0, 0.5, 1], [0, 128, 255], [-1, 0, 1]):
        reference = np.zeros((3, 4, 4))
        reference[0, 0, :3] = values
        with pytest.raises(InfNetError, match="holds the values"):
            check(found(), reference)
        with pytest.raises(InfNetError, match="holds the values"):
            difference(found(), reference)


def test_difference_by_hand():
    reference = np.zeros((3, 4, 4), np.uint8)
    reference[0, 1, 1:4] = 1
    marks = difference(found(), reference)
    assert marks.dtype == np.uint8
    assert marks[0].tolist() == [[0, 0, 0, 0], [0, 1, 1, 3], [0, 2, 2, 0], [0, 0, 0, 0]]
    assert marks[1, 0].tolist() == [2, 2, 0, 0]


@pytest.mark.parametrize(("axes", "flips"), ORDERS)
def test_a_mask_stored_in_another_order_is_turned_to_the_study(axes, flips):
    mask = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    study = Study(np.zeros((2, 3, 4), np.int16), axial_affine((5.0, 1.0, 1.0)))
    empty = Segmentation(*(np.zeros(mask.shape, t) for t in (np.uint8, np.float32, np.uint8)))
    reference, _ = stored(study.with_pixels(mask), empty, axes, flips)
    assert np.array_equal(placed(study, reference), mask)


def test_a_mask_of_elsewhere_or_of_another_size_is_refused():
    study = Study(np.zeros((2, 3, 4), np.int16), axial_affine((5.0, 1.0, 1.0)))
    elsewhere = Study(study.pixels, axial_affine((5.0, 1.0, 1.0), (0.0, 0.0, 60.0)))
    with pytest.raises(GeometryError, match="60 mm beside the study"):
        placed(study, elsewhere)
    with pytest.raises(GeometryError, match="2 x 3 x 3 voxels"):
        placed(study, Study(study.pixels[:, :, :3], study.affine))
    picture = Study(np.ones((2, 3, 4), np.uint8), None, is_hu=False)
    assert placed(study, picture) is picture.pixels


def test_a_mask_of_another_format_that_cannot_overlap_is_refused():
    pixels = np.zeros((4, 6, 8), np.int16)
    study = Study(pixels, axial_affine((5.0, 1.0, 1.0), (0.0, 0.0, 0.0)), source={"format": "DICOM"})
    mask = Study(pixels, axial_affine((5.0, 1.0, 1.0), (3.0, 0.0, 0.0)), False, "mask", source={"format": "NIfTI"})
    assert placed(study, mask).shape == pixels.shape
    far = replace(mask, affine=axial_affine((5.0, 1.0, 1.0), (9.0, 0.0, 0.0)))
    with pytest.raises(GeometryError, match=r"^mask: lies in another part of space than the study; give the reference"):
        placed(study, far)
    placed(study, far.with_notices(warn("orientation-assumed", "No place is known.")))


def test_a_mask_that_lies_beside_the_study_is_said():
    pixels = np.zeros((4, 6, 8), np.int16)
    study = Study(pixels, axial_affine((5.0, 1.0, 1.0)), source={"format": "DICOM"})

    def words(spacing: tuple[float, float, float], origin: tuple[float, float, float]) -> list[str]:
        mask = Study(pixels, axial_affine(spacing, origin), False, source={"format": "NIfTI"})
        assert placed(study, mask).shape == pixels.shape
        return [notice.text for notice in misplaced(study, mask)]

    assert words((5.0, 1.0, 1.0), (3.0, 0.0, 0.0)) == []
    assert "up to 6 mm beside" in words((5.0, 1.0, 1.0), (6.0, 0.0, 0.0))[0]
    assert "up to 16 mm beside" in words((9.0, 1.0, 1.0), (0.0, 0.0, 2.0))[0]  # 4 slices of 9 mm, not of 5
    picture = Study(np.ones((4, 6, 8), np.uint8), None, is_hu=False)
    assert misplaced(study, picture) == ()


def test_a_mask_that_meets_neither_lungs_nor_lesions_is_doubted():
    result = found()
    result.lungs[:, 3] = 0
    reference = np.zeros((3, 4, 4), np.uint8)
    assert doubts(result, reference) == ()
    assert doubts(result, result.labels) == ()
    reference[0, 3, :3] = 1
    reference[1, 2, 2:] = 1  # 2 of 5 in the lungs, none on a lesion
    outside, apart = doubts(result, reference)
    assert (outside.code, apart.code) == ("reference-outside-lungs", "reference-apart")
    assert outside.text.startswith("60 % of the reference")
    assert "Dice 0.000" in apart.text
    reference[0, 1:3, 1:3] = 1  # 6 of 9 in the lungs, and 4 on a lesion
    assert doubts(result, reference) == ()
    nothing = replace(result, labels=np.zeros_like(result.labels))
    assert doubts(nothing, reference) == ()
