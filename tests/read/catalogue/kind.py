"""What the makers of the catalogue share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from infnet import phantom
from infnet.study import Study

# By what it is: given an empty folder, puts the thing there and returns what to read; or tries it, and returns None.
Makers = dict[str, Callable[[Path], Any]]


@cache
def chest() -> Study:
    """Four slices of 64 x 64 pixels of the synthetic chest."""
    return phantom.chest(4, 64, 64, spacing=(10.0, 5.6, 5.6)).study
