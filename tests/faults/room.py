"""Disks that are full or read-only: file systems in memory, which only root may make, and not in every container."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def disk(folder: Path, kib: int) -> Iterator[Path]:
    """A disk of so many KiB at `folder`. Skips the test where none can be mounted."""
    folder.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk can be mounted by root only, where the container lets it")
    try:
        yield folder
    finally:
        _run("umount", folder)


def make_read_only(mounted: Path) -> None:
    _run("mount", "-o", "remount,ro", mounted)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)
