"""Write the numbers as an Excel workbook: whole study, slices, lesions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from infnet.errors import InfNetError
from infnet.export.table import cell, leaves, summary
from infnet.measure.lesions import Lesion
from infnet.measure.statistics import Statistics
from infnet.study import Segmentation, Study

WIDEST = 60  # characters of a column


def write_excel(
    path: str | Path,
    study: Study,
    result: Segmentation,
    statistics: Statistics,
    lesions: Sequence[Lesion] = (),
) -> Path:
    """Write sheets `study` (every number of the summary, by its name), `slices` (as the CSV) and `lesions`.

    Numbers are numbers; what is unknown is an empty cell. Holds no patient's name. Raises InfNetError where openpyxl is
    not installed.
    """
    try:
        from openpyxl import Workbook
    except ImportError:
        raise InfNetError("Excel: openpyxl is not installed; run `pip install openpyxl`") from None

    book = Workbook()
    sheet = book.active
    sheet.title = "study"
    _fill(
        sheet, [{"name": ".".join(path), "value": value} for path, value in leaves(summary(study, result, statistics))]
    )
    _fill(book.create_sheet("slices"), statistics.rows())
    _fill(book.create_sheet("lesions"), [_row(lesion) for lesion in lesions])
    book.save(Path(path))
    return Path(path)


def _fill(sheet: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """A header line, which stays in sight, and the rows."""
    from openpyxl.styles import Font

    if not rows:
        return
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append([cell(value) for value in row.values()])
    for title in sheet[1]:
        title.font = Font(bold=True)
    for column in sheet.columns:
        widest = max(len(str(each.value)) for each in column if each.value is not None)
        sheet.column_dimensions[column[0].column_letter].width = min(widest + 2, WIDEST)
    sheet.freeze_panes = "B2"


def _row(lesion: Lesion) -> dict[str, Any]:
    """A lesion on one line, its positions taken apart; `slice` is the number of its largest cross-section."""
    row = asdict(lesion)
    row["slice"] = row.pop("display_slice") + 1
    for key, axes in (("centre", ("slice", "row", "column")), ("position_mm", ("left", "back", "head"))):
        values = row.pop(key) or (None, None, None)
        row |= {f"{key}_{axis}": value for axis, value in zip(axes, values, strict=True)}
    return row
