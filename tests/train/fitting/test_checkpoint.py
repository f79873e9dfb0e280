from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from infnet.errors import InfNetError
from train.fitting.checkpoint import load_checkpoint, save_atomically, write_text

ROOT = Path(__file__).parents[3]


def test_a_full_disk_keeps_the_older_checkpoint(tmp_path):
    """A limit on the size of files stands for a full disk: writing fails half way, as it would there."""
    path = tmp_path / "last.pt"
    save_atomically({"step": 1}, path)
    code = (
        "import resource, signal, sys, torch; from pathlib import Path; from infnet.errors import InfNetError\n"
        "from train.fitting.checkpoint import save_atomically\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try: save_atomically({'step': 2, 'weights': torch.zeros(1_000_000)}, Path(sys.argv[1]))\n"
        "except InfNetError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert "not saved" in done.stdout
    assert "the older file is kept: free some space" in done.stdout
    assert load_checkpoint(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_what_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "damaged.pt").write_bytes(b"\0" * 100)
    torch.save([1, 2], tmp_path / "list.pt")
    for name, message in (("damaged", "not a readable checkpoint"), ("none", "no such"), ("list", "not a checkpoint")):
        with pytest.raises(InfNetError, match=message):
            load_checkpoint(tmp_path / f"{name}.pt")


def test_a_cut_checkpoint_is_not_taken_for_a_whole_one(tmp_path):
    save_atomically({"weights": torch.zeros(10_000)}, tmp_path / "whole.pt")
    data = (tmp_path / "whole.pt").read_bytes()
    for share in (0.1, 0.5, 0.99):
        (tmp_path / "cut.pt").write_bytes(data[: int(share * len(data))])
        with pytest.raises(InfNetError):
            load_checkpoint(tmp_path / "cut.pt")


def test_text_is_replaced_whole(tmp_path):
    write_text(tmp_path / "log.csv", "first")
    write_text(tmp_path / "log.csv", "second")
    assert (tmp_path / "log.csv").read_text() == "second"
    assert len(list(tmp_path.iterdir())) == 1
