"""What takes seconds to build is kept in the user's cache folder, and believed only while its sums are right."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from infnet.files import sha256

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
    place = folder() / name
    staging: Path | None = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=place.parent))
        write(staging)
        sums = {file.name: sha256(file) for file in sorted(staging.iterdir())}
        (staging / SUMS).write_text(json.dumps(sums))
        if place.exists():  # damaged, or just finished by somebody else
            shutil.rmtree(place)
        staging.rename(place)
    except (OSError, RuntimeError):  # closed, full or no folder at all; OpenVINO words its own as RuntimeError
        pass
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
