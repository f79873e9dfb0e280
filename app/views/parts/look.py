"""The controls of the viewer: plane and view, thresholds, overlay and window, and what the colours mean."""

from __future__ import annotations

from typing import cast

import streamlit as st

import infnet
from app.core import session
from app.core.case import Exam
from app.core.pictures import WINDOWS, Look
from app.core.reading import PLANES, default_threshold
from app.views.parts import panels
from infnet.measure import densities
from infnet.overlay import DIFFERENCE_COLOURS
from infnet.study import CONSOLIDATION, GGO, LOWEST_THRESHOLD

VIEWS = ("Overlay", "Side by side", "Heat map", "Stages", "HU bands")
CLASSES = {"Ground glass": GGO, "Consolidation": CONSOLIDATION}
BORDERS = "Lung borders"
MARKS = [*CLASSES, BORDERS]
MOST_SMALLEST = 200  # mm² or pixels: the largest choice of the smallest lesion that counts
DISAGREEMENTS = {
    densities.NETWORK_ONLY: "infection in HU of normal lung",
    densities.DENSE_ONLY: "denser lung that the network left out",
}


def plane_and_view(study: infnet.Study) -> tuple[str, str]:
    """Which way the slices lie, and what is drawn of them."""
    plane = "Axial"
    if not study.is_picture and len(study.pixels) > 1:
        plane = _one_of("Plane", PLANES, "plane", "Axial")
    views = [v for v in VIEWS if (v != "HU bands" or study.is_hu) and (v != "Stages" or plane == "Axial")]
    if st.session_state.get("view") not in views:
        st.session_state.view = views[0]
    return plane, _one_of("View", views, "view", VIEWS[0])


def _one_of(label: str, options: tuple[str, ...] | list[str], key: str, default: str, disabled: bool = False) -> str:
    """A segmented control without its label on screen."""
    chosen = st.segmented_control(
        label,
        options,
        key=session.setting(key, default),
        required=True,
        label_visibility="collapsed",
        disabled=disabled,
    )
    return str(chosen)


def thresholds(exam: Exam) -> None:
    """Both thresholds read the stored probabilities again; no network runs."""
    assert exam.job is not None
    with st.container(border=True):
        st.slider(
            "Infection from probability",
            LOWEST_THRESHOLD,
            0.95,
            step=0.05,
            key=session.setting("threshold", default_threshold(exam.job.result)),
            help="From this probability on a pixel counts as lesion. The networks do not run again.",
        )
        unit = "px" if exam.study.affine is None and not st.session_state.get("mm") else "mm²"
        st.slider(
            "Smallest lesion in a slice",
            0,
            MOST_SMALLEST,
            step=5,
            key=session.setting("smallest", 0),
            format=f"%d {unit}",
            help="Lesions that are smaller in a slice are left out everywhere.",
        )


def legend(view: str) -> None:
    """What the colours mean."""
    if view in ("Heat map", "Stages"):
        panels.heat_legend()
    elif view == "HU bands":
        panels.legend((text, DIFFERENCE_COLOURS[code]) for code, text in DISAGREEMENTS.items())
    else:
        panels.lesion_legend()


def look(study: infnet.Study) -> Look:
    """Overlay and window settings."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            on = st.toggle("Overlay", key=session.setting("overlay", True))
            style = _one_of("Lesions as", ["Fill", "Outline"], "style", "Fill", disabled=not on)
        marks = st.pills(
            "Marks",
            MARKS,
            selection_mode="multi",
            key=session.setting("marks", MARKS),
            disabled=not on,
            label_visibility="collapsed",
        )
        percent = st.slider(
            "Opacity", 0, 100, step=5, format="%d %%", disabled=not on, key=session.setting("opacity", 45)
        )
        window = _window(study)
    classes = tuple(code for name, code in CLASSES.items() if name in marks)
    chosen = Look(window, classes, style == "Outline", percent / 100, BORDERS in marks)
    return chosen if on else chosen.bare


def _window(study: infnet.Study) -> tuple[float, float]:
    """HU shown black and white; a picture has the window that it was stored with."""
    name = "Lung"
    if study.is_hu:
        options = [*WINDOWS, "Manual"]
        name = str(st.segmented_control("Window", options, key=session.setting("window", "Lung"), required=True))
    if name != "Manual":
        return WINDOWS[name]
    key = session.setting("manual", (-1350, 150))
    low, high = cast("tuple[int, int]", st.slider("Window, HU shown black and white", -1400, 1000, step=10, key=key))
    return float(low), float(max(high, low + 10))
