"""What the studies of a cohort are called where others may look: by numbers, and a private list of which is which."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from infnet.errors import InfNetError
from infnet.files import replacing

INDEX = "names.json"  # {"input": folder, "studies": {"study_1": name in it, ...}}


def numbered(out: Path, folder: Path, paths: Sequence[Path], begun: bool) -> list[str]:
    """`study_1` and so on for the studies in `folder`, by INDEX in `out`, to which new ones are added at the end.

    begun: there are rows that it numbered. Only the user can read INDEX. Raises InfNetError where it is damaged, of
    another folder, or lost while there are rows: their numbers would mean others.
    """
    index, source = out / INDEX, str(folder.resolve())
    listed, names = _read(index) if begun or index.exists() else (source, [])
    if listed != source:
        raise InfNetError(f"{out}: holds results of another folder than {folder}; choose another one")
    known = set(names)
    if new := [path.name for path in paths if path.name not in known]:
        names += new
        with replacing(index) as beside:
            os.close(os.open(beside, os.O_CREAT | os.O_WRONLY, 0o600))  # private before anything is in it
            studies = {f"study_{number}": name for number, name in enumerate(names, 1)}
            beside.write_text(json.dumps({"input": source, "studies": studies}, indent=1))
    numbers = {name: f"study_{number}" for number, name in enumerate(names, 1)}
    return [numbers[path.name] for path in paths]


def _read(index: Path) -> tuple[str, list[str]]:
    """The folder that it lists, and the names in it by their numbers."""
    try:
        known = json.loads(index.read_bytes())
        source, studies = known["input"], known["studies"]
        names = [studies[f"study_{number}"] for number in range(1, len(studies) + 1)]
        if isinstance(source, str) and all(isinstance(name, str) for name in names):
            return source, names
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        pass
    raise InfNetError(
        f"{index}: missing or damaged, and without it nobody knows which study is which; put it back, or choose "
        "another folder"
    )
