"""Segment COVID-19 lung infection in chest CT: read a study, segment it, measure it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from infnet.errors import InfNetError
from infnet.notices import Notice
from infnet.read import read
from infnet.study import Segmentation, Study
from infnet.version import __version__

if TYPE_CHECKING:
    from infnet import measure, weights
    from infnet.pipeline import load_engines, segment

__all__ = [
    "InfNetError",
    "Notice",
    "Segmentation",
    "Study",
    "__version__",
    "load_engines",
    "measure",
    "read",
    "segment",
    "weights",
]


def __getattr__(name: str) -> Any:
    """Import the rest, and torch with it, only when it is used."""
    if name in ("segment", "load_engines"):
        return getattr(import_module("infnet.pipeline"), name)
    if name in ("measure", "weights"):
        return import_module(f"infnet.{name}")
    raise AttributeError(f"module 'infnet' has no attribute {name!r}")
