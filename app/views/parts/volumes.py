"""The volume viewer on a page: which viewer is shown, and what it is told of the study and its result."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import streamlit as st

import infnet
from app.components import widgets
from app.components.volume import show_volume
from app.core import corrections, pictures, runs, session, units
from app.core.case import Exam
from app.core.jobs import Job
from app.core.reading import Reading, default_threshold
from app.core.tokens import new_token
from app.core.volume import Frame, Levels, geometry
from app.views.parts import panels, slices
from app.views.parts.look import MOST_SMALLEST
from infnet.geometry.grid import Grid
from infnet.measure import lesions
from infnet.overlay import COLOURS, LUNG_COLOUR
from infnet.study import CLASS_NAMES, CONSOLIDATION, GGO, LOWEST_THRESHOLD, LUNG_NAMES

VOLUME, PICTURES = "Volume", "Pictures"
MOST_LESIONS = 200


def chosen(exam: Exam, lungs: Any = None) -> Frame | None:
    """What the volume viewer shows of a study; None where its pictures are shown, by choice or on a telephone."""
    if session.viewer(PICTURES if _telephone() else VOLUME) == PICTURES:
        return None
    return exam.once("frame", lungs is not None, lambda: Frame.of(exam.study, lungs))


def switch() -> str:
    """Lets the user choose the viewer by hand; the one that is chosen."""
    st.session_state.viewer = session.viewer(PICTURES if _telephone() else VOLUME)
    chosen = st.segmented_control(
        "Viewer",
        [VOLUME, PICTURES],
        key="viewer",
        required=True,
        label_visibility="collapsed",
        help="Volume: the study is in the browser, and every slice is there at once. Pictures: one slice at a time, "
        "with heat map, stages, HU bands and two models side by side; light enough for a telephone.",
    )
    return str(chosen)


def _telephone() -> bool:
    return "Mobi" in st.context.headers.get("User-Agent", "")


def preview(exam: Exam) -> None:
    """The slices before there is a result, in the viewer that is chosen, and how far the networks are."""
    frame = chosen(exam)
    if frame is None:
        if (job := _run(exam)) is not None:
            panels.progress(job, len(exam.study.pixels))
        slices.preview(exam)
    else:
        show(exam, frame, None)


def _run(exam: Exam) -> Job | None:
    """The run that is under way, or whose result is about to be read."""
    return exam.job if exam.job is not None and exam.job.state in ("waiting", "running", "done") else None


def show(exam: Exam, frame: Frame, reading: Reading | None) -> None:
    """The viewer with a result, or with as much of it as the networks have found so far."""
    number = st.session_state.pop(slices.KEYS["Axial"], None)
    if number is not None:  # another page leads to a slice
        st.session_state["volume-go"] = (new_token(), number - 1)
    taken = st.session_state.get("volume-taken")  # what `reading` follows: not what the fragment takes in after it
    job = _run(exam) if reading is None else None  # however it ends, the page tells

    @st.fragment  # the browser asks while the networks run: a timer here would run into its questions
    def volume() -> None:
        if session.exam() is not exam:  # closed in another tab
            widgets.pulse("volume-page", page=True)
            return
        ended = job is not None and not job.alive
        if job is not None:
            panels.bar(job, len(exam.study.pixels))
        growing = exam.growing if reading is None else None
        result = reading.network if reading is not None else None if growing is None else growing.result
        own = 0.5 if result is None else default_threshold(result)
        levels = Levels(own, own if reading is None else reading.threshold)
        want = show_volume(
            _head(exam, frame, reading, levels, taken),
            lambda wanted: frame.values(exam.study, wanted),
            lambda wanted: b"" if result is None else _marks(exam, frame, result, levels, wanted),
            "volume",
            _change,
            lambda asked: _edit(exam, frame, asked),
        )
        if growing is not None and want.at is not None:
            growing.first = frame.box[0].start + want.at
        if ended or "changed" in st.session_state:
            widgets.pulse("volume-page", page=True)  # the numbers of the page follow

    st.session_state.pop("changed", None)
    volume()
    if frame.shape != Grid.of(exam.study).shape:
        st.caption("The study is large: the box round the lungs is shown, and can be corrected." + _steps(frame))


def _steps(frame: Frame) -> str:
    return "" if frame.step == 1 else f" HU are shown in steps of {frame.step:.0f}."


def _marks(exam: Exam, frame: Frame, result: infnet.Segmentation, levels: Levels, wanted: tuple[int, ...]) -> bytes:
    marks = frame.marks(exam.study, result, levels, wanted)
    return corrections.lay_over(marks, exam.study, frame, exam.revisions.corrections, wanted)


def _edit(exam: Exam, frame: Frame, asked: Mapping[str, Any]) -> None:
    """Take in what somebody has corrected; what was drawn on older corrections is refused, and drawn anew."""
    taken = False
    if exam.job is not None and exam.job.state == "done":
        with suppress(infnet.InfNetError):
            taken = exam.revisions.take(asked, exam.study, frame, exam.job.result)
    if not taken:
        st.session_state["volume-refused"] = asked.get("number")
    st.session_state.changed = True


def _change(chosen: Mapping[str, Any]) -> None:
    """Take over what somebody has chosen in the browser; the page is drawn again with it."""
    threshold, smallest = chosen.get("threshold"), chosen.get("smallest")
    if isinstance(threshold, int | float) and isinstance(smallest, int):
        if not (LOWEST_THRESHOLD <= threshold < 1 and 0 <= smallest <= MOST_SMALLEST):
            return
        st.session_state.update(threshold=float(threshold), smallest=smallest)
        st.session_state["volume-taken"] = chosen.get("number")
    elif chosen.get("viewer") == PICTURES:
        st.session_state.viewer = PICTURES
        if isinstance(chosen.get("slice"), int):
            slices.go(chosen["slice"])
    else:
        return
    st.session_state.changed = True


def _head(exam: Exam, frame: Frame, reading: Reading | None, levels: Levels, taken: Any) -> dict[str, Any]:
    """What the browser is told with every message."""
    study = exam.study if reading is None else reading.study
    upright = study.orientation
    growing = exam.growing
    token = 0 if exam.job is None else exam.job.token
    ready = np.full(frame.shape[0], reading is not None)
    previewed = np.zeros_like(ready)
    if reading is None and growing is not None:
        previewed = growing.previewed[frame.box[0]].copy()
        ready = growing.ready[frame.box[0]] | previewed
    smallest = reading.settings.smallest if reading is not None else 0
    worst = None if reading is None else reading.worst
    first, last = frame.box[0].start, frame.box[0].stop - 1
    initial = (upright.apply(study.pixels).shape[0] + 1) // 2 - 1 if worst is None else worst
    low, high = (-1000.0, 1000.0) if study.is_hu else _greys(study)
    windows = pictures.WINDOWS if study.is_hu else {"As stored": (low, high)}
    return {
        **geometry(study, frame),
        "key": f"{exam.token} {frame.box} {frame.kind}",
        "reading": f"{token} {smallest} {levels.threshold if smallest else ''} {levels.shown}",
        "ready": _spans(ready),
        "previewed": _spans(previewed),
        "growing": reading is None,
        "running": reading is None and _run(exam) is not None,
        "go": st.session_state.get("volume-go"),
        "taken": taken,
        "initial": min(max(initial, first), last) - first,
        "threshold": levels.threshold,
        "smallest": smallest,
        "levels": levels.shown,
        "unit": "HU" if study.is_hu else "grey",
        "range": high - low,
        "windows": [{"name": name, "range": window} for name, window in windows.items()],
        "classNames": ["", CLASS_NAMES[GGO], CLASS_NAMES[CONSOLIDATION]],
        "shortNames": ["", units.SHORT[GGO], units.SHORT[CONSOLIDATION]],
        "lungNames": ["", *LUNG_NAMES.values()],
        "colours": [COLOURS[GGO], COLOURS[CONSOLIDATION]],
        "lung": LUNG_COLOUR,
        "lesions": [] if reading is None else _lesions(exam, frame, reading),
        "corrections": {
            "revision": exam.revisions.revision,
            "change": exam.revisions.change,
            "refused": st.session_state.get("volume-refused"),
            "text": "" if reading is None else reading.corrected,
            "told": None if reading is None else reading.revision,  # of which the text and the lesions tell
        },
    }


def _greys(study: infnet.Study) -> tuple[float, float]:
    if study.pixels.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(np.nanmin(study.pixels)), float(np.nanmax(study.pixels))
    return (low, high) if high > low else (low, low + 1)


def _spans(ready: Any) -> list[tuple[int, int]]:
    """Runs of slices that are ready: [from, to) of each."""
    edges = np.flatnonzero(np.diff(ready.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _lesions(exam: Exam, frame: Frame, reading: Reading) -> list[dict[str, Any]]:
    """The lesions, biggest first, each with the voxel of the frame that shows it."""
    found = runs.once(exam, "lesions", reading, lambda: lesions.lesions(reading.study, reading.result))
    grid = Grid.of(reading.study)
    listed = []
    for lesion in found[:MOST_LESIONS]:
        centre = [grid.along(axis, lesion.centre[grid.orientation.axes[axis]]) for axis in range(3)]
        shown = [lesion.display_slice, *centre[1:]]
        size = f"{lesion.largest_pixels:,} px" if lesion.largest_mm2 is None else f"{lesion.largest_mm2:,.0f} mm²"
        listed.append(
            {
                "size": size if lesion.ml is None else f"{lesion.ml:,.1f} ml",
                "lung": lesion.lung,
                "dense": units.share(lesion.consolidation_percent),
                "voxel": [at - side.start for at, side in zip(shown, frame.box, strict=True)],
                "seed": [at - side.start for at, side in zip(centre, frame.box, strict=True)],
            }
        )
    return listed
