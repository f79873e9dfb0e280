"""Notices are told apart by code, level and text; nothing reads the sentences."""

from __future__ import annotations

from infnet.notices import Notice, has, unique, warn, without

GAP, TILT = warn("gap", "A slice is missing."), warn("tilt", "The gantry was tilted.")
LARGER_GAP = warn("gap", "Two slices are missing.")


def test_warn_is_a_notice_of_that_level():
    assert warn("gap", "A slice is missing.") == Notice("gap", "warn", "A slice is missing.")
    assert Notice("gap", "stop", GAP.text) != GAP


def test_unique_keeps_the_order_and_each_notice_once():
    assert unique((TILT, GAP), [GAP, LARGER_GAP], ()) == (TILT, GAP, LARGER_GAP)
    assert unique() == ()


def test_has_and_without_go_by_the_code_alone():
    assert has((TILT, LARGER_GAP), "gap")
    assert not has((TILT,), "gap")
    assert not has((), "gap")
    assert without((GAP, TILT, LARGER_GAP), "gap") == (TILT,)
    assert without((TILT,), "gap") == (TILT,)
