"""What is written of a study: of which of its objects a result was made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from infnet.errors import InfNetError

RECORD = "record.json"
WHOLE, RUNNING = "whole", "running"  # marks in the folder of a study, for the status alone
Objects = frozenset[str]


class TooLateError(InfNetError):
    """Slices of a study whose other slices are removed already."""

    def __init__(self) -> None:
        super().__init__("slices came after the others were removed; send all again, or give more --keep-days")


@dataclass(frozen=True)
class Record:
    """Of which objects a result was made; why there is none, empty where there is; whether the objects are removed."""

    objects: tuple[str, ...]
    why: str = ""
    removed: bool = False


def read_record(path: Path) -> Record | None:
    """None where there is none."""
    try:
        values = json.loads(path.read_bytes())
        return Record(tuple(values["objects"]), values["why"], values["removed"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
