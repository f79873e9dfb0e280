"""Killed at random moments the node loses nothing and doubles nothing, in a real archive."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import own_network
from tests.export.orthanc import DICOM, PLUGIN, SERVER
from tests.node.kills import KILLS, ROOT, STUDIES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.mark.skipif(not own_network.possible(), reason="no network of our own to be had here (unshare --net)")
@pytest.mark.parametrize("to", [f"ORTHANC@127.0.0.1:{DICOM}", f"{SERVER}/dicom-web"], ids=["C-STORE", "STOW-RS"])
def test_twenty_studies_from_four_associations_and_ten_kills(tmp_path: Path, to: str) -> None:
    if shutil.which("Orthanc") is None or not PLUGIN.exists():
        pytest.skip("no Orthanc here: apt-get install orthanc orthanc-dicomweb")
    run = f"from pathlib import Path; from tests.node import kills; kills.main(Path({str(tmp_path)!r}), {to!r})"
    command = own_network.alone(sys.executable, "-c", own_network.UP + run)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1700)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert sorted(told["held"]) == told["should"], "each result, and each once"
    assert len(told["should"]) == 3 * STUDIES, "SEG, SR and PDF of each"
    assert len(told["fell"]) == KILLS
    print("the kills found the studies:", *told["fell"], sep="\n")
    assert not (tmp_path / "log").read_text().count("Traceback")
