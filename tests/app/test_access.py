"""For those who see little, and on any screen: headings, what is said aloud, contrast; slices without a click."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from tests.app.driving import chromium
from tests.app.test_browser import PAGES, Server, chrome, server, visit

__all__ = ["chrome", "server", "visit"]
pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(chromium() is None, reason="no Chromium here; on Debian: sudo apt-get install chromium"),
    pytest.mark.timeout(900),
]
HEADINGS = "() => [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(each => Number(each.tagName[1]))"
WHEEL = """() => { const slice = document.querySelector('.infnet-slice')
  slice.dispatchEvent(new WheelEvent('wheel', { deltaY: -100, bubbles: true, cancelable: true }))
  return slice.querySelector('img').alt }"""
SCROLLED = "() => document.querySelector('[data-testid=stMain]').scrollTop"
WIDER = "() => { const { scrollWidth, clientWidth } = document.querySelector('[data-testid=stMain]')"
WIDER += "; return scrollWidth - clientWidth }"


def axe(page: Any) -> list[str]:
    """What axe-core finds serious or critical."""
    rules = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    found = rules.Axe().run(page).response["violations"]
    bad = [each for each in found if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {node['html']} {node['failureSummary']}" for each in bad for node in each["nodes"]]


def opened(me: Any) -> None:
    me.click("Open the example study")
    me.picture(re.compile(r"^Slice \d of 6, with overlay"))
    me.rest()


def test_beginning_progress_and_end_of_a_run_are_said(visit: Any, server: Server) -> None:
    server.hold.write_text("3")
    me = visit()
    run, progress = (me.page.locator(f"[class*=st-key-status-{topic}] [role=status]") for topic in ("run", "progress"))
    me.expect(run).to_have_text("")
    me.click("Open the example study")
    me.expect(run).to_have_text("The networks run.")
    me.expect(progress).to_have_text(re.compile(r"^(25|50|75) % done$"))
    server.hold.unlink()
    me.expect(run).to_have_text("The networks are done.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_headings_are_in_order_and_nothing_serious_is_found_on_any_page(visit: Any, scheme: str) -> None:
    me = visit()
    me.page.emulate_media(color_scheme=scheme)
    me.page.mouse.move(0, 0)
    assert axe(me.page) == []
    opened(me)
    for title in PAGES:
        me.go(title)
        me.expect(me.page.locator("h1")).to_have_count(1)
        me.expect(me.page.locator("h1")).to_have_text(title)
        levels = me.page.evaluate(HEADINGS)
        assert levels[0] == 1, title
        assert all(after <= before + 1 for before, after in pairwise(levels)), (title, levels)
        assert axe(me.page) == [], title
    me.go("Viewer")
    for name in ("Correct", "Brush"):
        me.page.locator(".infnet-volume").get_by_role("button", name=name, exact=True).click()
    me.expect(me.page.get_by_role("spinbutton", name="Radius")).to_be_visible()
    assert axe(me.page) == [], "with the tools that correct"


def test_wheel_and_keys_work_over_the_picture_and_neighbours_need_no_server(visit: Any) -> None:
    me = visit()
    opened(me)
    me.click("Pictures")
    me.expect(me.page.locator(".infnet-volume")).to_have_count(0)
    slice_ = me.page.locator(".infnet-slice")
    me.expect(slice_).to_have_count(1)
    me.page.get_by_role("slider", name="Slice, from the feet to the head").press("Home")
    me.picture(re.compile("^Slice 1 of 6"))
    me.rest()
    assert me.page.evaluate(WHEEL).startswith("Slice 2 of 6"), "drawn before the server could answer"
    assert me.page.evaluate(WHEEL).startswith("Slice 3 of 6")
    me.expect(me.page.get_by_text("Slice 3 of 6")).to_be_visible()  # the page follows
    me.rest()
    me.page.evaluate("document.activeElement.blur()")
    slice_.hover()
    scrolled = me.page.evaluate(SCROLLED)
    me.page.mouse.wheel(0, -100)
    me.expect(me.page.get_by_text("Slice 4 of 6")).to_be_visible()
    me.page.keyboard.press("ArrowDown")
    me.page.keyboard.press("ArrowDown")
    me.picture(re.compile("^Slice 2 of 6"))
    me.expect(me.page.get_by_text("Slice 2 of 6")).to_be_visible()
    assert me.page.evaluate(SCROLLED) == scrolled, "the page stays where it is"
    me.page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    box = slice_.bounding_box()
    assert box["height"] > 0.6 * 900
    assert box["y"] + box["height"] < 900, "the whole picture is in the window"
    me.page.get_by_role("radio", name="Volume", exact=True).click()
    me.expect(me.page.locator(".infnet-volume")).to_have_count(1)


def test_a_telephone_gets_every_control(visit: Any) -> None:
    me = visit(390)
    opened(me)
    assert me.page.locator(".infnet-volume .tools").first.bounding_box()["height"] < 60
    assert me.page.evaluate(WIDER) == 0
    me.click("Correct")
    assert me.page.locator(".infnet-volume .correct .tools").bounding_box()["height"] < 60
    assert me.page.evaluate(WIDER) == 0
    me.click("Pictures")
    me.expect(me.page.locator(".infnet-slice")).to_have_count(1)
    for name in ("Overlay", "Side by side", "Heat map", "Stages", "HU bands"):
        box = me.page.get_by_role("radio", name=name, exact=True).bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 390, name
    for title in PAGES[2:]:
        me.page.goto(f"{me.url}/{title.lower()}?{me.page.url.partition('?')[2]}")
        me.expect(me.page.locator("h1")).to_have_text(title)
        me.rest()
        assert me.page.evaluate(WIDER) == 0, title
