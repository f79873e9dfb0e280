"""What takes seconds to build is kept in the user's cache folder, and used only while its checksums are right."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from infnet.files import sha256, staging

SUMS = "sums.json"  # written last: what lacks it was never finished


def folder() -> Path:
    """INFNET_CACHE, or `infnet` in the cache folder that the system gives its user."""
    if chosen := os.environ.get("INFNET_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "infnet" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "infnet"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "infnet"


def find(name: str) -> Path | None:
    """The kept folder of this name, after the SHA-256 of every file in it was found right; None without one."""
    kept = folder() / name
    try:
        sums = json.loads((kept / SUMS).read_text())
        whole = bool(sums) and all(sha256(kept / file) == known for file, known in sums.items())
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    return kept if whole else None


def keep(name: str, write: Callable[[Path], None]) -> None:
    """Let `write` fill a folder, then put it in place under `name` in one step; where that fails, keep nothing."""
    kept = folder() / name
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with staging(kept.parent) as filled:
            write(filled)
            sums = {file.name: sha256(file) for file in sorted(filled.iterdir())}
            (filled / SUMS).write_text(json.dumps(sums))
            if kept.exists():  # damaged, or just finished by somebody else
                shutil.rmtree(kept)
            filled.rename(kept)
    except (OSError, RuntimeError):  # closed, full or no folder at all; OpenVINO words its own as RuntimeError
        pass
