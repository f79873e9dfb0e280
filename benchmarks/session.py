"""Memory that one session of the app takes for a study of 300 slices of 512 x 512: `python -m benchmarks.session`.

A synthetic chest, answers read off the grey values, every page visited. Counted is what the process holds more than
before, the pixels included; making the synthetic chest and the networks take no part.
"""

from __future__ import annotations

import threading
import time

import psutil
from streamlit.testing.v1 import AppTest

import infnet
from app.core import examples
from infnet import phantom
from tests.app.apptest import example, go
from tests.app.driving import ROOT
from tests.fakes import fake_engines

TARGET = 1.0  # GiB
PAGES = ("Viewer", "Numbers", "Compare", "Check", "About", "Study")


def main() -> None:
    infnet.load_engines = lambda infection=None, device=None: fake_engines()  # type: ignore[assignment]
    AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=300).run()  # loads what every session shares
    study = phantom.chest(slices=300, rows=512, columns=512, spacing=(1.0, 0.7, 0.7)).study
    examples.example = lambda: study
    before = resident_gib() - study.pixels.nbytes / 2**30
    highest = Highest()
    app = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=900).run()
    example(app)
    for title in PAGES:
        go(app, title)
        assert not app.exception
    print(
        f"300 slices: {resident_gib() - before:.2f} GiB held, {highest.stop() - before:.2f} at the most "
        f"(target {TARGET} GiB)"
    )


def resident_gib() -> float:
    """Resident memory of this process, GiB."""
    return psutil.Process().memory_info().rss / 2**30


class Highest:
    """The most memory held since it was made, looked at every 50 ms."""

    def __init__(self) -> None:
        self._most, self._going = 0.0, True
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while self._going:
            self._most = max(self._most, resident_gib())
            time.sleep(0.05)

    def stop(self) -> float:
        self._going = False
        self._thread.join()
        return self._most


if __name__ == "__main__":
    main()
