"""Somebody at the volume viewer in Chromium, and studies for them that lie in any way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

import infnet
from tests.app.driving import browser
from tests.app.test_browser import Server, Visitor, named

# The viewer outlives its place on the page: it has to be on it, and to hold everything.
HELD = """() => { const viewer = globalThis.infnetVolume?.viewer
  return Boolean(viewer?.root.isConnected && viewer.volume.complete && !viewer.head.growing) }"""
# Colour of the canvas at the centre of each pixel of the slice, from the sizes alone: fitted, centred, square mm.
CENTRES = """([width, height, across, down]) => {
  const canvas = document.querySelector(".infnet-volume .stage canvas:not([hidden])")
  const scale = Math.min(canvas.width / (width * across), canvas.height / (height * down))
  const [left, top] = [(canvas.width - width * across * scale) / 2, (canvas.height - height * down * scale) / 2]
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
  const found = []
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [px, py] = [Math.floor(left + (x + 0.5) * across * scale), Math.floor(top + (y + 0.5) * down * scale)]
      found.push(...data.subarray(4 * (py * canvas.width + px), 4 * (py * canvas.width + px) + 3))
    }
  return found
}"""


class Reader:
    """Somebody at the volume viewer."""

    def __init__(self, me: Visitor) -> None:
        self.me, self.page = me, me.page
        self.sent = 0
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.root = self.page.locator(".infnet-volume")

    def wait(self) -> None:
        """Until the browser holds everything."""
        self.page.wait_for_function(HELD)
        self.me.rest()

    def press(self, *buttons: str) -> None:
        for name in buttons:
            self.root.get_by_role("button", name=name, exact=True).click()

    def at(self, plane: int, index: int) -> None:
        """Wait until a slice is drawn."""
        self.page.wait_for_function(
            """([plane, index]) => {
                 const drawn = document.querySelector(".infnet-volume")?.dataset.drawn ?? ""
                 return drawn !== "" && Number(drawn.split(/[ ,]/)[plane]) === index }""",
            arg=[plane, index],
        )

    def go(self, plane: int, index: int) -> None:
        """Show a slice of the plane that is on screen."""
        self.page.get_by_role("slider", name=re.compile("^Slice")).fill(str(index + 1))
        self.at(plane, index)

    def place(self, pixel: list[float], plane: int = 0) -> tuple[float, float]:
        return place(self, pixel, plane)

    def now(self) -> list[int]:
        """The slice of each plane that the viewer is at, whether it is drawn yet or not."""
        return list(self.evaluate("() => infnetVolume.viewer.at"))

    def evaluate(self, script: str, *arguments: Any) -> Any:
        return self.page.evaluate(script, *arguments)


def nifti(study: infnet.Study, folder: Path) -> Path:
    """The study as a NIfTI file on its own axes, whichever way they run."""
    assert study.affine is not None
    path = folder / "study.nii"
    nibabel.save(nibabel.Nifti1Image(study.pixels.astype(np.int16), np.diag([-1, -1, 1, 1]) @ study.affine), path)
    return path


def oblique(study: infnet.Study) -> infnet.Study:
    """The same study in a patient who lies turned: 20 degrees about one axis, -12 about another."""
    assert study.affine is not None
    a, b = np.radians(20), np.radians(-12)
    about_head = np.array([[np.cos(a), -np.sin(a), 0, 0], [np.sin(a), np.cos(a), 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    about_side = np.array([[1, 0, 0, 0], [0, np.cos(b), -np.sin(b), 0], [0, np.sin(b), np.cos(b), 0], [0, 0, 0, 1]])
    return infnet.Study(study.pixels, about_side @ about_head @ study.affine)


def place(me: Reader, pixel: list[float], plane: int = 0) -> tuple[float, float]:
    """Where a pixel (x, y) of the slice of a plane is in the window."""
    found = me.evaluate(
        """([x, y, plane]) => { const view = infnetVolume.viewer.views[plane], box = view.canvas.getBoundingClientRect()
             const t = view.transform, ratio = view.canvas.width / box.width
             return [box.left + (t.x + (x + 0.5) * t.sx) / ratio, box.top + (t.y + (y + 0.5) * t.sy) / ratio] }""",
        [*(float(v) for v in pixel), plane],
    )
    return found[0], found[1]


def point(me: Reader, pixel: list[float], plane: int = 0) -> None:
    me.root.scroll_into_view_if_needed()
    me.page.mouse.move(*place(me, pixel, plane))


def drag(me: Reader, start: list[float], end: list[float], button: str = "left") -> None:
    point(me, start)
    me.page.mouse.down(button=button)
    me.page.mouse.move(*place(me, end), steps=4)
    me.page.mouse.up(button=button)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture
def reader(chrome: Any, server: Server) -> Iterator[Any]:
    visitors = []

    def come(study: infnet.Study | None = None, folder: Path | None = None) -> Reader:
        me = Visitor(chrome, server.url)
        visitors.append(Reader(me))
        if study is None:
            me.click("Open the example study")
        else:
            assert folder is not None
            me.upload(named("study.nii", nifti(study, folder).read_bytes()))
        visitors[-1].wait()
        return visitors[-1]

    yield come
    server.hold.unlink(missing_ok=True)
    for visitor in visitors:
        assert not visitor.errors, "\n".join(visitor.errors)
        assert all(asked.startswith((server.url, "data:", "blob:")) for asked in visitor.me.asked)
        visitor.me.context.close()
