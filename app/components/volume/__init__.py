"""The viewer whose volume lives in the browser: src/ is its source, volume.js what `npm run build` makes of it.

The browser asks for what it lacks, and gets that in the message itself: no address on the server ever serves a
patient's picture. What it holds stays there while the study is open, so that a rerun sends a few kilobytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from app.core.tokens import new_token

HERE = Path(__file__).parent
MOST_SLICES = 4096  # that one question may name

_volume = st.components.v2.component(
    "infnet_volume",
    js=(HERE / "volume.js").read_text(),
    css=(HERE / "style.css").read_text(),
    isolate_styles=False,
    html='<div class="infnet-volume-place"></div>',
)


@dataclass(frozen=True)
class Want:
    """What the browser asks for: slices of the frame whose values, and whose marks at `reading`, it lacks."""

    values: tuple[int, ...] = ()
    marks: tuple[int, ...] = ()
    reading: str = ""
    at: int | None = None
    number: int = 0  # of the question: each is answered once, and the browser repeats one that got no answer

    @classmethod
    def of(cls, asked: Any, count: int) -> Want:
        """A question as the browser sent it; what does not fit a frame of `count` slices is left out."""
        if not isinstance(asked, Mapping):
            return cls()

        def numbers(name: str) -> tuple[int, ...]:
            listed = asked.get(name)
            listed = listed[:MOST_SLICES] if isinstance(listed, list) else []
            return tuple(n for n in listed if isinstance(n, int) and 0 <= n < count)

        at = asked.get("at")
        at = at if isinstance(at, int) and 0 <= at < count else None
        number = asked.get("number")
        number = number if isinstance(number, int) else 0
        return cls(numbers("values"), numbers("marks"), str(asked.get("reading")), at, number)


def show_volume(
    head: Mapping[str, Any],
    values: Callable[[tuple[int, ...]], bytes],
    marks: Callable[[tuple[int, ...]], bytes],
    key: str,
    change: Callable[[Mapping[str, Any]], None],
    edit: Callable[[Mapping[str, Any]], None],
) -> Want:
    """The viewer; returns what the browser asked for last.

    head: see `app.views.parts.volumes`. values, marks: bytes of slices of the frame. change gets what somebody has
    chosen in it: {"threshold": number}, {"smallest": number} or {"viewer": name, "slice": number}; edit what has been
    corrected, see `app.core.corrections`.
    """
    state: Any = st.session_state.get(key)
    want = Want.of(getattr(state, "want", None), head["shape"][0])
    answered = f"{key}-answered"
    if answered not in st.session_state:  # the first slice comes without a question
        want = Want(values=(head["initial"],))
    blocks = []
    fresh = st.session_state.get(answered) != want.number
    if fresh:
        if want.values:
            blocks.append(("values", want.values, values(want.values)))
        if want.marks and want.reading == head["reading"]:
            blocks.append(("marks", want.marks, marks(want.marks)))
    listed = [{"what": what, "slices": slices, "size": len(block)} for what, slices, block in blocks]
    # No message is like another: Streamlit may name a repeated one by its hash after the browser has dropped it.
    blocks_head = {"answers": want.number if fresh else None, "list": listed, "serial": new_token()}
    text = json.dumps({**head, "blocks": blocks_head}).encode()

    def told(name: str, take: Callable[[Mapping[str, Any]], None]) -> None:
        asked: Any = getattr(st.session_state[key], name)
        if isinstance(asked, Mapping):
            take(asked)

    _volume(
        data=b"".join([len(text).to_bytes(4, "little"), text, *(block for _, _, block in blocks)]),
        key=key,
        on_set_change=lambda: told("set", change),
        on_edit_change=lambda: told("edit", edit),
        on_want_change=lambda: None,
    )
    st.session_state[answered] = want.number  # not before it is sent: until then the run may be broken off
    return want
