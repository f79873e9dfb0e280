"""The command that starts two processes which train together, on this machine only."""

from __future__ import annotations

import sys

from tests.app.driving import free_port


def two_processes(*command: str) -> list[str]:
    """`command` is a script or `-m` and a module, with its arguments."""
    address = ["--master-addr=127.0.0.1", f"--master-port={free_port()}"]
    return [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", *address, *command]
