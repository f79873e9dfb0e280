"""The slice viewer: a fragment, so that moving the slider redraws one slice and its numbers and nothing else."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from streamlit.delta_generator import DeltaGenerator

import infnet
from app import downloads, numbers
from infnet.export import is_picture
from infnet.overlay import COLOURS, LUNG_COLOUR, LUNG_WINDOW, display, overlay, upright
from infnet.statistics import Statistics
from infnet.study import CLASS_NAMES

WINDOWS = {"Lung": LUNG_WINDOW, "Mediastinum": (-160.0, 240.0), "Wide": (-1000.0, 1000.0)}  # HU shown black, white


@st.fragment
def viewer(
    study: infnet.Study, result: infnet.Segmentation, statistics: Statistics, beside: DeltaGenerator
) -> None:
    """Slice with overlay, its controls, and in the placeholder `beside` its numbers. Sends one slice."""
    turn = upright(study)
    labels, lungs = turn.apply(result.labels), turn.apply(result.lungs)
    count = len(labels)
    index = _choose(study, labels)
    frame = st.container(key="picture")
    shown = _controls(study)
    grey = display(study, index, shown["window"])
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    if shown["overlay"]:
        picture = overlay(grey, labels[index], opacity=shown["opacity"], outline=shown["outline"],
                          lungs=lungs[index] if shown["lungs"] else None)  # fmt: skip
    png = _png(_aspect(picture, study), marked=not is_picture(study))
    row = _row(study, index)
    position = f"Slice {index + 1} of {count}"
    with frame:
        alt = f"{position}, {_alt(shown['overlay'], statistics, row)}"
        st.image(png, width="stretch", output_format="PNG", alt=alt)
    with shown["row"]:
        name = f"slice_{index if row is None else row:03d}.png"
        downloads.button("Save picture", png, name, "image/png", "the slice as shown.")
    if count > 1:
        with beside.container():
            numbers.one_slice(position, None if row is None else statistics.slices[row], row)


def preview(study: infnet.Study) -> None:
    """The middle slice as it is, to look at while the networks run."""
    index = len(upright(study).apply(study.pixels)) // 2
    left, _ = st.container(key="viewer").columns([3, 2], gap="large")
    png = _png(_aspect(display(study, index), study), marked=not is_picture(study))
    with left.container(key="picture"):
        st.image(png, width="stretch", output_format="PNG", alt=f"Slice {index + 1}, not segmented yet")


def _choose(study: infnet.Study, labels: NDArray[np.uint8]) -> int:
    """The slice to show; the one with the most lesion at first."""
    count = len(labels)
    if count == 1:
        return 0
    loads = np.count_nonzero(labels, axis=(1, 2))
    worst = int(loads.argmax()) + 1 if loads.any() else (count + 1) // 2
    if "slice" not in st.session_state:
        st.session_state.slice = worst
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = "Slice" if is_picture(study) else "Slice, from the feet to the head"
        chosen = int(st.slider(label, 1, count, key="slice"))
        st.button("Most lesion", icon=":material/vertical_align_center:", disabled=not loads.any(),
                  help=f"Go to slice {worst}.", on_click=_go, args=(worst,))  # fmt: skip
    return chosen - 1


def _go(number: int) -> None:
    st.session_state.slice = number


def _controls(study: infnet.Study) -> dict[str, Any]:
    """Overlay and window settings, and what the colours mean."""
    entries = [(CLASS_NAMES[c], colour) for c, colour in COLOURS.items()] + [("lung border", LUNG_COLOUR)]
    spans = (f'<span><i style="background: rgb{colour}"></i>{name}</span>' for name, colour in entries)
    st.html(f'<div class="infnet-legend">{"".join(spans)}</div>')
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        on = st.toggle("Overlay", value=True)
        lungs = st.toggle("Lung borders", value=True, disabled=not on)
        outline = st.segmented_control("Lesions as", ["Fill", "Outline"], default="Fill", required=True,
                                       label_visibility="collapsed", disabled=not on) == "Outline"  # fmt: skip
        window = "Lung"
        if study.is_hu:
            window = st.segmented_control("Window", list(WINDOWS), default="Lung", required=True,
                                          label_visibility="collapsed")  # fmt: skip
    row = st.container(horizontal=True, vertical_alignment="bottom")
    opacity = row.slider("Opacity", 0, 100, 45, step=5, format="%d %%", disabled=not on) / 100
    return {"overlay": on, "lungs": lungs, "outline": outline, "opacity": opacity,
            "window": WINDOWS[window], "row": row}  # fmt: skip


def _row(study: infnet.Study, index: int) -> int | None:
    """The row of the table, a slice of the source, that upright slice `index` shows; None where it cuts across them."""
    turn = upright(study)
    if turn.axes[0] != 0:
        return None
    return len(study.pixels) - 1 - index if turn.flips[0] else index


def _alt(on: bool, statistics: Statistics, row: int | None) -> str:
    if not on:
        return "without overlay"
    if row is None:
        return "with overlay"
    return "with overlay: " + ", ".join(
        f"{CLASS_NAMES[c]} {numbers.area(load)}" for c, load in statistics.slices[row].total.by_class.items()
    )


def _aspect(picture: NDArray[np.uint8], study: infnet.Study) -> Image.Image:
    """The picture with square millimetres."""
    image = Image.fromarray(picture)
    if study.affine is None:
        return image
    _, down, across = upright(study).spacing(study.spacing)
    if abs(down / across - 1) < 0.01:
        return image
    finest = min(down, across)
    size = round(image.width * across / finest), round(image.height * down / finest)
    return image.resize(size, Image.Resampling.BILINEAR)


def _png(image: Image.Image, marked: bool) -> bytes:
    """PNG bytes; `marked` with R and L where the patient's sides are known."""
    if marked:
        draw = ImageDraw.Draw(image)
        font = ImageFont.load_default(max(image.height / 24, 10))
        edge, middle = image.width * 0.015, image.height / 2
        for x, side, anchor in ((edge, "R", "lm"), (image.width - edge, "L", "rm")):
            draw.text((x, middle), side, "white", font, anchor=anchor, stroke_width=1, stroke_fill="black")
    held = io.BytesIO()
    image.save(held, "PNG", compress_level=1)  # quick to make; it travels over loopback
    return held.getvalue()
