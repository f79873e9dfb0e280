"""Real data, where it is at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the data sets; the test is skipped without it."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("INFNET_DATA", root.parent / "shared" / "data"))
    if not (folder / "dicom").is_dir():
        pytest.skip(f"no data sets in {folder}: set INFNET_DATA")
    return folder / "dicom"
