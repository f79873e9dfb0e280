"""The app's server ended at random moments while a study is uploaded and segmented: the next one starts clean."""

from __future__ import annotations

import random
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.exceptions import WebSocketException

from app.core import units
from infnet import phantom
from infnet.files import STAGING
from tests.app.apptest import expected
from tests.app.driving import ROOT, served
from tests.app.holding import until
from tests.app.visitor import Visitor
from tests.faults.killing import KILLS
from tests.faults.test_kills import zipped

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(3600)]
ENDS = 30  # seconds in which a server ends that is asked to, whatever it does


def result_of(visitor: Visitor, content: bytes) -> str:
    """The volume of lesion that the app shows of an uploaded study, once it has segmented it."""
    visitor.upload("study.zip", content)
    visitor.go("Numbers")
    until(lambda: visitor.metrics() or visitor.go("Numbers"), 120)
    return visitor.metrics()["Lesion volume"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "terminate"])
def test_50_ends(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "in").mkdir()
    content = zipped(tmp_path / "in").read_bytes()
    truth = units.amount(expected(phantom.chest(6, 128, 128, spacing=(40.0, 2.8, 2.8)).study).total.lesion)
    temporary, rng, length = tmp_path / "tmp", random.Random(0), 0.0
    own = {"TMPDIR": str(temporary), "INFNET_TEST_HOLD": str(tmp_path / "none")}
    left = temporary / f"{STAGING}killed"  # as if one had been killed before
    left.mkdir(parents=True)
    (left / "file_1").write_bytes(content)
    found = 0

    def try_to(visitor: Visitor) -> None:
        with suppress(WebSocketException, httpx.HTTPError, OSError, EOFError, KeyError):  # the server is gone
            result_of(visitor, content)

    for kill in range(KILLS + 1):
        with served(tmp_path / "log", ROOT / "tests" / "app" / "fake_main.py", own) as url:
            visitor = Visitor(url)
            assert not any(temporary.iterdir()), "what the killed server left is gone"
            begun = time.monotonic()
            assert result_of(visitor, content) == truth
            length = length or time.monotonic() - begun
            visitor.close()
            if kill == KILLS:
                break
            working = threading.Thread(target=try_to, args=(Visitor(url),))
            (server,) = [child for child in psutil.Process().children() if "streamlit" in child.cmdline()]
            working.start()
            working.join(rng.uniform(0, length))
            server.send_signal(how)
            server.wait(ENDS)
            working.join()
            found += any(temporary.iterdir())
    print(f"app: {KILLS} times {how.name} within {length:.1f} s each, {found} left something that was removed")
    assert not any(temporary.iterdir())
