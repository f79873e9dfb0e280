"""What `test_offline.py` does in a network of its own: start a server, use it, and look at what it kept."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from infnet.files import STAGING
from tests.app.driving import ROOT, browser, free_port, served

PATIENCE = 300_000  # ms: a busy machine is slow, and not broken


def kept(folder: Path) -> list[Path]:
    """Every file there; libraries leave empty folders."""
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def private(folder: Path) -> None:
    """Every folder that the server made is closed to others."""
    made = [path for path in folder.iterdir() if path.is_dir() and path.name.startswith(STAGING)]
    for path in made:
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path


@contextmanager
def demo_served(folder: Path) -> Iterator[str]:
    port = free_port()
    log = (folder.parent / "demo.log").open("w")
    command = [sys.executable, "-m", "app.gradio_demo", "--port", str(port)]
    own = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(command, cwd=ROOT, env=own, stdout=log, stderr=subprocess.STDOUT) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            while True:
                assert process.poll() is None, (folder.parent / "demo.log").read_text()
                try:
                    httpx.get(url, trust_env=False).raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.3)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def demo(folder: Path) -> None:
    """The shipped networks, through the API."""
    with demo_served(folder) as url, httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE / 1000) as visitor:
        visitor.get("/")
        private(folder)
        (made,) = [path for path in folder.iterdir() if path.name.startswith(STAGING)]
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
        config = visitor.get("/config").json()
        assert config["analytics_enabled"] is False
        begun = visitor.post("/gradio_api/call/example_picture", json={"data": []}).json()
        said = visitor.get(f"/gradio_api/call/example_picture/{begun['event_id']}").text
        assert "event: complete" in said, said[-500:]
        (picture,) = set(re.findall(r'"path": ?"([^"]+_Lung\.png)"', said))
        assert visitor.get(f"/gradio_api/file={picture}").content.startswith(b"\x89PNG")
    assert kept(folder) == [], kept(folder)
    log = (folder.parent / "demo.log").read_text()
    assert "Traceback" not in log, log
    print("all well")


def app(folder: Path) -> None:
    """The app with quick networks, in a browser."""
    log = folder.parent / "app.log"
    with served(log, ROOT / "tests" / "app" / "fake_main.py", {"TMPDIR": str(folder)}) as url, browser() as running:
        page = running.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url, timeout=PATIENCE)
        page.get_by_role("button", name="Open the example study").click(timeout=PATIENCE)
        page.get_by_test_id("stMetricValue").first.wait_for(timeout=PATIENCE)
        private(folder)
        page.get_by_role("button", name="Close study").click(timeout=PATIENCE)
        page.get_by_text("No study is open.").wait_for(timeout=PATIENCE)
        assert [a for a in asked if not a.startswith((url, "data:", "blob:"))] == []
    assert kept(folder) == [], kept(folder)
    assert "Traceback" not in log.read_text(), log.read_text()
    print("all well")
