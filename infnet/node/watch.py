"""A folder in which studies appear: a folder, zip or file each. They are read where they lie, and left there."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from infnet.cohort.names import INDEX, numbered
from infnet.cohort.row import Case
from infnet.errors import InfNetError
from infnet.node.record import Objects
from infnet.read.files import entries


class Watched:
    """The studies of a folder, by the numbers of a private list in `out` (INDEX).

    quiet: seconds for which nothing in a study changed when it counts as whole. Raises InfNetError where `folder` is
    missing, or `out` holds the list of another folder.
    """

    def __init__(self, folder: Path, out: Path, quiet: float) -> None:
        if not folder.is_dir():
            raise InfNetError(f"{folder}: no such folder; give one in which studies appear")
        self._folder, self._out, self._quiet = folder, out, quiet
        self._seen: dict[str, tuple[str, float]] = {}  # by number: what it looked like, and since when
        self._cases()

    def _cases(self) -> list[Case]:
        paths = [path for path in entries(self._folder) if path.resolve() != self._out.resolve()]
        names = numbered(self._out, self._folder, paths, begun=(self._out / INDEX).exists())
        return [Case(name, path) for name, path in zip(names, paths, strict=True)]

    def cases(self) -> Iterator[tuple[Case, Objects]]:
        """The studies that are whole, each with what it looks like."""
        cases, now = self._cases(), time.monotonic()
        for case in cases:
            looks = _looks(case.path)
            before, since = self._seen.get(case.name, ("", now))
            self._seen[case.name] = (looks, since if looks == before else now)
            if looks == before and now - since >= self._quiet:
                yield case, frozenset([looks])

    def objects(self, case: Case) -> Objects:
        """What a study looks like now."""
        return frozenset([_looks(case.path)])


def _looks(path: Path) -> str:
    """A sum over names, sizes and times of change of all files in a study; it names nobody."""
    found = [path]
    for base, folders, names in os.walk(path):
        folders.sort()
        found += [Path(base) / name for name in sorted(names)]
    total = hashlib.sha256()
    for file in found:
        try:
            facts = file.stat()
        except OSError:  # gone again
            continue
        total.update(f"{file.relative_to(path)}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode("utf-8", "replace"))
    return total.hexdigest()[:32]
