"""Work for a `Job` that waits until a test lets it go on."""

from __future__ import annotations

import threading

from app.core.jobs import Progress


class Held:
    """Work that says in `begun` that it runs, waits for `go_on`, is half done, and returns `result`."""

    def __init__(self, result: str = "found") -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.result = result

    def __call__(self, progress: Progress) -> str:
        self.begun.set()
        assert self.go_on.wait(10)
        progress(1, 2)
        return self.result
