"""Every kind of odd file in docs/odd-files.md, made from the phantom, becomes what the page says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import infnet
from infnet.errors import InfNetError
from infnet.notices import NO_MILLIMETRES, WINDOW_GUESSED

from .catalogue.kind import chest
from .catalogue.table import FAMILIES, PAGE, Kind, kinds

KINDS = kinds()
OF_EVERY_PICTURE = {WINDOW_GUESSED, NO_MILLIMETRES}


def tried(kind: Kind, folder: Path) -> infnet.Study | None:
    """Make it, and read it where it is something to read."""
    path = FAMILIES[kind.family][kind.what](folder)
    return None if path is None else infnet.read(path)


@pytest.mark.parametrize("kind", [k for k in KINDS if k.outcome == "E"], ids=lambda k: f"{k.number} {k.what}")
def test_it_is_refused_in_one_line(kind, tmp_path):
    with pytest.raises(InfNetError) as error:
        tried(kind, tmp_path)
    line = str(error.value)
    assert line.isprintable()
    assert kind.says in line
    _, _, rest = line.partition(": ")
    assert all(rest.partition("; ")), line  # what: reason; what to do


@pytest.mark.parametrize("kind", [k for k in KINDS if k.outcome == "W"], ids=lambda k: f"{k.number} {k.what}")
def test_it_is_used_and_its_warning_travels(kind, tmp_path):
    study = tried(kind, tmp_path)
    assert kind.says in {notice.code for notice in study.notices}
    assert kind.why.count("no volumes") <= (not study.volumetric)


@pytest.mark.parametrize("kind", [k for k in KINDS if k.outcome == "R"], ids=lambda k: f"{k.number} {k.what}")
def test_it_is_used_without_a_word(kind, tmp_path):
    study = tried(kind, tmp_path)
    if study is not None:
        assert {notice.code for notice in study.notices} <= OF_EVERY_PICTURE
        assert not study.is_hu or np.array_equal(study.pixels, chest().pixels)


def test_the_page_and_the_makers_are_the_same_list():
    assert [kind.number for kind in KINDS] == list(range(1, len(KINDS) + 1))
    for family, makers in FAMILIES.items():
        assert [kind.what for kind in KINDS if kind.family == family] == list(makers), family
    assert {kind.family for kind in KINDS} == set(FAMILIES)


def test_the_page_counts_right():
    text, counts = PAGE.read_text(encoding="utf-8"), Counter(kind.outcome for kind in KINDS)
    assert f"What becomes of {len(KINDS)} kinds" in text
    for outcome, words in {"E": "{} kinds)", "W": "every result ({})", "R": "any other file ({})"}.items():
        assert words.format(counts[outcome]) in text
