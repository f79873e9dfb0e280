"""The page that shows slices: a fragment, so that moving the slider redraws one slice and its numbers and no more."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import infnet
from app.components import widgets
from app.core import pictures, state, units
from app.core.case import Exam
from app.core.pictures import PLANES, WINDOWS, Look, SlicePicture
from app.core.state import Reading
from app.views import downloads, panels
from infnet import overlay
from infnet.geometry.grid import Grid
from infnet.measure import densities
from infnet.overlay import DIFFERENCE_COLOURS
from infnet.pipeline import stages
from infnet.pipeline.run import Growing
from infnet.study import CLASS_NAMES, CONSOLIDATION, GGO, LOWEST_THRESHOLD

VIEWS = ("Overlay", "Side by side", "Heat map", "Stages", "HU bands")
ALONE = "The image alone"
REFRESH = 1.0  # seconds between two looks at what is done
STAGES = {"S_g": "global map", "S_5": "reverse attention 5", "S_4": "reverse attention 4", "S_3": "the prediction",
          "edge": "edge attention"}  # fmt: skip
KEYS = {"Axial": "slice", "Coronal": "slice-coronal", "Sagittal": "slice-sagittal"}
LABELS = {"Axial": "Slice, from the feet to the head", "Coronal": "Slice, from front to back",
          "Sagittal": "Slice, from the patient's right to the left"}  # fmt: skip
ODDS = {densities.NETWORK_ONLY: "infection in HU of normal lung",
        densities.DENSE_ONLY: "denser lung that the network left out"}  # fmt: skip
MARKS = {"Ground glass": GGO, "Consolidation": CONSOLIDATION, "Lung borders": None}


def page() -> None:
    found = panels.read()
    if found is not None:
        if st.session_state.pop("previewed", False):
            _leave_preview(found[0].study)
        panels.warnings(found[1], state.findings(found[0], "warn"))
        _viewer(found[0])
    elif (exam := state.exam()) is not None:
        preview(exam)


def preview(exam: Exam) -> None:
    """The slices before there is a result; while the networks run, each gets its overlay as soon as it is done."""
    study, job = exam.study, exam.job
    st.session_state.previewed = True

    @st.fragment(run_every=REFRESH if job is not None and job.alive else None)
    def slices() -> None:
        if state.exam() is not exam:  # closed in another tab
            st.rerun()
        count, growing = pictures.count(study, "Axial"), exam.growing
        number = slider(study, count, None if growing is None else _loads_so_far(exam, growing))
        if growing is None or not growing.ready[number - 1]:
            alt = f"Slice {number} of {count}, not segmented yet"
            picture = pictures.slice_picture(study, number - 1, Look().bare, alt=alt)
        else:
            alt = f"Slice {number} of {count}, overlay while others still wait"
            picture = pictures.slice_picture(study, number - 1, Look(), growing.result, alt)
        widgets.show_slice(picture, number, count, "picture", go)
        if growing is not None:
            panels.lesion_legend()

    left, _ = st.container(key="wide").columns([3, 2], gap="large")
    with left:
        slices()


def _loads_so_far(exam: Exam, growing: Growing) -> NDArray[np.int64]:
    """Lesion pixels (slice, class) of the slices that are done; 0 of the others. Each slice is counted once."""
    labels = exam.study.orientation.apply(growing.result.labels)
    count = len(labels)
    counted, loads = exam.once(
        "loads so far", growing, lambda: (np.zeros(count, bool), np.zeros((count, len(CLASS_NAMES)), int))
    )
    for place in np.flatnonzero(growing.ready & ~counted):
        loads[place] = [np.count_nonzero(labels[place] == kind) for kind in CLASS_NAMES]
        counted[place] = True
    return loads


def _leave_preview(study: infnet.Study) -> None:
    """Open at the slice with the most lesion, where nobody has chosen one while the networks ran."""
    if st.session_state.get(KEYS["Axial"]) == _middle(pictures.count(study, "Axial")):
        del st.session_state[KEYS["Axial"]]


def _middle(count: int) -> int:
    return (count + 1) // 2


def go(number: int, plane: str = "Axial") -> None:
    """Show another slice on the next run."""
    st.session_state[KEYS[plane]] = number


@st.fragment
def _viewer(exam: Exam) -> None:
    """Slice with overlay, its controls and its numbers. Sends one slice, two side by side."""
    left, right = st.container(key="wide").columns([3, 2], gap="large")
    with right:
        found = st.container()
        _thresholds(exam)
    reading = state.reading(exam)
    assert reading is not None
    study = reading.study
    with left:
        plane, view = _plane_and_view(study)
        loads = loads_of(exam, reading, plane)
        count = len(loads)
        number = slider(study, count, loads, plane)
    with right:
        look = _look(study)
        slice_numbers = st.container()
    with left:
        picture = _show(exam, reading, plane, view, number, count, look)
        _legend(view)
    with found:
        _whole_study(reading)
    with slice_numbers:
        _this_slice(reading, plane, number, count, picture)


def _show(
    exam: Exam, reading: Reading, plane: str, view: str, number: int, count: int, look: Look
) -> SlicePicture:
    """The slice, alone or with others beside it; returns the one that is saved."""
    study, result, at = reading.study, reading.result, number - 1
    position = f"{'' if plane == 'Axial' else plane + ' '}slice {number} of {count}".capitalize()
    shown = partial(widgets.show_slice, number=number, count=count, go=partial(go, plane=plane))
    if view == "Heat map":
        cut = overlay.cut(study, result.probability, plane.lower(), at)  # type: ignore[arg-type]
        alt = f"{position}, probability of infection, at most {float(cut.max()):.2f}"
        picture = pictures.heat_picture(study, at, look, result, cut, alt, plane)
    elif view == "HU bands":
        odds = state.disagreement(exam, reading)
        alt = f"{position}, where the network and the HU bands disagree"
        picture = pictures.marks_picture(study, at, look, result, odds.volume, alt, plane)
    else:
        alt = pictures.alternative(position, look, reading.statistics, table_row(study, at, plane))
        picture = pictures.slice_picture(study, at, look, result, alt, plane)
    if view == "Stages":
        _stages(exam, reading, number)
    elif view == "Side by side":
        left, right = st.columns(2)
        with left:
            beside = _beside(exam, reading, at, look, position, plane)
            if beside is not None:
                shown(beside, key="beside-picture", tall="48vh")
        with right:
            st.markdown(f"**{_model(reading)}**")
            shown(picture, key="picture", tall="48vh")
    else:
        shown(picture, key="picture")
    return picture


def _beside(
    exam: Exam, reading: Reading, at: int, look: Look, position: str, plane: str
) -> SlicePicture | None:
    """The image alone, or the result of another network, which runs when it is asked for."""
    others = state.other_models(reading.result)
    chosen = ALONE
    if others:
        chosen = st.selectbox("Beside it", [ALONE, *others], key=state.setting("beside", ALONE),
                              label_visibility="collapsed")  # fmt: skip
    else:
        st.markdown(f"**{ALONE}**")
    if chosen == ALONE:
        alt = f"{position}, without overlay"
        return pictures.slice_picture(reading.study, at, look.bare, reading.result, alt, plane)
    job = exam.second.get(chosen)
    if job is not None and job.state in ("waiting", "running"):
        panels.progress(job, len(exam.study.pixels))
        return None
    second = state.reading(exam, chosen)
    if second is None:
        panels.trouble(job)
        st.button(f"Run {chosen}", type="primary", icon=":material/play_arrow:", on_click=state.start,
                  args=(exam, chosen), help=f"About {units.duration(state.estimate(exam.study))}.")  # fmt: skip
        return None
    lesion = second.statistics.total.lesion
    st.caption(f"{units.amount(lesion)}, {units.percent(lesion)}, from probability {second.threshold:.2f}")
    alt = pictures.alternative(f"{position}, {chosen}", look, second.statistics, table_row(reading.study, at, plane))
    return pictures.slice_picture(second.study, at, look, second.result, alt, plane)


def _model(reading: Reading) -> str:
    models = reading.result.provenance.get("models", {})
    return units.escaped(models.get("infection", {}).get("name", "Overlay"))


def _stages(exam: Exam, reading: Reading, number: int) -> None:
    """What the network makes of the slice on its way to the result."""
    name = reading.result.provenance.get("models", {}).get("infection", {}).get("name")
    try:
        with st.spinner("Running the network on this slice ..."):
            maps = exam.once("stages", (name, number),
                             lambda: stages.stages(reading.study, number - 1, name, reading.result.lungs))  # fmt: skip
    except infnet.InfNetError as error:
        st.error(units.escaped(str(error)), icon=":material/error:")
        return
    for start in range(0, len(maps), 3):
        row = list(maps.items())[start : start + 3]
        for column, (stage, found) in zip(st.columns(3), row, strict=False):
            with column:
                st.markdown(f"**{stage}** &nbsp; :gray[{STAGES[stage]}]")
                alt = f"Slice {number}, {STAGES[stage]}, at most {float(found.max()):.2f}"
                picture = pictures.stage_picture(reading.study, number - 1, found, alt)
                widgets.show_slice(picture, number, 1, f"stage-{stage}", go, tall="28vh")


def _whole_study(reading: Reading) -> None:
    """The two numbers that follow the thresholds."""
    total = reading.statistics.total.lesion
    first, second = st.columns(2)
    first.metric(f"Lesion {'volume' if total.lesion_ml is not None else 'area'}", units.amount(total), border=True)
    second.metric("Involvement", units.percent(total), border=True,
                  help="Lesion in % of all lung, diseased lung included.")  # fmt: skip


def _this_slice(reading: Reading, plane: str, number: int, count: int, picture: SlicePicture) -> None:
    """What the slice on screen holds, and the slice to save."""
    row = table_row(reading.study, number - 1, plane)
    if count > 1 and row is not None:
        st.markdown(f"**Slice {number} of {count}** &nbsp; :gray[slice {row} in statistics.csv]")
        panels.by_lung_and_class(reading.statistics.slices[row], units.area, "Lesion of this slice by lung and class")
    elif count > 1:
        st.caption("The table holds slices as they were stored: none of them is the one on screen.")
    name = f"{plane.lower()}_{number - 1 if row is None else row:03d}.png"
    downloads.button("Save picture", picture.png, name, "image/png", "the slice as shown.")


def loads_of(exam: Exam, reading: Reading, plane: str) -> NDArray[np.int64]:
    """Lesion pixels of each slice of a plane, (slice, class)."""
    labels = reading.study.orientation.apply(reading.result.labels)
    others = tuple(axis for axis in range(3) if axis != PLANES.index(plane))
    key = (id(exam.job), *reading.key, plane)
    return exam.once("loads", key, lambda: np.stack([np.count_nonzero(labels == c, others) for c in CLASS_NAMES], 1))


def slider(study: infnet.Study, count: int, loads: NDArray[np.int64] | None, plane: str = "Axial") -> int:
    """The slice to show, from 1; the one with the most lesion at first. The lesion load runs along it."""
    if count == 1:
        return 1
    key = KEYS[plane]
    found = loads is not None and bool(loads.any())
    worst = int(loads.sum(1).argmax()) + 1 if loads is not None and found else _middle(count)
    # Set only where it must be: a value that is set is sent, and takes the thumb out of the user's hand.
    if int(st.session_state.setdefault(key, worst)) > count:
        st.session_state[key] = count
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(gap="small"):
            number = int(st.slider("Slice" if study.is_picture else LABELS[plane], 1, count, key=key))
            if loads is not None:
                alt = f"Lesion along {count} slices; most in slice {worst}" if found else "No lesion in any slice"
                widgets.show_load(loads.tolist(), number, alt, "load", partial(go, plane=plane))
        if loads is not None:
            st.button("Most lesion", icon=":material/vertical_align_center:", disabled=not found,
                      help=f"Go to slice {worst}.", on_click=go, args=(worst, plane))  # fmt: skip
    return number


def _plane_and_view(study: infnet.Study) -> tuple[str, str]:
    """Which way the slices lie, and what is drawn of them."""
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        plane = "Axial"
        if not study.is_picture and len(study.pixels) > 1:
            plane = st.segmented_control("Plane", PLANES, key=state.setting("plane", "Axial"), required=True,
                                         label_visibility="collapsed")  # fmt: skip
        views = [v for v in VIEWS if (v != "HU bands" or study.is_hu) and (v != "Stages" or plane == "Axial")]
        if st.session_state.get("view") not in views:
            st.session_state.view = views[0]
        view = st.segmented_control("View", views, key=state.setting("view", VIEWS[0]), required=True,
                                    label_visibility="collapsed")  # fmt: skip
    return plane, view


def _thresholds(exam: Exam) -> None:
    """Both thresholds read the stored probabilities again; no network runs."""
    assert exam.job is not None
    with st.container(border=True):
        key = state.setting("threshold", state.default_threshold(exam.job.result))
        st.slider("Infection from probability", LOWEST_THRESHOLD, 0.95, step=0.05, key=key,
                  help="From this probability on a pixel counts as lesion. The networks do not run again.")  # fmt: skip
        unit = "px" if exam.study.affine is None and not st.session_state.get("mm") else "mm²"
        st.slider("Smallest lesion in a slice", 0, 200, step=5, key=state.setting("smallest", 0), format=f"%d {unit}",
                  help="Lesions that are smaller in a slice are left out everywhere.")  # fmt: skip


def _legend(view: str) -> None:
    """What the colours mean."""
    if view in ("Heat map", "Stages"):
        panels.heat_legend()
    elif view == "HU bands":
        panels.legend((text, DIFFERENCE_COLOURS[code]) for code, text in ODDS.items())
    else:
        panels.lesion_legend()


def _look(study: infnet.Study) -> Look:
    """Overlay and window settings."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            on = st.toggle("Overlay", key=state.setting("overlay", True))
            style = st.segmented_control("Lesions as", ["Fill", "Outline"], key=state.setting("style", "Fill"),
                                         required=True, label_visibility="collapsed", disabled=not on)  # fmt: skip
        marks = st.pills("Marks", list(MARKS), selection_mode="multi", key=state.setting("marks", list(MARKS)),
                         disabled=not on, label_visibility="collapsed")  # fmt: skip
        opacity = st.slider("Opacity", 0, 100, step=5, format="%d %%", disabled=not on,
                            key=state.setting("opacity", 45)) / 100  # fmt: skip
        window = "Lung"
        if study.is_hu:
            window = st.segmented_control("Window", [*WINDOWS, "Manual"], key=state.setting("window", "Lung"),
                                          required=True)  # fmt: skip
        if window == "Manual":
            low, high = st.slider("Window, HU shown black and white", -1400, 1000, step=10,
                                  key=state.setting("manual", (-1350, 150)))  # fmt: skip
            bounds = (float(low), float(max(high, low + 10)))
        else:
            bounds = WINDOWS[window]
    classes = tuple(MARKS[name] for name in marks if MARKS[name] is not None)
    look = Look(bounds, classes, style == "Outline", opacity, "Lung borders" in marks)
    return look if on else look.bare


def table_row(study: infnet.Study, index: int, plane: str = "Axial") -> int | None:
    """The row of the table, a slice of the source, that a slice on screen is; None where it cuts across them."""
    return Grid.of(study).source_slice(index) if plane == "Axial" else None
