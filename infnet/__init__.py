"""Segment COVID-19 lung infection in chest CT: read a study, segment it, measure it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from infnet.errors import InfNetError
from infnet.read import read
from infnet.study import Segmentation, Study

if TYPE_CHECKING:
    from infnet import statistics, weights
    from infnet.pipeline import load_engines, segment

__version__ = "0.1.0"
__all__ = ["InfNetError", "Segmentation", "Study", "load_engines", "read", "segment", "statistics", "weights"]


def __getattr__(name: str) -> Any:
    """Import the rest, and torch with it, only when it is used."""
    if name in ("segment", "load_engines"):
        return getattr(import_module("infnet.pipeline"), name)
    if name in ("statistics", "weights"):
        return import_module(f"infnet.{name}")
    raise AttributeError(f"module 'infnet' has no attribute {name!r}")
