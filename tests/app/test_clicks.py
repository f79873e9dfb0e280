"""A click on another page leads there, in whatever moment of a run it falls."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.app.driving import chromium
from tests.app.test_browser import Server, Visitor, chrome, server, visit

__all__ = ["chrome", "server", "visit"]
pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(chromium() is None, reason="no Chromium here; on Debian: sudo apt-get install chromium"),
]
MOMENTS = 20
STEP = 70  # ms between two of them: a run goes on for half a second after it was held, and its end is drawn after that
FROM = ("Study", "Numbers", "Compare", "Viewer")  # all that look how far a run is
TO = {"Check": "Check against a reference", "About": "Methods, to paste into a paper"}


def link(me: Visitor, title: str) -> Any:
    return me.page.get_by_test_id("stTopNavLink").filter(has_text=title)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_click_on_another_page_is_lost_round_the_end_of_a_run(visit: Any, server: Server) -> None:
    me = visit()
    for moment in range(MOMENTS):
        origin, (title, words) = FROM[moment % len(FROM)], list(TO.items())[moment // len(FROM) % len(TO)]
        server.hold.write_text("2")
        me.click("Open the example study")
        me.expect(me.page.get_by_text(re.compile(r"\d of 6 slices"))).to_be_visible()
        if origin == "Viewer" and moment == FROM.index("Viewer"):
            me.click("Pictures")  # its own fragments; the next runs begin with it
            me.at_pictures()
        me.go(origin) if origin != "Viewer" else me.rest()
        me.expect(me.page.get_by_text(re.compile(r"\d of 6 slices"))).to_be_visible()
        server.hold.unlink()
        me.page.wait_for_timeout(STEP * moment)  # the moment itself: nothing is waited for
        link(me, title).click()
        me.expect(me.page).to_have_url(re.compile(f"/{title.lower()}(\\?|$)"))
        me.expect(me.page.get_by_text(words)).to_be_visible()
        me.rest()
        me.go("Numbers")
        me.expect(me.metric("Lesion volume")).to_have_count(1)
        me.go(title)
        me.expect(me.page.get_by_text(words)).to_be_visible()
        me.expect(me.page.get_by_text(re.compile(r"\d of 6 slices"))).to_have_count(0)
        me.go("Study")
        me.click("Close study")
