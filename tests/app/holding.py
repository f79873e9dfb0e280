"""Work for a `Job` that waits until a test lets it go on, and how a test waits for what others do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from app.core.jobs import Progress


def until(true: Callable[[], Any], seconds: float = 120) -> None:
    """Wait for what a server or a thread does in its own time."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


class Held:
    """Work that says in `begun` that it runs, waits for `go_on`, is half done, and returns `result`."""

    def __init__(self, result: str = "found") -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.result = result

    def __call__(self, progress: Progress) -> str:
        self.begun.set()
        assert self.go_on.wait(120)
        progress(1, 2)
        return self.result
