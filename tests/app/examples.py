"""Small synthetic studies for the app's tests: nobody's scan."""

from __future__ import annotations

import infnet
from infnet import phantom


def small(seed: int = 0) -> infnet.Study:
    """6 slices of 96 x 96."""
    return phantom.chest(slices=6, rows=96, columns=96, spacing=(40.0, 3.7, 3.7), seed=seed).study


def example(seed: int = 5, lesion_ml: float | None = None) -> infnet.Study:
    """6 slices of 256 x 256: what the browser sees in place of the example study."""
    size = {"slices": 6, "rows": 256, "columns": 256, "spacing": (40.0, 1.4, 1.4)}
    return phantom.chest(**size, seed=seed, lesion_ml=lesion_ml).study


def follow_up() -> infnet.Study:
    """The same chest with less disease."""
    return example(lesion_ml=60.0)
