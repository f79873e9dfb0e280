"""The page that opens a study, says what is unusual about it, and runs the networks."""

from __future__ import annotations

import streamlit as st

import infnet
from app.core import examples, models, runs, session, units
from app.core.case import Exam
from app.views.parts import downloads, panels, slices
from app.views.parts.uploader import uploader

WHAT = (
    "infnet finds the infection of COVID-19 pneumonia in chest CT. It takes a CT series as DICOM or NIfTI, or single "
    "slices as pictures, and marks ground-glass opacity and consolidation in every slice. You can look through the "
    "result in three planes and in 3D, measure how much of each lung is affected, compare dates, check it against a "
    "mask of your own, and save masks, tables and pictures. For research and teaching only: it is not a medical "
    "device, and its masks can be wrong."
)


def page() -> None:
    """Draw the page."""
    exam = session.exam()
    if exam is None:
        _open()
        return
    panels.opened()
    stopped = _gate(exam)
    _millimetres(exam)
    reading = runs.reading(exam)
    if reading is None:
        _run(exam, stopped)
        slices.preview(exam)
        return
    panels.reader_notices(reading)
    left, right = st.container(key="wide").columns([3, 2], gap="large")
    with left:
        st.header("Result", anchor=False)
        panels.headline(reading.study, reading.statistics)
        panels.corrected(reading)
        with st.container(horizontal=True):
            st.button("Look at the slices", icon=":material/image:", on_click=session.go_to, args=("viewer",))
            st.button("All numbers", icon=":material/table_chart:", on_click=session.go_to, args=("numbers",))
    with right:
        downloads.files(reading, exam.revisions)
    with st.expander("What these numbers rest on", icon=":material/fact_check:"):
        _provenance(reading.study, reading.result)


def _open() -> None:
    st.write(WHAT)
    left, right = st.container(key="wide").columns([3, 2], gap="large")
    with left:
        st.header("Open a chest CT", anchor=False)
        study = uploader("Drop or choose a DICOM series, NIfTI, or PNG/JPG slices. Names and endings do not matter.")
        if study is not None:
            _begin(study)
            st.rerun()
    with right.container(border=True):
        st.header("No study at hand?", anchor=False)
        st.write("A synthetic chest with known lesions, made by the program: nobody's scan.")
        if st.button("Open the example study", icon=":material/play_circle:", type="primary"):
            with st.spinner("Making the example ..."):
                _begin(examples.example())
            st.rerun()
        st.caption(
            "Uploaded files are deleted as soon as they are read, and the study is forgotten when you close it. "
            "Nothing is sent anywhere else."
        )


def _begin(study: infnet.Study) -> None:
    """Take a study in, and start at once where that is quick and nothing speaks against it."""
    exam = session.open_study(study)
    if not runs.notices(exam, "stop") and models.estimate(exam.study) <= runs.AUTO_RUN_SECONDS:
        _start(exam)


def _start(exam: Exam) -> None:
    """Run the networks; the viewer shows what they find as they find it."""
    runs.start(exam)
    session.go_to("viewer")


def _gate(exam: Exam) -> bool:
    """Say what is unusual about the input; True where a result would be wrong."""
    stops = runs.notices(exam, "stop")
    panels.stops(stops)
    panels.warnings(runs.notices(exam, "warn"))
    return bool(stops)


def _millimetres(exam: Exam) -> None:
    """For loose pictures: let the user say how large a pixel is; until then there are pixels and percent."""
    if exam.study.is_picture:
        st.number_input(
            "mm per pixel (unknown until you enter it)",
            0.01,
            10.0,
            None,
            0.01,
            "%.3f",
            key="mm",
            width=320,
            placeholder="unknown",
        )


def _run(exam: Exam, stopped: bool) -> None:
    """Progress while the networks run; otherwise the button that starts them, and how long they will take."""
    job = exam.job
    if job is not None and job.state in ("waiting", "running", "done"):
        panels.progress(job, len(exam.study.pixels))
        return
    panels.trouble(job)
    count = len(exam.study.pixels)
    st.write(f"{count} slice{'s' * (count > 1)}: about {units.duration(models.estimate(exam.study))} on this machine.")
    st.button(
        "Run",
        type="primary",
        icon=":material/play_arrow:",
        on_click=_start,
        args=(exam,),
        disabled=stopped,
        help="Off, because a result would be wrong: see above." if stopped else None,
    )


def _provenance(study: infnet.Study, result: infnet.Segmentation) -> None:
    facts = dict(result.provenance)
    models = facts.pop("models", {})
    if models:
        panels.table(
            {
                "Step": list(models),
                "Model": [m["name"] for m in models.values()],
                "Weights (SHA-256)": [f"`{m['sha256'][:16]}`" for m in models.values()],
                "Engine": [m["engine"] for m in models.values()],
                "Input": [f"{m['input_size']} px" for m in models.values()],
            },
            "Models used",
        )
    lines = {name.replace("_", " "): value for name, value in facts.items()}
    lines["source"] = ", ".join(f"{fact} {value}" for fact, value in study.shown_source.items()) or "unknown"
    lines["spacing"] = units.facts(study)
    st.markdown(
        "  \n".join(f"**{units.escaped(k.capitalize())}** &nbsp; {units.escaped(str(v))}" for k, v in lines.items())
    )
