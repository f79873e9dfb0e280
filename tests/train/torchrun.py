"""The command that starts two processes which train together, on this machine only."""

from __future__ import annotations

import sys


def two_processes(*command: str) -> list[str]:
    """`command` is a script or `-m` and a module, with its arguments. torchrun chooses the port and keeps it."""
    alone = ["--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2"]
    return [sys.executable, "-m", "torch.distributed.run", *alone, *command]
