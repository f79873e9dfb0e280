"""Moving through the slices: the slider with the lesion load along it, and the slices before there is a result."""

from __future__ import annotations

from collections.abc import Callable
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
from app.core.texts import LABELS
from app.views.parts import panels
from infnet.pipeline.run import Growing
from infnet.study import CLASS_NAMES

REFRESH = 1.0  # seconds between two looks at what is done
KEYS = {"Axial": "slice", "Coronal": "slice-coronal", "Sagittal": "slice-sagittal"}


NEXT = "slice-next"  # where somebody has gone from beside the slider, which another fragment draws


def go(number: int, plane: str = "Axial") -> None:
    """Show another slice on the next run."""
    st.session_state[KEYS[plane]] = number


def _go_next(number: int) -> None:
    """Show another slice; the slider follows with the next run of the page, which begins with its former value."""
    st.session_state[NEXT] = number


def _take_next() -> None:
    if (number := st.session_state.pop(NEXT, None)) is not None:
        go(number)


def loads(exam: Exam, reading: Reading, plane: str = "Axial") -> NDArray[np.int64]:
    """Lesion pixels of each slice of a plane, (slice, class), made once."""
    return exam.once("loads", (reading.key, plane), lambda: lesion_loads(reading.study, reading.result.labels, plane))


def slider(study: infnet.Study, count: int, loads: NDArray[np.int64] | None, plane: str = "Axial") -> int:
    """The slice to show, from 1; the one with the most lesion at first. The lesion load runs along it."""
    if count == 1:
        return 1
    worst = None if loads is None else worst_slice(loads)
    _start(count, _middle(count) if worst is None else worst + 1, plane)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(gap="small"):
            number = _slider(study, count, plane)
            if loads is not None:
                _along(study, number, loads, partial(go, plane=plane), plane)
        if loads is not None:
            _to_most(study, loads, partial(go, plane=plane), plane)
    return number


def _start(count: int, number: int, plane: str) -> None:
    """Begin at a slice, where none of these `count` is chosen."""
    # Set only where it must be: a value that is set is sent, and takes the thumb out of the user's hand.
    if int(st.session_state.setdefault(KEYS[plane], number)) > count:
        st.session_state[KEYS[plane]] = count


def _slider(study: infnet.Study, count: int, plane: str) -> int:
    return int(st.slider("Slice" if study.is_picture else LABELS[plane], 1, count, key=KEYS[plane]))


def _along(study: infnet.Study, number: int, loads: NDArray[np.int64], go: Callable[[int], None], plane: str) -> None:
    """The lesion load along the slices; a click on a bar goes there."""
    worst = worst_slice(loads)
    alt = "No lesion in any slice"
    if worst is not None:
        alt = f"Lesion along {len(loads)} slices; most in slice {worst + 1}{pictures.where(study, worst, plane)}"
    widgets.show_load(loads.tolist(), number, alt, "load", go)


def _to_most(study: infnet.Study, loads: NDArray[np.int64], go: Callable[[int], None], plane: str) -> None:
    """The button that goes to the slice with the most lesion."""
    worst = worst_slice(loads)
    target = _middle(len(loads)) if worst is None else worst + 1
    st.button(
        "Most lesion",
        icon=":material/vertical_align_center:",
        disabled=worst is None,
        help=f"Go to slice {target}{pictures.where(study, target - 1, plane)}.",
        on_click=go,
        args=(target,),
    )


def _middle(count: int) -> int:
    return (count + 1) // 2


def preview(exam: Exam) -> None:
    """The slices before there is a result; while the networks run, each gets its overlay as soon as it is done."""
    st.session_state.previewed = True
    _take_next()

    @st.fragment  # the slider, in a fragment that nothing but the user draws again: no key press is lost
    def moving() -> None:
        count, number = pictures.count(exam.study, "Axial"), 1
        st.session_state.pop(NEXT, None)  # the slider was moved after it
        if count > 1:
            _start(count, _middle(count), "Axial")
            number = _slider(exam.study, count, "Axial")
        growing_slice(number, count)

    @st.fragment
    def growing_slice(number: int, count: int) -> None:
        if session.exam() is not exam:  # closed in another tab
            widgets.pulse("growing", page=True)
            return
        _so_far(exam, st.session_state.get(NEXT, number), count)
        if NEXT in st.session_state:
            widgets.pulse("growing", page=True)
        elif exam.job is not None and exam.job.alive:
            widgets.pulse("growing", REFRESH)

    left, _ = st.container(key="wide").columns([3, 2], gap="large")
    with left:
        moving()


def _so_far(exam: Exam, number: int, count: int) -> None:
    """A slice with as much as the networks have found."""
    study, growing = exam.study, exam.growing
    if growing is not None:
        growing.first = number - 1
    if growing is not None and count > 1:
        loads = _loads_so_far(exam, growing)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            with st.container():
                _along(study, number, loads, _go_next, "Axial")
            _to_most(study, loads, _go_next, "Axial")
    previewed = growing is not None and growing.previewed[number - 1]
    if growing is None or not (previewed or growing.ready[number - 1]):
        alt = f"Slice {number} of {count}, not segmented yet"
        picture = pictures.slice_picture(Cut(study, number - 1), Look().bare, alt=alt)
    else:
        state = "a first look at its overlay" if previewed else "overlay while others still wait"
        alt = f"Slice {number} of {count}, {state}"
        picture = pictures.slice_picture(Cut(study, number - 1), Look(), growing.result, alt)
    widgets.show_slice(picture, number, count, "picture", _go_next)
    if growing is not None:
        panels.lesion_legend()


def leave_preview(study: infnet.Study) -> None:
    """Open at the slice with the most lesion, where nobody has chosen one while the networks ran."""
    _take_next()
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
