"""Both servers without any network but this machine's own: they start, work, and leave private folders empty."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.driving import ROOT, chromium
from tests.own_network import UP, alone, possible

pytestmark = [pytest.mark.server, pytest.mark.timeout(960)]

USE = """
import sys
from pathlib import Path
from tests.app import offline_use
offline_use.{which}(Path(sys.argv[1]))
"""


def test_no_library_counts_who_uses_it() -> None:
    script = (
        "import app.gradio_demo; from gradio import analytics; from huggingface_hub import constants; "
        "from streamlit import config; assert constants.HF_HUB_DISABLE_TELEMETRY; "
        "assert not analytics.analytics_enabled(); assert not config.get_option('browser.gatherUsageStats')"
    )
    free = {k: v for k, v in os.environ.items() if not k.startswith(("GRADIO", "HF_", "DO_NOT", "STREAMLIT"))}
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={**free, "PYTHONPATH": str(ROOT)}, check=True)


@pytest.mark.skipif(not possible(), reason="no network of our own to be had here (unshare --net)")
@pytest.mark.parametrize("which", ["demo", "app"])
def test_a_server_works_without_a_network_and_leaves_nothing(which: str, tmp_path: Path) -> None:
    if which == "app" and chromium() is None:
        pytest.skip("no Chromium here")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": "/tmp", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = alone(sys.executable, "-c", UP + USE.format(which=which), str(temporary))
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert done.stdout.rstrip().endswith("all well")
