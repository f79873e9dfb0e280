"""The list of prepared slices beside them, and what they were made with: written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infnet.errors import InfNetError
from infnet.grey import WINDOW
from train.fitting.checkpoint import write_text

MANIFEST, SETTINGS = "manifest.csv", "prepare.json"
LUNGS_AT_LEAST = 1.0  # percent of the slice: below it are the tips of the lungs, of which a box shows little
FIELDS = (
    "file",
    "source",
    "group",
    "series",
    "slice",
    "top",
    "left",
    "bottom",
    "right",
    "rows",
    "columns",
    "window_low",
    "window_high",
    "slice_mm",
    "row_mm",
    "column_mm",
    "lung_percent",
    "error",
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What decides which slices are written; one folder holds slices of one kind."""

    every: int = 1
    lungs_at_least: float = LUNGS_AT_LEAST
    window_hu: tuple[float, float] = WINDOW
    lung_weights: str = ""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise InfNetError(f"--every {self.every}: must be at least 1; give a larger number")
        if not 0 <= self.lungs_at_least < 100:
            raise InfNetError(f"--lungs-at-least {self.lungs_at_least:g}: not a percentage; give 0 to below 100")


def take_up(out: Path, settings: Settings, resume: bool) -> list[Row]:
    """Make the folder, or take up the one of an earlier run: its rows. Raises InfNetError where it does not fit."""
    manifest = out / MANIFEST
    if (out / SETTINGS).exists() or manifest.exists():
        if not resume:
            raise InfNetError(f"{out}: holds an earlier run; give --resume to go on with it, or another folder")
        try:
            earlier = json.loads((out / SETTINGS).read_text())
            rows = list(csv.DictReader(manifest.open(newline=""))) if manifest.exists() else []
        except (OSError, ValueError):
            raise InfNetError(f"{out}: an earlier run that cannot be read; give another folder") from None
        if earlier != json.loads(json.dumps(asdict(settings))):
            raise InfNetError(f"{out}: made with other settings; resume with the same ones, or give another folder")
        return rows
    (out / "Imgs").mkdir(parents=True, exist_ok=True)
    write_text(out / SETTINGS, json.dumps(asdict(settings), indent=1) + "\n")
    return []


def save(out: Path, rows: list[Row]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out / MANIFEST, text.getvalue())
