"""What a reader of a study or a result should know, as data: a code to ask for, a level, and the sentence to show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["stop", "warn"]

# Codes that the program itself asks for; the others are named where they arise.
NO_MILLIMETRES = "no-millimetres"
WINDOW_GUESSED = "window-guessed"
MEMORY_BATCH, MEMORY_DEVICE = "memory-batch", "memory-device"


@dataclass(frozen=True)
class Notice:
    """A remark on a study or a result.

    code: what it is about, in words and hyphens; it stays the same when the sentence is rewritten. level: "stop" where
    a result would be wrong, else "warn". text: a sentence or two for people.
    """

    code: str
    level: Level
    text: str


def warn(code: str, text: str) -> Notice:
    """A notice of level "warn"."""
    return Notice(code, "warn", text)


BURNED_IN = warn(
    "burned-in-text",
    "The header says that text is burned into the pictures: it may name the patient, and text over the lungs may be "
    "taken for lesion.",
)


def unique(*groups: Iterable[Notice]) -> tuple[Notice, ...]:
    """The notices of all groups in their order, each once."""
    return tuple(dict.fromkeys(notice for group in groups for notice in group))


def has(notices: Iterable[Notice], code: str) -> bool:
    """Whether one of the notices has this code."""
    return any(notice.code == code for notice in notices)


def without(notices: Iterable[Notice], code: str) -> tuple[Notice, ...]:
    """The notices except those of this code."""
    return tuple(notice for notice in notices if notice.code != code)
