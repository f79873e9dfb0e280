"""Drive the app without a browser and without weights: AppTest, and fake engines that read the answer off the grey."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from streamlit.testing.v1 import AppTest

import infnet
from infnet import phantom
from infnet.measure.statistics import Statistics, measure
from infnet.overlay import display
from infnet.pipeline.run import segment
from tests.fakes import fake_engines

MAIN = Path(__file__).parents[2] / "app" / "main.py"


def expected(study: infnet.Study) -> Statistics:
    return measure(study, segment(study, fake_engines()))


def new_session() -> AppTest:
    test = AppTest.from_file(str(MAIN), default_timeout=60).run()
    assert not test.exception
    return test


def press(app: AppTest, label: str) -> AppTest:
    (button,) = [b for b in app.button if b.label == label]
    return button.click().run()


def go(app: AppTest, title: str) -> AppTest:
    """Click a page of the navigation."""
    (app._page_hash,) = [key for key, page in app._registered_pages.items() if page["page_name"] == title]
    app.run()
    app._page_hash = ""  # from here on the app itself may move on
    return app


def finish(app: AppTest) -> AppTest:
    """Wait until no job of this session runs, and draw the page again."""
    for exam in app.session_state["case"].exams:
        for job in exam.jobs:
            job.wait(60)
            assert not job.alive
    return app.run()


def example(app: AppTest, page: str = "Viewer") -> AppTest:
    """The example study with its result, on a page."""
    finish(press(app, "Open the example study"))
    assert not app.exception
    return go(app, page)


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    app.file_uploader[0].set_value([(name, content, "application/octet-stream") for name, content in files])
    return app.run()


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def slices(app: AppTest) -> list[tuple[dict[str, Any], bytes]]:
    """Head and message of every slice on screen."""
    return _messages(app, "infnet_slice")


def volumes(app: AppTest) -> list[tuple[dict[str, Any], bytes]]:
    """Head and message of the volume viewer, where it is on screen."""
    return _messages(app, "infnet_volume")


def _messages(app: AppTest, component: str) -> list[tuple[dict[str, Any], bytes]]:
    messages = []
    for widget in app.get("bidi_component"):
        if widget.proto.component_name == component:
            data = widget.proto.bytes
            size = int.from_bytes(data[:4], "little")
            messages.append((json.loads(data[4 : 4 + size]), data))
    return messages


def unpacked(message: tuple[dict[str, Any], bytes]) -> tuple[Image.Image, NDArray[np.int16], NDArray[np.uint8]]:
    """Picture, HU and codes (row, column) of one message, as the browser takes it apart."""
    head, data = message
    shape, runs = (head["rows"], head["columns"]), head["runs"]
    sizes = [head["png"], 2 * shape[0] * shape[1], 4 * runs, runs, sum(other["size"] for other in head["ahead"])]
    ends = np.cumsum([4 + int.from_bytes(data[:4], "little"), *sizes])
    assert ends[-1] == len(data)
    shown, values, starts, kinds, _ = (data[a:b] for a, b in pairwise(ends))
    lengths = np.diff(np.frombuffer(starts, np.uint32), append=shape[0] * shape[1])
    codes = np.repeat(np.frombuffer(kinds, np.uint8), lengths)
    return Image.open(io.BytesIO(shown)), np.frombuffer(values, np.int16).reshape(shape), codes.reshape(shape)


def picture(app: AppTest) -> str:
    """The text alternative of the one slice on screen."""
    ((head, _),) = slices(app)
    return str(head["alt"])


def choose(app: AppTest, label: str, option: str) -> AppTest:
    """Click an option of a segmented control."""
    (control,) = [c for c in app.segmented_control if c.label == label]
    return control.set_value(option).run()


def png(study: infnet.Study, index: int = 3) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(display(study, index)).save(buffer, "PNG")
    return buffer.getvalue()


def dicom(study: infnet.Study, folder: Path) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in phantom.write_dicom(study, folder)]
