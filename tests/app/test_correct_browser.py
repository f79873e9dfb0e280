"""Corrections by hand in Chromium: a stroke changes exactly its voxels, in the picture, the numbers and the files."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from scipy import ndimage

import infnet
from app.core import units
from infnet import phantom
from infnet.measure.statistics import measure
from infnet.measure.thresholds import reread
from infnet.pipeline.run import segment
from tests.app.driving import chromium
from tests.app.test_browser import server
from tests.app.volume_reader import HELD, Reader, chrome, drag, oblique, point, reader
from tests.fakes import fake_engines
from tests.orders import ORDERS, stored

__all__ = ["chrome", "reader", "server"]
pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(chromium() is None, reason="no Chromium here; on Debian: sudo apt-get install chromium"),
    pytest.mark.timeout(900),
]


def state(me: Reader) -> Any:
    return me.root.locator(".correct .state")


SETTLED = """([name, value]) => { const { viewer } = infnetVolume, { told, revision } = viewer.head.corrections
  return viewer.volume.complete && !viewer.edits.busy && told === revision && viewer.head[name] === value }"""
MARKS = """() => { const { marks } = infnetVolume.viewer.volume; let text = ""
  for (let i = 0; i < marks.length; i += 8192) text += String.fromCharCode(...marks.subarray(i, i + 8192))
  return [btoa(text), infnetVolume.viewer.threshold] }"""


def shown(me: Reader, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and lungs as they are shown, on the upright grid."""
    text, threshold = me.evaluate(MARKS)
    marks = np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)
    return np.where((marks & 31) >= threshold, 1 + (marks >> 5 & 1), 0), marks >> 6


def mask(me: Reader) -> np.ndarray:
    """The mask that is downloaded, on the study's own grid."""
    me.me.go("Study")
    content = me.me.download("Mask")
    me.me.go("Viewer")
    me.wait()
    return np.asanyarray(nibabel.Nifti1Image.from_bytes(gzip.decompress(content)).dataobj).T


@pytest.mark.parametrize("order", [3, "oblique"])
def test_a_stroke_changes_exactly_its_voxels_and_undo_restores(reader: Any, tmp_path: Path, order: int | str) -> None:
    plain = phantom.chest(slices=24, rows=96, columns=80, spacing=(10.0, 3.7, 4.4)).study
    axes, flips = ORDERS[1 if order == "oblique" else int(order)]
    study = oblique(plain) if order == "oblique" else plain
    study = stored(study, segment(study, fake_engines()), axes, flips)[0]
    me = reader(study, tmp_path)
    study = infnet.read(tmp_path / "study.nii")
    result = segment(study, fake_engines())
    assert np.array_equal(mask(me), result.labels), "untouched"
    me.press("Correct", "Axial")
    me.page.keyboard.press("b")
    me.root.get_by_role("spinbutton", name="Radius").fill("9")
    index = me.now()[0]
    point(me, [30.0, 40.0])
    me.page.mouse.down()
    me.page.mouse.move(*me.place([33.0, 40.0]), steps=3)
    me.page.mouse.up()

    wanted = np.array(study.orientation.apply(result.labels))
    before = wanted.copy()
    rows, columns = np.mgrid[:96, :80]
    across = np.clip(columns, 30, 33)  # of the way from column 30 to 33 of row 40, the nearest point
    stroke = np.hypot((rows - 40) * 3.7, (columns - across) * 4.4) <= 9
    assert stroke.sum() == (5 + 3 + 3 + 3 + 3) + 5 * 3  # the rows of a disc, and three columns further
    wanted[index][stroke] = 1
    added, changed = int(((wanted > 0) & (before == 0)).sum()), int((wanted != before).sum())
    assert added > 0
    ml = study.voxel_volume_ml
    text = f"Corrected by a person: {changed} voxels, +{added * ml:.2f} / -0.00 ml"
    me.me.expect(state(me)).to_contain_text(text)
    own = units.amount(measure(study, result).total.lesion)
    me.me.expect(state(me)).to_contain_text(f"The network's own: {own},")
    total = f"{(np.count_nonzero(result.labels) + added) * ml:,.1f} ml"
    me.me.expect(me.me.metric("Lesion volume")).to_have_text(total)
    me.me.expect(me.root.locator(".numbers")).to_contain_text(f"Lesion {total}")
    assert np.array_equal(mask(me), study.orientation.undo(wanted))

    me.root.hover()
    me.page.keyboard.press("Control+z")
    me.me.expect(state(me)).to_have_text("")
    me.me.expect(me.me.metric("Lesion volume")).to_have_text(own)
    assert np.array_equal(mask(me), result.labels)
    me.root.hover()
    me.page.keyboard.press("Control+Shift+z")
    me.me.expect(state(me)).to_contain_text(text)
    me.page.reload()
    me.wait()
    me.press("Correct")
    me.me.expect(state(me)).to_contain_text(text)
    assert np.array_equal(mask(me), study.orientation.undo(wanted)), "a reload keeps it"


