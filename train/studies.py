"""The studies in the paths that somebody gives, and a name for each that tells nobody's name."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from infnet.errors import InfNetError
from infnet.read import sniff
from infnet.read.files import File, NotUsed, entries, one_line


@dataclass(frozen=True)
class Source:
    """One study on disk. `label`: its path below the PATH that was given."""

    path: Path
    label: str

    @property
    def group(self) -> str:
        """Name of the group in files: the same for the same place on disk, and tells nobody's name."""
        return hashlib.sha256(os.fsencode(self.path.resolve())).hexdigest()[:10]


def sources(paths: list[Path], out: Path) -> list[Source]:
    """The studies in `paths`, in natural order, each once. `out` is never taken for one. Raises InfNetError."""
    by_path: dict[Path, Source] = {}
    for path in paths:
        if not path.exists():
            raise InfNetError(f"{path}: no such file or folder; check the path")
        inside = [path] if not path.is_dir() or _is_study(path) else entries(path)
        for each in inside:
            if each.resolve() != out.resolve():
                label = each.name or each.resolve().name if each == path else f"{path.resolve().name}/{each.name}"
                by_path.setdefault(each.resolve(), Source(each, one_line(label)))
    if not by_path:
        raise InfNetError(f"{paths[0]}: nothing in it; give CT studies or a folder of them")
    return list(by_path.values())


def _is_study(folder: Path) -> bool:
    """Whether slices lie in `folder` itself, so that all in it belongs together."""
    for path in entries(folder):
        try:
            if path.is_file() and sniff.kind_of(File(path, path.name)) in ("dicom", "picture"):
                return True
        except (NotUsed, InfNetError):
            continue
    return False
