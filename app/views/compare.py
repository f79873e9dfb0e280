"""The page that compares dates of one patient."""

from __future__ import annotations

import streamlit as st

from app.components import widgets
from app.core import examples, figures, pictures, runs, session, units
from app.core.case import Case, Exam
from app.core.pictures import Cut, Look
from app.core.reading import Reading
from app.views.parts import panels, slices
from app.views.parts.uploader import uploader
from infnet.measure.change import align, change, trend, two_patients

ALIGNED = (
    "Slices are matched by the extent of the lungs: moved and scaled along the body. That allows for a deeper breath; "
    "it does not follow structures inside the lungs."
)


def page() -> None:
    """Draw the page."""
    opened = panels.read()
    if opened is None:
        return
    exam, reading = opened
    case = session.case()
    assert case is not None
    others = case.exams[1:]
    for other in others:
        if other.job is not None and other.job.alive:
            st.markdown(f"**{units.escaped(other.date)}**")
            panels.progress(other.job, len(other.study.pixels))
        panels.trouble(other.job)
    done = [(other, second) for other in others if (second := runs.reading(other)) is not None]
    if done:
        _dates(case.exams)
        chosen, second = _choose(done)
        panels.warnings(two_patients(exam.study, chosen.study))
        _together(exam, reading, chosen, second)
        _change(exam, reading, chosen, second)
        panels.corrected(reading)
        if len(done) > 1:
            dates = [(each.date, read.statistics) for each, read in [(exam, reading), *done]]
            st.header("Over time", anchor=False)
            panels.plot(figures.trend(trend(dates)), "plot-trend", f"Lesion of both lungs over {len(dates)} dates")
    _add(case)


def _dates(exams: list[Exam]) -> None:
    """What the dates are called; nothing is taken from the files."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for index, exam in enumerate(exams):
            name = st.text_input(f"Name of date {index + 1}", exam.date, key=f"date-{index}", max_chars=30, width=200)
            exam.date = name or exam.date
            if index:
                st.button(
                    "Remove",
                    key=f"remove-{index}",
                    icon=":material/close:",
                    on_click=session.remove_study,
                    args=(exam,),
                    help=f"Forgets {exam.date}.",
                )


def _choose(done: list[tuple[Exam, Reading]]) -> tuple[Exam, Reading]:
    """The date that is compared with the first one."""
    if len(done) == 1:
        return done[0]
    index = st.segmented_control(
        "Compare with",
        range(len(done)),
        default=len(done) - 1,
        required=True,
        format_func=lambda index: done[index][0].date,
    )
    return done[min(int(index), len(done) - 1)]


@st.fragment
def _together(exam: Exam, first: Reading, other: Exam, second: Reading) -> None:
    """Both dates at the same height of the lungs: one slider moves both."""
    alignment = exam.once(
        f"align {other.token}",
        (first.key, second.key),
        lambda: align((first.study, first.result), (second.study, second.result)),
    )
    count = first.slices
    number = slices.slider(first.study, count, slices.loads(exam, first))
    matched = alignment.slice_at(number - 1) + 1
    columns = st.columns(2)
    for column, date, read, shown in ((columns[0], exam, first, number), (columns[1], other, second, matched)):
        position = f"{date.date}: slice {shown} of {read.slices}"
        alt = pictures.alternative(position, Look(), read.statistics, pictures.table_row(read.study, shown - 1))
        with column:
            st.markdown(f"**{units.escaped(position)}**{pictures.where(read.study, shown - 1)}")
            picture = pictures.slice_picture(Cut(read.study, shown - 1), Look(), read.result, alt)
            widgets.show_slice(picture, number, count, f"date-{date is exam}", slices.go, tall="48vh")
    panels.lesion_legend()
    st.caption(ALIGNED)


def _change(exam: Exam, first: Reading, other: Exam, second: Reading) -> None:
    st.header(f"Change from {units.escaped(exam.date)} to {units.escaped(other.date)}", anchor=False)
    rows = change(first.statistics, second.statistics)
    panels.table(
        {
            "": [f"**{row.region.capitalize()}**, {row.kind}" for row in rows],
            exam.date: [_amount(row.first_ml, row.first_percent) for row in rows],
            f"{other.date} ": [_amount(row.second_ml, row.second_percent) for row in rows],
            "Change": [_amount(row.ml, row.points, change=True) for row in rows],
        },
        "Change by lung and class",
    )
    st.caption("In brackets: % of that lung; its change in percentage points.")


def _amount(ml: float | None, percent: float | None, change: bool = False) -> str:
    number = units.signed if change else units.plain
    volume = units.NONE if ml is None else f"{number(ml)} ml"
    unit = "points" if change else "%"
    return volume if percent is None else f"{volume} ({number(percent)} {unit})"


def _add(case: Case) -> None:
    """Take in another date of the same patient."""
    with st.expander("Add another date of this patient", icon=":material/add:", expanded=len(case.exams) == 1):
        added = uploader("Drop or choose the other study: a DICOM series, NIfTI, or a zip of one.")
        if case.exams[0].label.startswith("phantom") and st.button("Add the example's follow-up"):
            added = examples.follow_up()
        if added is not None:
            session.add_study(added)
            st.rerun()
