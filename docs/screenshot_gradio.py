"""Make the picture of the Gradio demo, on its synthetic example. Run: .venv/bin/python docs/screenshot_gradio.py"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import infnet
from app import gradio_demo
from tests.app.driving import ROOT, browser, chromium, free_port

WAIT = 600_000  # ms


def main() -> None:
    """Write docs/images/gradio.png: light, 1440 pixels wide."""
    if chromium() is None:
        sys.exit("no Chromium here; on Debian: sudo apt-get install chromium")
    with (
        tempfile.TemporaryDirectory() as folder,
        gradio_demo.gradio_files_in(Path(folder)) as owners,
        browser() as running,
    ):
        demo = gradio_demo.build(infnet.load_engines(), owners)
        page = running.new_page(viewport={"width": 1440, "height": 1000}, color_scheme="light")
        page.goto(gradio_demo.launch(demo, owners, free_port()))
        page.get_by_role("button", name="Example study").click()
        page.get_by_text("HU of lung and lesion").wait_for(timeout=WAIT)
        page.locator(".js-plotly-plot").nth(1).wait_for()
        page.mouse.move(0, 0)
        page.wait_for_timeout(1500)
        page.screenshot(path=ROOT / "docs" / "images" / "gradio.png", full_page=True)
        demo.close()


if __name__ == "__main__":
    main()
