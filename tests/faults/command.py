"""The command line with stand-ins for the networks, in its worker processes too: `python -m tests.faults.command`."""

from __future__ import annotations

import signal
import sys

import infnet
from infnet import pipeline
from infnet.__main__ import main
from tests.fakes import fake_engines

infnet.load_engines = pipeline.load_engines = lambda *_: fake_engines()

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite that runs in the background has it ignored
    sys.exit(main())
