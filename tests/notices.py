"""What studies and results say, for tests of the sentences."""

from __future__ import annotations

from infnet import Segmentation, Study
from infnet.engine import Engine


def texts(told: Study | Segmentation | Engine) -> tuple[str, ...]:
    """The sentences of its notices."""
    return tuple(notice.text for notice in told.notices)
