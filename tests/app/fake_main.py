"""The app with engines that read the answer off the grey values: quick, and no weights. The browser tests serve it.

Its log gets a line for each run of the infection network. While the file that INFNET_TEST_HOLD names exists, that
network waits, after as many runs as the file says.
"""

from __future__ import annotations

import os
import runpy
import time
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import infnet
from app.core import examples
from tests.app import examples as small_examples
from tests.fakes import FakeEngine, fake_engines

ROOT = Path(__file__).parents[2]
HOLD = Path(os.environ.get("INFNET_TEST_HOLD", "/nonexistent"))


class Watched(FakeEngine):
    """Says in the log that it runs, and waits while it is told to."""

    runs = 0

    def __call__(self, batch):
        print("the infection network runs", flush=True)
        self.runs = self.runs + 1 if HOLD.exists() else 0
        with suppress(FileNotFoundError):
            while self.runs > int(HOLD.read_text() or 0):
                time.sleep(0.05)
        return super().__call__(batch)


@cache
def engines(infection: str | None = None):
    fakes = fake_engines()
    return replace(fakes, infection=replace(fakes.infection, engine=Watched(fakes.infection.engine.function)))


examples.example, examples.follow_up = small_examples.example, small_examples.follow_up
infnet.load_engines = engines
runpy.run_path(str(ROOT / "app" / "main.py"), run_name="__main__")
