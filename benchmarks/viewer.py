"""How quick the volume viewer is in Chromium, what it is sent, and what the server needs for it.

    python -m benchmarks.viewer                      a synthetic chest of 74 slices of 512 x 512
    python -m benchmarks.viewer --slices 300
    python -m benchmarks.viewer --folder DICOM       a study of your own, with the shipped networks

Without --folder the answers are read off the grey values. Times are taken in the page, from the event to the end of the
drawing, so that driving the browser takes no part.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from tests.app.driving import ROOT, browser, served

PATIENCE = 1_200_000  # ms
HELD = "() => globalThis.infnetVolume?.viewer?.volume.complete && !infnetVolume.viewer.head.growing"
SHOWN = "() => globalThis.infnetVolume?.viewer?.volume.held[infnetVolume.viewer.at[0]] === 1"
OVERLAID = "() => infnetVolume.viewer.volume.marked[infnetVolume.viewer.at[0]] != null"
MEASURE = """async () => {
  const root = document.querySelector(".infnet-volume"), canvas = root.querySelector(".stage canvas:not([hidden])")
  const box = canvas.getBoundingClientRect()
  const middle = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, bubbles: true, pointerId: 1 }
  const drawn = async (act) => {
    const before = root.dataset.drawn, begun = performance.now()
    act()
    while (root.dataset.drawn === before) await new Promise((go) => setTimeout(go))
    return performance.now() - begun
  }
  const wheel = (deltaY) => canvas.dispatchEvent(new WheelEvent("wheel", { ...middle, deltaY, cancelable: true }))
  const drag = (kind, x) => {
    canvas.dispatchEvent(new PointerEvent(kind, { ...middle, clientX: middle.clientX + x, button: 0 }))
  }
  const ticks = []
  for (let at = 0; at < 40; at++) ticks.push(await drawn(() => wheel(at < 20 ? 100 : -100)))
  canvas.setPointerCapture = () => {}
  drag("pointerdown", 0)
  const begun = performance.now()
  let pictures = 0
  while (performance.now() - begun < 3000) await drawn(() => drag("pointermove", 10 + pictures++))
  drag("pointerup", 10)
  return { ticks, rate: pictures / 3 }
}"""
SCRIPT = """import runpy, sys
sys.path.insert(0, {root!r})
from infnet import phantom
from tests.app import examples
if not hasattr(examples, "large"):
    examples.large = phantom.chest(slices={slices}, rows=512, columns=512, spacing=({apart}, 0.7, 0.7)).study
examples.example = lambda: examples.large
runpy.run_path({fake!r}, run_name="__main__")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=74)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        script = ROOT / "app" / "main.py"
        if options.folder is None:
            script = Path(folder) / "main.py"
            fake = str(ROOT / "tests" / "app" / "fake_main.py")
            script.write_text(
                SCRIPT.format(root=str(ROOT), slices=options.slices, apart=296 / options.slices, fake=fake)
            )
        with served(Path(folder) / "log.txt", script) as url, browser() as running:
            measure(running, url, options.folder)


def measure(running, url: str, folder: Path | None) -> None:  # type: ignore[no-untyped-def]
    (server,) = [child for child in psutil.Process().children() if "streamlit" in child.cmdline()]
    page = running.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    received, sent = [], []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: received.append(len(data))))
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
    uploaded: list[float] = []
    page.on("requestfinished", lambda r: uploaded.append(time.perf_counter()) if "upload_file" in r.url else None)
    page.goto(url)
    example = page.get_by_role("button", name="Open the example study")
    example.wait_for()
    before = server.memory_info().rss
    if folder is None:
        example.click()
        begun = time.perf_counter()
    else:
        page.locator("input[type=file]").set_input_files([str(p) for p in folder.rglob("*") if p.is_file()])
        begun = 0.0
    page.wait_for_function(SHOWN)
    begun = begun or uploaded[-1]
    print(f"first picture {time.perf_counter() - begun:.1f} s after the {'upload' if folder else 'click'}", flush=True)
    page.wait_for_function(OVERLAID)
    print(f"first overlay on it after {time.perf_counter() - begun:.1f} s", flush=True)
    page.wait_for_function("() => !infnetVolume.viewer.head.growing")
    print(f"result after {time.perf_counter() - begun:.1f} s")
    page.wait_for_function(HELD)
    print(
        f"all of it in the browser after {time.perf_counter() - begun:.1f} s, {sum(received) / 1e6:.1f} MB received, "
        f"largest message {max(received) / 1e6:.1f} MB"
    )
    print(f"server: {before / 2**20:.0f} MiB before the study, {server.memory_info().rss / 2**20:.0f} MiB with it")
    print(re.sub(r"\s+", " ", page.locator(".infnet-volume .numbers").inner_text()))
    sent.clear()
    took = page.evaluate(MEASURE)
    slowest = sorted(took["ticks"])[36]
    print(f"wheel tick to new slice: median {statistics.median(took['ticks']):.0f} ms, 90 % below {slowest:.0f} ms")
    print(f"window drag: {took['rate']:.0f} pictures a second; messages to the server: {len(sent)}")


if __name__ == "__main__":
    main()
