from __future__ import annotations

from dataclasses import replace

import pytest

from infnet.measure.severity import Severity, severity, study_severity
from infnet.measure.statistics import measure
from infnet.study import LEFT, RIGHT
from tests.measure.test_statistics import tiny


@pytest.mark.parametrize(
    ("percent", "score"),
    [(0, 0), (0.001, 1), (4.999, 1), (5, 2), (24.9, 2), (25, 3), (49.9, 3), (50, 4), (74.9, 4), (75, 5), (100, 5)],
)
def test_a_step_begins_at_its_lower_limit(percent, score):
    assert severity(percent).score == score


def test_the_label_says_the_step():
    assert severity(30) == Severity(3, "25 to 50 %", 30.0)
    assert severity(0).label == "none"


@pytest.mark.parametrize("percent", [-1, 100.1, float("nan")])
def test_a_share_lies_between_0_and_100(percent):
    with pytest.raises(ValueError, match="between 0 and 100"):
        severity(percent)


def test_each_lung_and_their_sum():
    found = study_severity(measure(*tiny()))  # right 2 of 16, left 1 of 8: both 12.5 %
    assert [found.by_lung[lung].score for lung in (RIGHT, LEFT)] == [2, 2]
    assert (found.total, found.highest) == (4, 10)


def test_a_lung_that_was_not_found_has_no_score_and_leaves_no_sum():
    study, result = tiny()
    lungs = result.lungs.copy()
    lungs[lungs == LEFT] = 0
    found = study_severity(measure(study, replace(result, lungs=lungs)))
    assert found.by_lung[LEFT] is None
    assert found.by_lung[RIGHT].score == 2
    assert found.total is None
