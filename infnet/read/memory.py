"""How much memory is left, asked before a file is unpacked rather than found out by the system's killer."""

from __future__ import annotations

from pathlib import Path

from infnet.read.files import NotUsed, in_words

_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")  # of a container: its limit may lie far below the machine's memory


def available() -> int | None:
    """Bytes that may still be used without pushing anything out, None where the system does not tell."""
    known = [amount for amount in (_machine(), _container()) if amount is not None]
    return min(known, default=None)


def check_room(needed: int) -> None:
    """Raise NotUsed where `needed` bytes are more than what is available."""
    free = available()
    if free is not None and needed > free:
        reason = f"needs {in_words(needed)} of memory where {in_words(max(free, 0))} are free"
        raise NotUsed(reason, "close other programs, or give a smaller volume")


def _machine() -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines() if ":" in line)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return None


def _container() -> int | None:
    """What is left of a limit of control groups, version 2; the cache of files can be given back at any time."""
    try:
        limit, used = int((_GROUP / "memory.max").read_text()), int((_GROUP / "memory.current").read_text())
        facts = dict(line.split() for line in (_GROUP / "memory.stat").read_text().splitlines())
        return limit - used + int(facts["inactive_file"])
    except (OSError, KeyError, ValueError):
        return None
