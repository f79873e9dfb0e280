"""The volume viewer in Chromium: what is drawn is where it lies, and moving through it asks the server nothing."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import infnet
from app.core import units
from app.core.reading import Settings, read
from app.core.volume import Frame, Levels
from infnet import phantom
from infnet.geometry.grid import Grid
from infnet.measure import lesions
from infnet.measure.statistics import measure
from infnet.pipeline.run import segment
from tests.app import examples
from tests.app.driving import chromium
from tests.app.test_browser import Server, Visitor, server
from tests.app.volume_reader import CENTRES, HELD, chrome, drag, nifti, oblique, point, reader
from tests.fakes import fake_engines
from tests.orders import ORDERS, stored

__all__ = ["chrome", "reader", "server"]
pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(chromium() is None, reason="no Chromium here; on Debian: sudo apt-get install chromium"),
    pytest.mark.timeout(900),
]
PLANES = ("Axial", "Coronal", "Sagittal")


@pytest.mark.parametrize(
    "order",
    [*(pytest.param(order, marks=pytest.mark.slow) for order in (0, 2)), 1, 3, "oblique"],
)
def test_lesions_are_drawn_where_they_lie(reader: Any, tmp_path: Path, order: int | str) -> None:
    """In every plane, however the study is stored: voxel by voxel, with true proportions, and the right mm."""
    plain = phantom.chest(slices=24, rows=96, columns=80, spacing=(10.0, 3.7, 4.4)).study
    if order == "oblique":
        axes, flips = ORDERS[1]
        study = stored(oblique(plain), segment(plain, fake_engines()), axes, flips)[0]
    else:
        study = stored(plain, segment(plain, fake_engines()), *ORDERS[int(order)])[0]
    study = infnet.read(nifti(study, tmp_path))
    result = segment(study, fake_engines())
    labels = study.orientation.apply(result.labels)
    for axis in range(3):
        assert not np.array_equal(labels, np.flip(labels, axis)), "a mirrored mask would pass"
    me = reader(study, tmp_path)
    me.press("Fill", "Lung borders")
    grid = Grid.of(study)
    for plane, name in enumerate(PLANES):
        me.press(name)
        index = int(np.argmax((labels > 0).sum(axis=tuple(a for a in range(3) if a != plane))))
        me.page.get_by_role("slider", name=re.compile("^Slice")).fill(str(index + 1))
        me.at(plane, index)
        drawn = np.take(labels, index, axis=plane)
        down, across = [axis for axis in range(3) if axis != plane]
        if plane:
            drawn = drawn[::-1]
        size = [drawn.shape[1], drawn.shape[0], grid.spacing[across], grid.spacing[down]]
        colours = np.array(me.evaluate(CENTRES, size), int).reshape(*drawn.shape, 3)
        red, _, blue = np.moveaxis(colours, 2, 0)
        seen = np.where(red - blue > 20, 1, np.where(blue - red > 20, 2, 0))
        assert np.array_equal(seen, drawn), name
    voxel = tuple(int(v) for v in np.argwhere(labels == 1)[0])
    me.press("Axial")
    me.page.get_by_role("slider", name=re.compile("^Slice")).fill(str(voxel[0] + 1))
    me.at(0, voxel[0])
    point(me, [float(voxel[2]), float(voxel[1])])
    source = grid.source_index(voxel)
    assert study.affine is not None
    mm = (study.affine @ [*source, 1])[:3]
    under = me.root.locator(".under")
    me.me.expect(under).to_contain_text(", ".join(f"{v:.1f}" for v in mm))
    me.me.expect(under).to_contain_text(f"{int(np.rint(study.pixels[source]))} HU · ground-glass opacity · ")
    side = {1: "right lung", 2: "left lung"}[int(result.lungs[source])]
    me.me.expect(under).to_contain_text(side)


def test_wheel_keys_and_window_ask_the_server_nothing(reader: Any) -> None:
    me = reader()
    study = examples.example()
    me.me.rest()
    sent: list[Any] = []
    me.evaluate(
        """() => { const send = WebSocket.prototype.send; globalThis.sent = 0
             WebSocket.prototype.send = function (...all) { globalThis.sent++; return send.apply(this, all) } }"""
    )
    me.page.on("request", lambda request: sent.append(request.url))
    middle = [128.0, 128.0]
    point(me, middle)
    start = me.now()[0]
    me.page.mouse.wheel(0, -100)
    me.at(0, start + 1)
    me.page.mouse.wheel(0, 100)
    me.at(0, start)
    for key, index in (("Home", 0), ("ArrowUp", 1), ("ArrowRight", 2), ("ArrowDown", 1), ("End", 5), ("PageDown", 0)):
        me.page.keyboard.press(key)
        me.at(0, index)
    assert me.page.evaluate("() => scrollY") == 0, "the page stays where it is"
    grey = "() => infnetVolume.viewer.window"
    before = me.evaluate(grey)
    drag(me, middle, [150.0, 140.0])
    after = me.evaluate(grey)
    assert after[1] - after[0] > before[1] - before[0]
    assert sum(after) > sum(before)
    me.press("Mediastinum")
    assert me.evaluate(grey) == [-160, 240]
    zoom = "() => [infnetVolume.viewer.views[0].zoom, ...infnetVolume.viewer.views[0].pan]"
    drag(me, middle, [128.0, 100.0], "right")
    drag(me, middle, [140.0, 140.0], "middle")
    zoomed = me.evaluate(zoom)
    assert zoomed[0] > 1
    assert zoomed[1:] != [0, 0]
    me.page.keyboard.press("0")
    assert me.evaluate(zoom) == [1, 0, 0]
    me.page.keyboard.press("Space")
    me.at(0, 3)
    me.page.keyboard.press("Space")
    me.page.keyboard.press("Home")
    me.at(0, 0)
    me.press("Ruler")
    drag(me, [60.0, 60.0], [100.0, 90.0])
    lines = "() => infnetVolume.viewer.measures.map(m => m.lines(infnetVolume.viewer.views[0]))"
    ((length,),) = me.evaluate(lines)
    assert abs(float(length.split()[0]) - 1.4 * 50) < 1.5
    me.page.keyboard.press("Delete")
    me.press("Region")
    drag(me, [100.0, 100.0], [121.0, 111.0])
    statistics, region = me.evaluate(
        """() => { const [m] = infnetVolume.viewer.measures
             return [m.statistics(infnetVolume.viewer.views[0]), [...m.from, ...m.to]] }"""
    )
    x0, y0, x1, y1 = region
    rows, columns = np.mgrid[:256, :256]
    inside = ((columns - (x0 + x1) / 2) / ((x1 - x0) / 2)) ** 2 + ((rows - (y0 + y1) / 2) / ((y1 - y0) / 2)) ** 2 <= 1
    values = np.rint(study.pixels[0])[inside]
    assert statistics["count"] == len(values) > 100
    assert statistics["mean"] == pytest.approx(values.mean())
    assert statistics["deviation"] == pytest.approx(values.std())
    assert sent == []
    assert me.evaluate("() => globalThis.sent") == 0


def test_browser_holds_every_voxel_and_thresholds_are_those_of_the_package(reader: Any) -> None:
    me = reader()
    study = examples.example()
    result = segment(study, fake_engines())
    frame = Frame.of(study)
    assert frame is not None
    for name, packed in (
        ("values", frame.values(study, range(6))),
        ("marks", frame.marks(study, result, Levels(0.5, 0.5), range(6))),
    ):
        script = f"""() => {{ const a = infnetVolume.viewer.volume.{name}; let text = ""
          const bytes = new Uint8Array(a.buffer); for (let i = 0; i < bytes.length; i += 8192)
            text += String.fromCharCode(...bytes.subarray(i, i + 8192)); return btoa(text) }}"""
        assert base64.b64decode(me.evaluate(script)) == packed, name
    early = """() => { const v = infnetVolume.viewer.volume; v.ready[0] = 0; v._mark(0, v.marks.slice(0, v.area))
      v.ready[0] = 1; const asked = v.want(0).marks; v.marked[0] = v.head.reading; return asked }"""
    assert me.evaluate(early) == [0], "marks that came before the slice was done are asked for again"
    total = measure(study, result).total.lesion
    numbers = me.root.locator(".numbers")
    me.me.expect(numbers).to_have_text(f"Lesion {units.amount(total)}, {units.percent(total)} of the lungs")
    me.evaluate("""() => { const v = infnetVolume.viewer, update = v.update; globalThis.heads = []
      v.update = function (head, ...blocks) {
        heads.push([head.taken, head.threshold, head.smallest])
        update.call(v, head, ...blocks) } }""")
    me.me.expect(me.me.metric("Lesion volume")).to_have_text(units.amount(total))
    me.page.get_by_role("slider", name="Infection from probability").press("End")  # the fake engines answer 0.9
    me.me.expect(numbers).to_have_text("Lesion 0.0 ml, 0.0 % of the lungs")
    me.me.expect(me.me.metric("Lesion volume")).to_have_text("0.0 ml")
    me.page.get_by_role("slider", name="Infection from probability").press("Home")
    lowest = read(study, result, Settings(0.2)).statistics.total.lesion
    me.me.expect(numbers).to_contain_text(units.amount(lowest))
    me.page.get_by_role("slider", name="Smallest lesion in a slice").press("End")
    without = read(study, result, Settings(0.2, 200)).statistics.total.lesion
    assert without.lesion_voxels < lowest.lesion_voxels
    me.me.expect(numbers).to_have_text(f"Lesion {units.amount(without)}, {units.percent(without)} of the lungs")
    me.me.expect(me.me.metric("Lesion volume")).to_have_text(units.amount(without))
    me.page.get_by_role("slider", name="Smallest lesion in a slice").press("Home")
    me.me.expect(me.me.metric("Lesion volume")).to_have_text(units.amount(lowest))
    answers = {tuple(head) for head in me.evaluate("() => globalThis.heads") if head[0] is not None}
    assert len({taken for taken, _, _ in answers}) >= 3
    assert len({taken for taken, _, _ in answers}) == len(answers), "an answer to a choice holds what was chosen"


def test_lesions_are_stepped_through_biggest_first(reader: Any) -> None:
    me = reader()
    study = examples.example()
    listed = lesions.lesions(study, segment(study, fake_engines()))
    point(me, [10.0, 10.0])
    for number in (0, 1, 2):
        me.page.keyboard.press("n")
        me.at(0, listed[number].display_slice)
    me.page.keyboard.press("p")
    me.at(0, listed[1].display_slice)
    entry = me.root.locator(".lesions button[aria-pressed=true]")
    me.me.expect(entry).to_contain_text(f"{listed[1].ml:,.1f} ml, {listed[1].lung}")
    me.page.keyboard.down("h")
    me.page.wait_for_function("() => infnetVolume.viewer.look.hidden")
    me.page.keyboard.up("h")
    me.page.wait_for_function("() => !infnetVolume.viewer.look.hidden")


def test_slices_arrive_as_they_are_segmented(chrome: Any, server: Server) -> None:
    server.hold.write_text("2")
    try:
        me = Visitor(chrome, server.url)
        me.click("Open the example study")
        me.picture("Slice 3 of 6, overlay while others still wait")  # the slice on screen comes first
        slider = me.page.get_by_role("slider", name="Slice, from the feet to the head")
        slider.press("End")
        me.picture("Slice 6 of 6, not segmented yet")
        server.hold.unlink()
        me.picture(re.compile("^Slice 6 of 6, with overlay: "))
        me.expect(me.metric("Lesion volume")).to_have_count(1)
        me.page.wait_for_function(HELD)
    finally:
        server.hold.unlink(missing_ok=True)
        me.context.close()


def test_another_page_and_back_sends_nothing_and_closing_forgets(reader: Any) -> None:
    me = reader()
    point(me, [10.0, 10.0])
    me.page.keyboard.press("Home")
    me.at(0, 0)
    me.me.go("Numbers")
    me.evaluate(
        "() => { const v = infnetVolume.viewer.volume; v.took = 0; const take = v.take; "
        "v.take = (blocks, reading) => { v.took += blocks.length; take.call(v, blocks, reading) } }"
    )
    me.me.go("Viewer")
    me.wait()
    me.at(0, 0)
    assert me.evaluate("() => infnetVolume.viewer.volume.took") == 0
    me.me.click("Close study")
    me.page.wait_for_function("() => infnetVolume.viewer === null")


def test_pictures_stay_within_reach_at_the_same_slice(reader: Any) -> None:
    me = reader()
    point(me, [10.0, 10.0])
    me.page.keyboard.press("Home")
    me.at(0, 0)
    me.press("Pictures")
    me.me.at_pictures()
    me.me.picture(re.compile("^Slice 1 of 6, with overlay"))
    me.page.get_by_role("slider", name="Slice, from the feet to the head").press("End")
    me.me.picture(re.compile("^Slice 6 of 6, with overlay"))
    me.me.rest()
    me.page.get_by_role("radio", name="Volume", exact=True).click()
    me.wait()
    me.at(0, 5)


def test_a_run_that_is_stopped_in_the_viewer_says_how_to_go_on(reader: Any, server: Server, chrome: Any) -> None:
    server.hold.write_text("2")
    me = Visitor(chrome, server.url)
    me.click("Open the example study")
    me.expect(me.page.get_by_text(re.compile(r"\d of 6 slices"))).to_be_visible()
    me.click("Stop")
    server.hold.unlink()
    me.expect(me.page.get_by_text("The networks have not run on this study yet.")).to_be_visible()
    me.expect(me.page.get_by_text(re.compile(r"\d of 6 slices"))).to_have_count(0)
    me.rest()
    me.click("Go to Study")
    me.click("Run")
    me.page.wait_for_function(HELD)
    me.context.close()


def test_leaving_during_a_run_leads_where_one_wanted(chrome: Any, server: Server) -> None:
    """Left while its viewer asks one question after the other, a page leaves nothing of itself on the next one."""
    server.hold.write_text("2")
    try:
        me = Visitor(chrome, server.url)
        me.click("Open the example study")
        me.picture(re.compile("^Slice 3 of 6, overlay"))
        question = "() => { infnetVolume.viewer.volume.want = () => ({ values: [0], marks: [] }) }"
        me.page.evaluate(question)  # one after the other
        for _ in range(10):
            me.go("Check")
            me.page.get_by_test_id("stTopNavLink").filter(has_text="Viewer").click()
            me.page.wait_for_function("() => infnetVolume.viewer?.questions.asked != null")
        me.go("Check")
        server.hold.unlink()
        me.expect(me.page.get_by_text("Check against a reference")).to_be_visible()
        me.expect(me.page.locator(".infnet-volume")).to_have_count(0)
    finally:
        server.hold.unlink(missing_ok=True)
        me.context.close()
