"""Synthetic studies to try the app with: nobody's scan."""

from __future__ import annotations

import infnet
from infnet import phantom


def example() -> infnet.Study:
    """A synthetic chest of 24 slices."""
    return phantom.chest(slices=24, rows=512, columns=512, spacing=(10.0, 0.7, 0.7)).study


def follow_up() -> infnet.Study:
    """The example's chest some weeks later: the same body, with less disease."""
    return phantom.chest(slices=24, rows=512, columns=512, spacing=(10.0, 0.7, 0.7), lesion_ml=90.0).study
