"""Free memory as the system tells it, with made-up files in its place."""

from __future__ import annotations

import pytest

from infnet.read import memory
from infnet.read.files import NotUsed


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A machine with 1000 KiB free, in a container that has used 300 of its 500 KiB, 100 of them for cached files."""
    (tmp_path / "meminfo").write_text("MemTotal: 4000 kB\nMemAvailable:    1000 kB\n")
    (tmp_path / "memory.max").write_text(f"{500 << 10}\n")
    (tmp_path / "memory.current").write_text(f"{300 << 10}\n")
    (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {100 << 10}\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    return tmp_path


def test_the_tighter_limit_counts(system):
    assert memory.available() == 300 << 10
    (system / "memory.max").write_text("max\n")
    assert memory.available() == 1000 << 10
    (system / "meminfo").unlink()
    assert memory.available() is None


def test_what_does_not_fit_is_refused(system):
    memory.check_room(300 << 10)
    with pytest.raises(NotUsed, match=r"needs 301.0 KiB of memory where 300.0 KiB are free"):
        memory.check_room(301 << 10)
    (system / "memory.max").unlink()
    (system / "meminfo").unlink()
    memory.check_room(1 << 60)  # nobody knows
