"""Programs that are ended at random moments, and started again until they are done."""

from __future__ import annotations

import os
import random
import signal as signals
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
KILLS = 50


class Program:
    """A Python module that is run in a process of its own, with its temporary files in `temporary`."""

    def __init__(self, *arguments: str, temporary: Path, **environment: str) -> None:
        temporary.mkdir(exist_ok=True)
        self._command = [sys.executable, "-m", *arguments]
        self._environment = {**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1", **environment}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [*self._command, *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=pipe, stderr=pipe, text=True)

    def whole(self, *arguments: str) -> float:
        """Let it run to its end; how many seconds that took."""
        begun = time.monotonic()
        status, said = self.ended(self.start(*arguments))
        assert status == 0, said
        return time.monotonic() - begun

    @staticmethod
    def ended(child: Any, seconds: float = 120.0) -> tuple[int, str]:
        """Exit status and error stream of a process that ends by itself."""
        _, said = child.communicate(timeout=seconds)
        return child.returncode, said


def killed_at(step: int) -> tuple[Callable[[Any], Any], Callable[[], int]]:
    """`counted(function)`, of whose calls and those of its like the `step`-th kills this process instead, and how many
    there were so far."""
    left = [step]

    def counted(act: Any) -> Any:
        def counting(*arguments: Any, **options: Any) -> Any:
            if not left[0]:
                os.kill(os.getpid(), signals.SIGKILL)
            left[0] -= 1
            return act(*arguments, **options)

        return counting

    return counted, lambda: step - left[0]


def through_kills(
    start: Callable[[Path], Any],
    folder: Path,
    signal: int,
    length: float,
    interrupted: Callable[[Path], None],
    done: Callable[[Path], None],
) -> dict[str, int]:
    """Start a program in `folder`/0 and send it `signal` at a random moment of `length` seconds, KILLS times in all.

    It is started again where it was interrupted, until it is done; then in `folder`/1, and so on. interrupted, done:
    check what it left. The last one is always let run to its end. Returns how many were interrupted and done.
    """
    rng = random.Random(0)
    told = {"interrupted": 0, "done": 0}
    while True:
        out = folder / str(told["done"])
        child = start(out)
        more = told["interrupted"] < KILLS
        try:
            child.wait(rng.uniform(0, length) if more else 120)
        except subprocess.TimeoutExpired:
            assert more, "does not end"
            child.send_signal(signal)
        status, said = Program.ended(child)
        if status == 0:
            done(out)
            told["done"] += 1
            if not more:
                return told
        else:
            assert status in (-signal, 128 + signal), said
            interrupted(out)
            told["interrupted"] += 1
