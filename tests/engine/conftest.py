from __future__ import annotations

import pytest


@pytest.fixture
def cached(monkeypatch, tmp_path):
    monkeypatch.setenv("INFNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
