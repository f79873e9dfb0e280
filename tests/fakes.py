"""Engines that read the answer off the grey values, so that tests of the pipeline need no weights."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_opening

from infnet.pipeline.inputs import IMAGENET_MEAN, IMAGENET_STD
from infnet.pipeline.models import Engines, Model
from infnet.weights import Entry


def grey_of(batch: np.ndarray) -> np.ndarray:
    """Grey 0..255 (N, S, S) of normalised network input."""
    return (batch[:, 0] * IMAGENET_STD[0] + IMAGENET_MEAN[0]) * 255


class FakeEngine:
    """Runs a function and counts its calls and slices."""

    name = "fake"
    batch = 1
    parallel = 1
    notices = ()

    def __init__(self, function):
        self.function = function
        self.slices = 0

    def __call__(self, batch):
        self.slices += len(batch)
        return self.function(batch).astype(np.float32)


def thick(masks: np.ndarray) -> np.ndarray:
    """Drop the thin rims that blur makes where bright meets dark."""
    return np.stack([binary_opening(plane, iterations=3) for plane in masks])


def find_lungs(batch: np.ndarray) -> np.ndarray:
    """Lung is between air outside (black) and soft tissue (above 180)."""
    grey = batch[:, 0] * 255
    return np.where(thick((grey > 35) & (grey < 180)), 0.9, 0.1)[:, None]


def find_infection(batch: np.ndarray) -> np.ndarray:
    """Infection is brighter than healthy lung (HU -850 is grey 55) and darker than soft tissue (217)."""
    grey = grey_of(batch)
    return np.where(thick((grey > 85) & (grey < 200)), 0.9, 0.1)[:, None]


def split_infection(batch: np.ndarray) -> np.ndarray:
    """Consolidation is brighter than grey 150 (HU -326)."""
    dense = grey_of(batch) > 150
    return np.stack([np.full(dense.shape, 0.2), np.where(dense, 0.1, 0.7), np.where(dense, 0.7, 0.1)], 1)


def entry(role: str, size: int) -> Entry:
    return Entry(f"fake-{role}", role, "none", "0" * 64, "none", {}, size, 0.5, "reads grey values", {})


def fake_engines() -> Engines:
    return Engines(
        Model(FakeEngine(find_lungs), entry("lungs", 256)),
        Model(FakeEngine(find_infection), entry("infection", 352)),
        Model(FakeEngine(split_infection), entry("classes", 352)),
        0.5,
    )
