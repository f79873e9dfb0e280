"""How long moving the slice slider takes for a study of 74 slices of 512 x 512, and how much it sends.

    python -m benchmarks.slider                 the server's part: AppTest runs the viewer's page, and the picture alone
    python -m benchmarks.slider --browser       from the key press to the new picture in Chromium

Synthetic chest, answers read off the grey values: what the networks would find takes no part in a redraw.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from streamlit.testing.v1 import AppTest

import infnet
from app.core import examples, pictures
from app.core.pictures import Cut, Look
from infnet import phantom
from infnet.pipeline.run import segment
from tests.app.apptest import example, slices
from tests.app.driving import ROOT, browser, served
from tests.fakes import fake_engines

MOVES = 30
TARGET = 150  # ms, median
STOPWATCH = """() => {
  window.took = []
  let begun = null
  addEventListener("keydown", () => { begun = performance.now() }, true)
  document.querySelector(".infnet-slice img").addEventListener("load", () => {
    if (begun != null) window.took.push(performance.now() - begun)
    begun = null
  })
}"""  # in the page, so that driving the browser takes no part: from the key to the picture that is decoded


def study() -> infnet.Study:
    return phantom.chest(slices=74, rows=512, columns=512, spacing=(4.0, 0.7, 0.7)).study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--browser", action="store_true")
    if parser.parse_args().browser:
        in_browser()
    else:
        in_process()


def in_process() -> None:
    large = study()
    result = segment(large, fake_engines())
    report(
        "picture alone",
        [timed(lambda k=k: pictures.slice_picture(Cut(large, k), Look(), result)) for k in range(20, 20 + MOVES)],
    )
    infnet.load_engines = lambda infection=None, device=None: fake_engines()  # type: ignore[assignment]
    examples.example = lambda: large
    app = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=300).run()
    example(app)
    report("whole page", [timed(lambda k=k: app.slider(key="slice").set_value(k).run()) for k in range(20, 20 + MOVES)])
    print(f"message: {max(len(data) for _, data in slices(app)) / 1e6:.2f} MB, one slice of 74")


def in_browser() -> None:
    """Serves the tests' app with this study in place of its example."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "main.py"
        script.write_text(
            "import runpy, sys\n"
            f"sys.path.insert(0, {str(ROOT)!r})\n"
            "from benchmarks import slider\nfrom tests.app import examples\n"
            "if not hasattr(examples, 'large'):\n    examples.large = slider.study()\n"
            "examples.example = lambda: examples.large\n"
            f"runpy.run_path({str(ROOT / 'tests' / 'app' / 'fake_main.py')!r}, run_name='__main__')\n"
        )
        with served(Path(folder) / "log.txt", script) as url, browser() as running:
            page = running.new_page(viewport={"width": 1440, "height": 900})
            page.goto(url)
            page.get_by_role("button", name="Open the example study").click(timeout=120_000)
            page.locator(".infnet-slice img[alt*='with overlay']").wait_for(timeout=300_000)
            slider = page.get_by_role("slider", name="Slice, from the feet to the head")
            slider.press("Home")
            page.locator(".infnet-slice img[alt^='Slice 1 of 74']").wait_for()
            page.evaluate(STOPWATCH)
            for number in range(2, 2 + MOVES):
                slider.press("ArrowRight")
                page.locator(f".infnet-slice img[alt^='Slice {number} of 74']").wait_for()
                page.wait_for_function("seen => window.took.length === seen", arg=number - 1)
            took = page.evaluate("() => window.took")
            report("key to picture", took)


def timed(work) -> float:  # type: ignore[no-untyped-def]
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def report(name: str, took: list[float]) -> None:
    slowest = sorted(took)[int(0.9 * len(took))]
    print(f"{name}: median {statistics.median(took):.0f} ms, 90 % below {slowest:.0f} ms (target {TARGET} ms)")


if __name__ == "__main__":
    main()
