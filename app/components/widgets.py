"""The widgets of our own: a slice that tells HU and class under the pointer, the lesion load along slices, a pulse, and
what is said to screen readers.

What they draw goes to the browser in the message itself: no address on the server ever serves a patient's picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.core.pictures import SlicePicture
from app.core.tokens import new_token
from infnet.overlay import COLOURS
from infnet.study import CONSOLIDATION, GGO

HERE = Path(__file__).parent
SLICE_CSS = """
.infnet-slice {margin: 0; background: #000; border-radius: .5rem; overflow: hidden; position: relative;
  outline-offset: 2px}
.infnet-slice img {display: block; margin: auto; image-rendering: auto; object-fit: fill}
.infnet-slice output {position: absolute; left: 0; bottom: 0; padding: .15rem .6rem; color: #fff; font-size: .85rem;
  background: rgba(0, 0, 0, .65); border-radius: 0 .5rem 0 0; font-variant-numeric: tabular-nums; pointer-events: none}
.infnet-slice output:empty {display: none}
.infnet-slice:focus-visible {outline: 2px solid var(--st-primary-color)}
"""
LOAD_CSS = """
.infnet-load {display: block; width: 100%; height: 2.25rem; cursor: pointer; color: var(--st-text-color);
  border-bottom: 1px solid var(--st-border-color)}
.infnet-load .now {opacity: .25}
"""
UNSEEN_CSS = """
.infnet-unseen {position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)}
"""


def _component(name: str, css: str, html: str, *modules: str) -> Any:
    """The component `infnet_NAME` with the script NAME.js, which may use what `modules` hold."""
    script = "".join((HERE / module).read_text() for module in (*modules, f"{name}.js"))
    return st.components.v2.component(f"infnet_{name}", js=script, css=css, isolate_styles=False, html=html)


_slice = _component(
    "slice",
    SLICE_CSS,
    '<figure class="infnet-slice" tabindex="0" role="group"><img><output></output></figure>',
)
_pulse = _component("pulse", "", "<i hidden></i>", "volume/src/page.js")
_whole = _component("whole", "", "<i hidden></i>", "volume/src/page.js")
_load = _component("load", LOAD_CSS, '<svg class="infnet-load" role="img" preserveAspectRatio="none"></svg>')

_status = _component("status", UNSEEN_CSS, '<div role="status" class="infnet-unseen"></div>')


def show_slice(
    picture: SlicePicture,
    number: int,
    count: int,
    key: str,
    go: Callable[[int], None],
    tall: str = "60vh",
    view: str = "",
    ahead: Mapping[int, SlicePicture] | None = None,
) -> None:
    """One slice, `number` of `count` from 1; `go` gets the number that keys or wheel ask for. `tall`: a CSS length.

    ahead: slices, by their numbers, that are shown at once when they are asked for. view: what the pictures have in
    common; one that was sent is shown again only within its view.
    """
    rows, columns = picture.values.shape
    starts, kinds = _runs(picture.codes)
    others = ahead or {}
    head = json.dumps(
        {
            "png": len(picture.png),
            "rows": rows,
            "columns": columns,
            "width": picture.size[0],
            "height": picture.size[1],
            "alt": picture.alt,
            "unit": picture.unit,
            "names": picture.names,
            "number": number,
            "count": count,
            "tall": f"max({tall}, 16rem)",
            "signed": picture.values.dtype == np.int16,
            "runs": len(starts),
            "view": view,
            "ahead": [{"number": n, "alt": other.alt, "size": len(other.png)} for n, other in others.items()],
        }
    ).encode()
    parts = [head, picture.png, picture.values.tobytes(), starts.tobytes(), kinds.tobytes()]
    parts += [other.png for other in others.values()]
    _slice(data=len(head).to_bytes(4, "little") + b"".join(parts), key=key, on_slice_change=lambda: _asked(key, go))


def _runs(codes: NDArray[np.uint8]) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Where runs of one code begin, row by row, and their codes: a hundredth of the codes themselves."""
    flat = codes.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=255)).astype(np.uint32)
    return starts, flat[starts]


def show_load(loads: Sequence[tuple[int, int]], number: int, alt: str, key: str, go: Callable[[int], None]) -> None:
    """Bars of (ggo, consolidation) for every slice; `go` gets the number of the bar that is clicked."""
    colours = ["rgb({}, {}, {})".format(*COLOURS[c]) for c in (GGO, CONSOLIDATION)]
    _load(
        data={"loads": [list(map(int, load)) for load in loads], "number": number, "colours": colours, "alt": alt},
        key=key,
        on_slice_change=lambda: _asked(key, go),
    )


def pulse(key: str, seconds: float = 0, page: bool = False) -> None:
    """Draw the fragment that this stands in again `seconds` from now, or later: never while a click is under way.

    A fragment's own `run_every` does not wait for that, and can bring back the page that somebody has just left; so
    can its `st.rerun()`. page: draw the whole page instead, where it holds a `whole_page`.
    """
    data = {"every": round(1000 * seconds), "page": page, "drawn": new_token()}  # the browser counts from each drawing
    _pulse(data=data, key=key, on_beat_change=lambda: None)


def whole_page() -> None:
    """What fragments have the whole page drawn again by; stands outside all of them."""
    _whole(key="whole", on_ask_change=lambda: None)


def _asked(key: str, go: Callable[[int], None]) -> None:
    value: Any = st.session_state[key].slice
    if isinstance(value, int | float):
        go(int(value))


def say(topic: str, text: str) -> None:
    """Let screen readers say `text`, when it is another one than was said last of `topic`."""
    _status(data={"topic": topic, "text": text}, key=f"status-{topic}")
