"""Moving through the slices: the slider with the lesion load along it, and the slices before there is a result."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import infnet
from app.components import widgets
from app.core import pictures, session
from app.core.case import Exam
from app.core.pictures import Cut, Look
from app.core.reading import Reading, lesion_loads, worst_slice
from app.views.parts import panels
from infnet.pipeline.run import Growing
from infnet.study import CLASS_NAMES

REFRESH = 1.0  # seconds between two looks at what is done
KEYS = {"Axial": "slice", "Coronal": "slice-coronal", "Sagittal": "slice-sagittal"}
LABELS = {
    "Axial": "Slice, from the feet to the head",
    "Coronal": "Slice, from front to back",
    "Sagittal": "Slice, from the patient's right to the left",
}


def go(number: int, plane: str = "Axial") -> None:
    """Show another slice on the next run."""
    st.session_state[KEYS[plane]] = number


def loads(exam: Exam, reading: Reading, plane: str = "Axial") -> NDArray[np.int64]:
    """Lesion pixels of each slice of a plane, (slice, class), made once."""
    return exam.once("loads", (reading.key, plane), lambda: lesion_loads(reading.study, reading.result.labels, plane))


def slider(study: infnet.Study, count: int, loads: NDArray[np.int64] | None, plane: str = "Axial") -> int:
    """The slice to show, from 1; the one with the most lesion at first. The lesion load runs along it."""
    if count == 1:
        return 1
    key = KEYS[plane]
    worst = None if loads is None else worst_slice(loads)
    target = _middle(count) if worst is None else worst + 1
    place = pictures.where(study, target - 1, plane)
    # Set only where it must be: a value that is set is sent, and takes the thumb out of the user's hand.
    if int(st.session_state.setdefault(key, target)) > count:
        st.session_state[key] = count
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(gap="small"):
            number = int(st.slider("Slice" if study.is_picture else LABELS[plane], 1, count, key=key))
            if loads is not None:
                lesion = f"Lesion along {count} slices; most in slice {target}{place}"
                alt = "No lesion in any slice" if worst is None else lesion
                widgets.show_load(loads.tolist(), number, alt, "load", partial(go, plane=plane))
        if loads is not None:
            st.button(
                "Most lesion",
                icon=":material/vertical_align_center:",
                disabled=worst is None,
                help=f"Go to slice {target}{place}.",
                on_click=go,
                args=(target, plane),
            )
    return number


def _middle(count: int) -> int:
    return (count + 1) // 2


def preview(exam: Exam) -> None:
    """The slices before there is a result; while the networks run, each gets its overlay as soon as it is done."""
    study, job = exam.study, exam.job
    st.session_state.previewed = True

    @st.fragment(run_every=REFRESH if job is not None and job.alive else None)
    def slices() -> None:
        if session.exam() is not exam:  # closed in another tab
            panels.draw_again()
        count, growing = pictures.count(study, "Axial"), exam.growing
        number = slider(study, count, None if growing is None else _loads_so_far(exam, growing))
        if growing is not None:
            growing.first = number - 1
        if growing is None or not growing.ready[number - 1]:
            alt = f"Slice {number} of {count}, not segmented yet"
            picture = pictures.slice_picture(Cut(study, number - 1), Look().bare, alt=alt)
        else:
            alt = f"Slice {number} of {count}, overlay while others still wait"
            picture = pictures.slice_picture(Cut(study, number - 1), Look(), growing.result, alt)
        widgets.show_slice(picture, number, count, "picture", go)
        if growing is not None:
            panels.lesion_legend()

    left, _ = st.container(key="wide").columns([3, 2], gap="large")
    with left:
        slices()


def leave_preview(study: infnet.Study) -> None:
    """Open at the slice with the most lesion, where nobody has chosen one while the networks ran."""
    if not st.session_state.pop("previewed", False):
        return
    if st.session_state.get(KEYS["Axial"]) == _middle(pictures.count(study, "Axial")):
        del st.session_state[KEYS["Axial"]]


def _loads_so_far(exam: Exam, growing: Growing) -> NDArray[np.int64]:
    """Lesion pixels (slice, class) of the slices that are done; 0 of the others. Each slice is counted once."""
    labels = exam.study.orientation.apply(growing.result.labels)
    shape = (len(labels), len(CLASS_NAMES))
    counted, loads = exam.once(
        "loads so far",
        exam.job.token if exam.job is not None else None,
        lambda: (np.zeros(len(labels), np.bool_), np.zeros(shape, np.int64)),
    )
    for index in np.flatnonzero(growing.ready & ~counted):
        loads[index] = [np.count_nonzero(labels[index] == code) for code in CLASS_NAMES]
        counted[index] = True
    return loads
