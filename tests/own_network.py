"""Commands in a network of their own, which holds nothing but the loopback."""

from __future__ import annotations

import shutil
import subprocess
import sys

# Brings the loopback up by SIOCSIFFLAGS with IFF_UP.
UP = 'import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1)); '


def alone(*command: str) -> list[str]:
    """A command in a network of its own, which holds nothing but the loopback."""
    return ["unshare", "--net", "--map-root-user", *command]


def possible() -> bool:
    """Whether this machine lets us have such a network, with its loopback up."""
    if shutil.which("unshare") is None:
        return False
    script = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); "
    script += "socket.create_connection(s.getsockname(), 2)"
    done = subprocess.run(alone(sys.executable, "-c", UP + script), check=False, capture_output=True)
    return done.returncode == 0
