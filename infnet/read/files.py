"""What the readers share: a file with a label to show, the limits, and how a file is left out or refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infnet.errors import ReadError

MAX_FILES = 20_000  # in one folder, list or zip; the largest chest studies have a few thousand slices
MAX_SIDE = 4096  # rows or columns of a CT slice; scanners write 512 to 2048
MAX_BYTES = 4 << 30  # of pixels, or of a zip's contents
MAX_PICTURE = 25_000_000  # pixels of one loose picture: a screen at 5120 x 2880 has 15 million
LONGEST = 500  # characters of a reason, some of which are copied from a file
MIN_PICTURE = 32  # rows and columns of one: smaller are icons, and no lung is seen in them


@dataclass(frozen=True)
class File:
    """A file on disk, and the label that messages show for it (a member of a zip has a made-up name on disk)."""

    path: Path
    label: str


class NotUsed(Exception):  # noqa: N818 - not an error: one file among many may simply be something else
    """This file is not part of a chest CT: left out among others, an error when nothing else is there.

    reason: what it is. action: what the user can do.
    """

    def __init__(self, reason: str, action: str = "give a chest CT as DICOM, NIfTI or pictures") -> None:
        super().__init__(reason)
        self.reason, self.action = reason, action


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    file: str
    reason: str
    action: str


def refuse(label: str, reason: str, action: str) -> ReadError:
    """The one line `<file>: <reason>; <what to do>`; control characters of a hostile name or tag are taken out."""
    return ReadError(f"{one_line(label)}: {one_line(reason, LONGEST)}; {action}")


def one_line(text: str, length: int = 120) -> str:
    """`text` without line breaks and control characters, shortened in the middle to `length`."""
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return clean if len(clean) <= length else f"{clean[: length // 2 - 2]}...{clean[-length // 2 + 1 :]}"


def natural_key(label: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key by which slice2 comes before slice10."""
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p.lower()) for p in re.split(r"(\d+)", label) if p)


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, in natural order; hidden files are left out."""
    shown = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(shown, key=lambda path: (natural_key(path.name), path.name))


def in_words(size: float) -> str:
    """Bytes for people: 1536 -> '1.5 KiB'."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def names_someone(text: str, private: Iterable[str]) -> bool:
    """True where `text` holds one of the `private` words (lower case); a word of two letters counts only by itself."""
    low = text.lower()
    words = set(re.split(r"[^\w]|_", low))
    return any(word in words if len(word) < 3 else word in low for word in private)