def test_every_tool_changes_what_it_says(reader: Any, tmp_path: Path) -> None:
    study = phantom.chest(slices=24, rows=96, columns=80, spacing=(10.0, 3.7, 4.4)).study
    me = reader(study, tmp_path)
    study = infnet.read(tmp_path / "study.nii")
    result = segment(study, fake_engines())
    pixels, labels, lungs = (study.orientation.apply(v).copy() for v in (study.pixels, result.labels, result.lungs))
    places = np.moveaxis(np.indices(labels.shape), 0, -1)
    millimetres = places * (10.0, 3.7, 4.4)
    index = me.now()[0]
    steps = 0

    def agrees(what: str, by: int = 1) -> None:
        nonlocal steps
        steps += by
        drawn, sides = shown(me, labels.shape)
        assert np.array_equal(drawn, labels), what
        assert np.array_equal(sides, lungs), what

    def ball(voxel: tuple[int, int, int], radius: float) -> np.ndarray:
        return np.linalg.norm(millimetres - np.multiply(voxel, (10.0, 3.7, 4.4)), axis=-1) <= radius

    def radius(text: str) -> None:
        me.root.get_by_role("spinbutton", name="Radius").fill(text)
        me.root.focus()

    def click(pixel: list[float]) -> None:
        point(me, pixel)
        me.page.mouse.down()
        me.page.mouse.up()

    me.press("Correct", "Brush", "Ball")
    me.root.get_by_label("What is painted").get_by_text("Consolidation").click()
    radius("12")
    click([30.0, 40.0])
    labels[ball((index, 40, 30), 12)] = 2
    assert len(np.unique(np.argwhere(ball((index, 40, 30), 12))[:, 0])) == 3, "through three slices"
    agrees("ball")
    me.press("Disc")
    radius("8")
    me.page.keyboard.press("e")
    click([30.0, 40.0])
    labels[index][ball((index, 40, 30), 8)[index]] = 0
    agrees("eraser")
    me.page.keyboard.press("o")
    point(me, [20.2, 60.2])
    me.page.mouse.down()
    for corner in ([25.8, 60.2], [25.8, 65.8], [20.2, 65.8]):
        me.page.mouse.move(*me.place(corner))
    me.page.mouse.up()
    labels[index, 61:66, 21:26] = 2
    agrees("outline")

    me.page.keyboard.press("g")
    within = (pixels >= -700) & (pixels <= 100) & (lungs > 0)
    seed = tuple(int(v) for v in np.argwhere(within & (labels == 1))[-1])
    me.go(0, seed[0])
    click([float(seed[2]), float(seed[1])])
    near = np.linalg.norm(millimetres - np.multiply(seed, (10.0, 3.7, 4.4)), axis=-1) <= 30
    pieces, _ = ndimage.label(within & near)
    labels[pieces == pieces[seed]] = 2
    agrees("grow")

    for key in ("a", "c", "x"):
        pieces, _ = ndimage.label(labels, np.ones((3, 3, 3)))
        point(me, [float(seed[2]), float(seed[1])])
        lesion = pieces == pieces[seed]
        dense = 2 * np.count_nonzero(labels[lesion] == 2) > np.count_nonzero(lesion)
        me.page.keyboard.press(key)
        me.page.wait_for_function(SETTLED, arg=["threshold", 0.5])
        me.me.rest()
        if key == "a":
            threshold = me.page.get_by_role("slider", name="Infection from probability")
            for step, value in (("15", 0.95), ("6", 0.5)):  # the networks answer 0.9
                threshold.fill(step)
                me.page.wait_for_function(SETTLED, arg=["threshold", value])
                assert np.array_equal(shown(me, labels.shape)[0][lesion], labels[lesion]), "accepted"
        else:
            labels[lesion] = 0 if key == "x" else 1 if dense else 2
        agrees(key)

    me.press("Coronal", "Brush", "Left lung")
    radius("9")
    plane = 48
    me.go(1, plane)
    click_at = me.evaluate("() => infnetVolume.viewer.views[1].geometry.at([12, 48, 20])")
    point(me, click_at, 1)
    me.page.mouse.down()
    me.page.mouse.up()
    lungs[:, plane][ball((12, plane, 20), 9)[:, plane]] = 2
    agrees("left lung, in a coronal slice")
    me.page.wait_for_function("() => !infnetVolume.viewer.edits.busy")
    assert np.array_equal(study.orientation.apply(mask(me)), labels), "as the files have it"
    me.page.get_by_role("slider", name="Smallest lesion in a slice").fill("50")
    for _ in range(steps):  # read anew meanwhile: what the networks say at an undone voxel has to come from Python
        me.page.wait_for_function(SETTLED, arg=["smallest", 50])
        me.root.locator(".stage").hover()
        me.page.keyboard.press("Control+z")
    me.page.wait_for_function(SETTLED, arg=["smallest", 50])
    left = reread(study, result, 0.5, 50)
    assert not np.array_equal(left.labels, result.labels)
    labels, lungs = (study.orientation.apply(v) for v in (left.labels, left.lungs))
    agrees("all undone")
    me.me.expect(state(me)).to_have_text("")


def test_a_second_window_never_overwrites_the_first(reader: Any, server: Any) -> None:
    me = reader()
    me.press("Correct", "Brush")
    other = Reader(me.me)
    other.page = me.me.context.new_page()
    other.page.goto(me.page.url)
    other.root = other.page.locator(".infnet-volume")
    other.page.wait_for_function(HELD)
    other.press("Correct", "Brush")
    drag(other, [100.0, 100.0], [110.0, 100.0])
    me.me.expect(state(other)).to_contain_text("Corrected by a person")
    drag(me, [60.0, 120.0], [70.0, 120.0])
    me.me.expect(state(me)).to_contain_text("in another window")
    me.page.wait_for_function(HELD)
    shape = (6, 256, 256)
    assert all(np.array_equal(a, b) for a, b in zip(shown(me, shape), shown(other, shape), strict=True))
    drag(me, [60.0, 120.0], [70.0, 120.0])
    me.me.expect(state(me)).to_contain_text("Corrected by a person")
    assert not np.array_equal(shown(me, shape)[0], shown(other, shape)[0])
