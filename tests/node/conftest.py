from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import infnet
from infnet.node import listen, run, send
from tests.fakes import fake_engines
from tests.node.driving import Here, Node


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines that read grey values, in this process, and no pauses."""
    monkeypatch.setattr(infnet, "load_engines", lambda *_: fake_engines(), raising=False)
    monkeypatch.setattr(run, "Worker", Here)
    monkeypatch.setattr(listen, "RESERVE", 1 << 20)
    for module, name in ((run, "POLL"), (run, "FULL_PAUSE"), (send, "POLL"), (send, "FIRST_PAUSE")):
        monkeypatch.setattr(module, name, 0.01)


@pytest.fixture(autouse=True)
def private() -> Iterator[None]:
    """As the commands set it; what they set for their process does not outlive the test."""
    before, hook = os.umask(0o077), threading.excepthook
    yield
    os.umask(before)
    threading.excepthook = hook
    logging.disable(logging.NOTSET)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "out")
