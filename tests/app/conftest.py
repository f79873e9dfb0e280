"""The app with fake engines, and a temporary folder of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import infnet
from app.core import examples, models, session
from tests.app.apptest import new_session
from tests.app.examples import small
from tests.fakes import fake_engines


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of its own, to see what the app leaves there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """A fresh session of the app, in the one browser of the test."""
    st.cache_resource.clear()
    monkeypatch.setattr(session, "_browser", lambda: "the only one")
    monkeypatch.setattr(infnet, "load_engines", lambda infection=None, device=None: fake_engines())
    monkeypatch.setattr(models, "exists", lambda: False)  # a thread that builds ahead would outlive the test
    monkeypatch.setattr(examples, "example", small)
    monkeypatch.setattr(examples, "follow_up", lambda: small(seed=1))
    yield new_session()
    st.cache_resource.clear()
