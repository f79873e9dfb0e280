"""Write the numbers: one CSV row per slice, and one JSON summary of the study."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from infnet.measure.statistics import Statistics
from infnet.notices import unique
from infnet.study import Segmentation, Study

FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)  # begin a formula; the last four in Asian settings
DECIMALS = 4  # in the CSV; the summary keeps every digit


def write_csv(path: str | Path, statistics: Statistics) -> Path:
    """One row per slice of the source grid; an empty cell where there is no geometry or no lung.

    slice: its number in the app, from 1; source_slice: its place in the mask, from 0; position_mm: see `measure`. Where
    a person has corrected the result, corrected_pixels and network_lesion_pixels say how far.
    """
    rows = statistics.rows()
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: round(v, DECIMALS) if isinstance(v, float) else v for k, v in row.items()})
    return Path(path)


def summary(study: Study, result: Segmentation, statistics: Statistics) -> dict[str, Any]:
    """All numbers, and what they rest on: study, grid, warnings, provenance. JSON-ready, never a patient's name."""
    notices = unique(study.notices, result.notices)
    facts = {
        **statistics.summary(),
        "study": study.name,
        "shape": study.pixels.shape,
        "spacing_mm": study.spacing if study.affine is not None else None,
        "is_hu": study.is_hu,
        "volumetric": study.volumetric,
        "source": study.shown_source,
        "warnings": [notice.text for notice in notices],
        "provenance": result.provenance,
        "note": "Not for clinical use.",
    }
    return {name: plain(value) for name, value in facts.items()}


def write_json(path: str | Path, values: Mapping[str, Any]) -> Path:
    """Sorted keys, null for what is unknown, never NaN."""
    text = json.dumps(plain(values), indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    Path(path).write_text(text + "\n", encoding="utf-8", newline="\n")
    return Path(path)


def leaves(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Walk nested mappings and lists: (names from the outside in, value); the items of a list are named 0, 1, 2 ..."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            yield from leaves(value, (*path, str(name)))
    elif isinstance(values, list | tuple):
        for index, value in enumerate(values):
            yield from leaves(value, (*path, str(index)))
    else:
        yield path, values


def cell(value: Any) -> Any:
    """A value for a table that a spreadsheet may open: text stays on one line, and is never run as a formula."""
    value = plain(value)
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def printable(text: str) -> str:
    """`text` with "?" for line breaks, escapes and what no file can hold; a name of a file may have them."""
    return "".join(c if c.isprintable() else "?" for c in text)


def plain(value: Any) -> Any:
    """`value` in JSON's own types: arrays as lists, NaN and infinity as None, anything unknown by its text."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(v) for v in value)
    return str(value)
