from __future__ import annotations

from dataclasses import replace

import numpy as np
import openpyxl
import pytest

from infnet.export.excel import write_excel
from infnet.measure.lesions import lesions
from infnet.measure.statistics import measure
from infnet.notices import warn
from tests.measure.test_statistics import tiny


@pytest.fixture
def book(tmp_path):
    study, result = tiny()
    study = replace(study, name="=cmd()", notices=(warn("gap", "a gap"),))
    path = write_excel(tmp_path / "n.xlsx", study, result, measure(study, result), lesions(study, result))
    return openpyxl.load_workbook(path)


def test_the_study_by_name(book):
    assert book.sheetnames == ["study", "slices", "lesions"]
    values = dict(book["study"].iter_rows(min_row=2, values_only=True))
    assert values["lesion_volume_ml"] == pytest.approx(0.008)
    assert values["by_lung.right.ggo.involvement_percent"] == pytest.approx(12.5)
    assert values["warnings.0"] == "a gap"
    assert values["study"] == "'=cmd()"
    assert values["note"] == "Not for clinical use."


def test_slices_and_lesions_are_tables_of_numbers(book):
    head, first, second = book["slices"].iter_rows(values_only=True)
    assert dict(zip(head, first, strict=True))["lesion_mm2"] == pytest.approx(0.8)
    assert second[0] == 2
    head, *rows = book["lesions"].iter_rows(values_only=True)
    assert len(rows) == 3
    largest = dict(zip(head, rows[0], strict=True))
    assert (largest["number"], largest["voxels"], largest["lung"]) == (1, 2, "right")
    assert largest["position_mm_head"] in (0, 5)


def test_the_unknown_is_empty_and_no_lesion_is_no_row(tmp_path):
    study, result = tiny()
    result = replace(result, labels=np.zeros_like(result.labels), lungs=np.zeros_like(result.lungs))
    book = openpyxl.load_workbook(write_excel(tmp_path / "n.xlsx", study, result, measure(study, result)))
    values = dict(book["study"].iter_rows(min_row=2, values_only=True))
    assert values["involvement_percent"] is None
    assert book["lesions"].max_row == 1
