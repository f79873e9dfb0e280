"""The page that compares dates of one patient."""

from __future__ import annotations

import streamlit as st

from app.components import widgets
from app.core import figures, pictures, state, units
from app.core.case import Exam
from app.core.pictures import Look
from app.core.state import Reading
from app.views import numbers, panels, study, viewer
from infnet.measure import change as compare

ALIGNED = (
    "Slices are matched by the boxes of the lungs: a shift and a scale along the body. That takes up a deeper breath; "
    "it does not follow the lungs' inner parts."
)


def page() -> None:
    found = panels.read()
    if found is None:
        return
    exam, reading = found
    case = state.case()
    assert case is not None
    others = case.exams[1:]
    for other in others:
        if other.job is not None and other.job.alive:
            st.markdown(f"**{units.escaped(other.date)}**")
            panels.progress(other.job, len(other.study.pixels))
        panels.trouble(other.job)
    done = [(other, read) for other in others if (read := state.reading(other)) is not None]
    if done:
        _dates(case.exams)
        chosen = _which([other for other, _ in done])
        second = dict(done)[chosen]
        _together(exam, reading, chosen, second)
        _change(exam, reading, chosen, second)
        if len(done) > 1:
            dates = [(each.date, read.statistics) for each, read in [(exam, reading), *done]]
            st.subheader("Over time", anchor=False)
            plot = figures.trend(compare.trend(dates))
            numbers.plot(plot, "plot-trend", f"Lesion of both lungs over {len(dates)} dates")
    _add(exam)


def _dates(exams: list[Exam]) -> None:
    """What the dates are called; nothing is taken from the files."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for place, exam in enumerate(exams):
            exam.date = st.text_input(f"Name of date {place + 1}", exam.date, key=f"date-{place}", max_chars=30,
                                      width=200) or exam.date  # fmt: skip
            if place:
                st.button("Remove", key=f"remove-{place}", icon=":material/close:", on_click=state.remove_study,
                          args=(exam,), help=f"Forgets {exam.date}.")  # fmt: skip


def _which(others: list[Exam]) -> Exam:
    """The date that is compared with the first one."""
    if len(others) == 1:
        return others[0]
    place = st.segmented_control("Compare with", range(len(others)), default=len(others) - 1, required=True,
                                 format_func=lambda place: others[place].date)  # fmt: skip
    return others[min(int(place), len(others) - 1)]


@st.fragment
def _together(exam: Exam, first: Reading, other: Exam, second: Reading) -> None:
    """Both dates at the same height of the lungs: one slider moves both."""
    alignment = exam.once(
        f"align {id(other)}", (first.key, second.key),
        lambda: compare.align((first.study, first.result), (second.study, second.result)),
    )  # fmt: skip
    count = len(first.study.orientation.apply(first.result.labels))
    loads = viewer.loads_of(exam, first, "Axial")
    number = viewer.slider(first.study, count, loads)
    matched = alignment.slice_at(number - 1) + 1
    columns = st.columns(2)
    for column, each, read, at in ((columns[0], exam, first, number), (columns[1], other, second, matched)):
        position = f"{each.date}: slice {at} of {len(read.study.orientation.apply(read.result.labels))}"
        alt = pictures.alternative(position, Look(), read.statistics, viewer.table_row(read.study, at - 1))
        with column:
            st.markdown(f"**{units.escaped(position)}**")
            picture = pictures.slice_picture(read.study, at - 1, Look(), read.result, alt)
            widgets.show_slice(picture, number, count, f"date-{each is exam}", viewer.go, tall="48vh")
    panels.lesion_legend()
    st.caption(ALIGNED)


def _change(exam: Exam, first: Reading, other: Exam, second: Reading) -> None:
    st.subheader(f"Change from {units.escaped(exam.date)} to {units.escaped(other.date)}", anchor=False)
    rows = compare.change(first.statistics, second.statistics)
    panels.table(
        {
            "": [f"**{row.region.capitalize()}**, {row.kind}" for row in rows],
            exam.date: [_amount(row.first_ml, row.first_percent) for row in rows],
            f"{other.date} ": [_amount(row.second_ml, row.second_percent) for row in rows],
            "Change": [_amount(row.ml, row.points, sign="+") for row in rows],
        },
        "Change by lung and class",
    )
    st.caption("In brackets: % of that lung; its change in percentage points.")


def _amount(ml: float | None, percent: float | None, sign: str = "") -> str:
    first = units.NONE if ml is None else f"{ml:{sign},.1f} ml"
    unit = "points" if sign else "%"
    return first if percent is None else f"{first} ({percent:{sign}.1f} {unit})"


def _add(exam: Exam) -> None:
    """Take in another date of the same patient."""
    with st.expander("Add another date of this patient", icon=":material/add:", expanded=len(state.case().exams) == 1):
        added = study.uploader("Drop or choose the other study: a DICOM series, NIfTI, or a zip of one.")
        if exam.label.startswith("phantom") and st.button("Add the example's follow-up"):
            added = state.follow_up()
        if added is not None:
            state.add_study(added)
            st.rerun()
