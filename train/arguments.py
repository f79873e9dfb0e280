"""Names of options, and the refusal of those that would be ignored."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from infnet.errors import InfNetError


def flag(name: str) -> str:
    """The option of a name: learning_rate -> --learning-rate."""
    return "--" + name.replace("_", "-")


def refuse(options: argparse.Namespace, names: Sequence[str], reason: str) -> None:
    """Raise InfNetError where one of these options was given, though beside the others it would be ignored."""
    if given := [flag(name) for name in names if getattr(options, name) not in (None, False)]:
        raise InfNetError(f"{', '.join(given)}: without effect {reason}; leave it out")
