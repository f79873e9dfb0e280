from __future__ import annotations

from dataclasses import replace

from infnet.export.methods import CITATION, methods
from infnet.measure.thresholds import reread
from infnet.pipeline.run import segment
from tests.fakes import fake_engines
from tests.measure.test_statistics import tiny
from tests.pipeline.test_run import chest


def test_it_says_what_was_run_and_how_it_was_read():
    study, _ = chest()
    text = methods(reread(study, segment(study, fake_engines()), 0.4, 12.5))
    assert "infnet 0.1.0" in text
    for role, size in (("lungs", 256), ("infection", 352), ("classes", 352)):
        assert f"fake-{role} (SHA-256 000000000000, input {size} x {size} pixels, run by fake)" in text
    assert "infection probability of 0.4" in text
    assert "at least half of it" in text
    assert "less than 12.5 mm2" in text
    assert "-1150 to 250 HU" in text
    assert "research use only" in text
    paragraph, citation = text.split("\n\n")
    assert citation == CITATION
    assert "\n" not in paragraph


def test_another_threshold_of_consolidation_is_named():
    _, result = tiny()
    text = methods(replace(result, provenance={"threshold": 0.5}, consolidation_threshold=0.6))
    assert "at least 60 % of it" in text


def test_what_is_not_known_is_left_out():
    _, result = tiny()
    text = methods(replace(result, provenance={}))
    assert "SHA-256" not in text
    assert "None" not in text
    assert text.endswith(CITATION)
    assert "dropped" not in methods(replace(result, provenance={"smallest_mm2": 0.0}))
