"""The table and the summary: every number, null for the unknown, no patient's name."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from infnet.export.table import leaves, plain, summary, write_csv, write_json
from infnet.measure.statistics import measure
from infnet.notices import warn
from infnet.study import Study
from tests.measure.test_statistics import tiny


def test_csv_has_a_row_per_slice(tmp_path):
    statistics = measure(*tiny())
    text = write_csv(tmp_path / "s.csv", statistics).read_bytes()
    assert b"\r" not in text
    rows = list(csv.DictReader(text.decode().splitlines()))
    assert [row["slice"] for row in rows] == ["1", "2"]
    assert rows[0]["lesion_mm2"] == "0.8"
    assert rows[0]["lesion_percent"] == "16.6667"


def test_csv_leaves_the_unknown_empty(tmp_path):
    study, result = tiny()
    picture = Study(study.pixels.clip(0, 255).astype(np.uint8), None, is_hu=False)
    rows = list(csv.DictReader(write_csv(tmp_path / "s.csv", measure(picture, result)).read_text().splitlines()))
    assert rows[0]["lesion_mm2"] == ""
    assert rows[0]["lesion_pixels"] == "2"


def test_summary_says_what_the_numbers_rest_on():
    study, result = tiny()
    study = Study(
        study.pixels,
        study.affine,
        notices=(warn("gap", "a gap"),),
        source={"format": "dicom", "modality": "CT", "patient": "Doe^Jane", "path": "/home/doe/scan"},
    )
    result = type(result)(
        result.labels,
        result.probability,
        result.lungs,
        (warn("gap", "a gap"), warn("no-lung", "no lungs")),
        {"threshold": 0.5},
    )
    values = summary(study, result, measure(study, result))
    assert values["shape"] == [2, 4, 6]
    assert values["spacing_mm"] == pytest.approx([5.0, 0.5, 0.8])
    assert values["warnings"] == ["a gap", "no lungs"]
    assert values["provenance"] == {"threshold": 0.5}
    assert values["source"] == {"format": "dicom", "modality": "CT"}
    assert "doe" not in json.dumps(values).lower()
    assert values["lesion_pixels"] == 4


def test_json_is_sorted_and_strict(tmp_path):
    path = write_json(tmp_path / "a.json", {"b": np.float32(np.nan), "a": np.int64(3), "c": [np.inf, 1.5]})
    assert path.read_text() == '{\n  "a": 3,\n  "b": null,\n  "c": [\n    null,\n    1.5\n  ]\n}\n'


def test_plain_knows_the_types_that_provenance_holds(tmp_path):
    assert plain({"a": (1, np.array([1.0, np.nan])), 2: tmp_path, "s": {"y", "x"}, "t": True}) == {
        "a": [1, [1.0, None]],
        "2": str(tmp_path),
        "s": ["x", "y"],
        "t": True,
    }


def test_leaves_name_each_value_by_the_path_to_it():
    nested = {"a": 1, "b": {"c": None, "d": [2, {"e": "text"}]}, "f": {}, "g": ()}
    assert list(leaves(nested)) == [
        (("a",), 1),
        (("b", "c"), None),
        (("b", "d", "0"), 2),
        (("b", "d", "1", "e"), "text"),
    ]
