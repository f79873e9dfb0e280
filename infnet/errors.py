"""Errors a user can act on. Each message reads `<what>: <reason>; <what to do>`."""

from __future__ import annotations

from typing import Any


class InfNetError(Exception):
    """Base of every error that the user can correct without touching the code."""


class ReadError(InfNetError):
    """A file cannot be used as a chest CT."""


class UnwritableError(InfNetError):
    """Results cannot be written: the disk is full, or the folder closed to us. No other study's could be either."""


class GeometryError(InfNetError):
    """Millimetres are needed of an image that has none, or a shape does not fit."""


class WeightsError(InfNetError):
    """Weights are missing, damaged, or do not belong to the network."""


class SeveralSeriesError(ReadError):
    """There are several series; `series` lists them, most slices first, and the caller chooses one by its key.

    patients: how many they belong to, where their files say.
    """

    def __init__(self, message: str, series: tuple[Any, ...] = (), patients: int = 1) -> None:
        super().__init__(message)
        self.series, self.patients = series, patients
