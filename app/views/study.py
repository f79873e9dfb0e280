"""The page that opens a study, says what is odd about it, and runs the networks."""

from __future__ import annotations

import streamlit as st

import infnet
from app.core import state, units
from app.core.case import Exam
from app.views import downloads, panels, viewer
from infnet.errors import SeveralSeriesError
from infnet.read import Series

SHOWN_FACTS = ("format", "modality", "transfer_syntax")  # an allow list: nothing that could name a patient


def page() -> None:
    exam = state.exam()
    if exam is None:
        _open()
        return
    panels.opened()
    stopped = _gate(exam)
    _millimetres(exam)
    reading = state.reading(exam)
    if reading is None:
        _run(exam, stopped)
        viewer.preview(exam)
        return
    if st.session_state.pop("follow", False):  # the networks have just finished on it
        go_to("viewer")
        st.rerun()
    panels.warnings(reading)
    left, right = st.container(key="wide").columns([3, 2], gap="large")
    with left:
        st.subheader("Result", anchor=False)
        panels.headline(reading.study, reading.statistics)
        with st.container(horizontal=True):
            for name, label, icon in (("viewer", "Look at the slices", ":material/image:"),
                                      ("numbers", "All numbers", ":material/table_chart:")):  # fmt: skip
                st.button(label, icon=icon, on_click=go_to, args=(name,))
    with right:
        st.subheader("Files", anchor=False)
        st.toggle("Name of the files on screen and in downloads", key="show_name",
                  help="Off: nothing that could name the patient is shown or written.")  # fmt: skip
        downloads.panel(reading)
    with st.expander("What these numbers rest on", icon=":material/fact_check:"):
        _provenance(reading.study, reading.result)


def go_to(name: str) -> None:
    """Show another page on the next run."""
    st.session_state.go_to = name


def _open() -> None:
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Open a chest CT", anchor=False)
        taken = uploader("Drop or choose a DICOM series, NIfTI, or PNG/JPG slices. Names and endings do not matter.")
        if taken is not None:
            _begin(taken)
            st.rerun()
    with right.container(border=True):
        st.subheader("No study at hand?", anchor=False)
        st.write("A synthetic chest with known lesions, made by the program: nobody's scan.")
        if st.button("Open the example study", icon=":material/play_circle:", type="primary"):
            with st.spinner("Making the example ..."):
                _begin(state.example())
            st.rerun()
        st.caption(
            "Uploaded files are deleted as soon as they are read, and the study is forgotten when you close it. "
            "Nothing is sent anywhere else."
        )


def uploader(label: str) -> infnet.Study | None:
    """Files, a folder or a zip as a study; None while there is nothing, or nothing that can be used."""
    whole = st.segmented_control("What to upload", ["Files or a zip", "A folder"], default="Files or a zip",
                                 required=True, label_visibility="collapsed") == "A folder"  # fmt: skip
    kind = "directory" if whole else True
    files = st.file_uploader(label, accept_multiple_files=kind, key=f"upload-{st.session_state.get('upload', 0)}")
    if files:
        return _read(files)
    if line := st.session_state.get("error"):
        st.error(units.escaped(line), icon=":material/error:")
    return None


def _read(files: list) -> infnet.Study | None:
    """Read what was uploaded; one clear line where it cannot be used, a choice where it holds several series."""
    series = st.session_state.get("series")
    ids = [file.file_id for file in files]
    asked, choices = st.session_state.get("choice", (None, ()))
    if choices and asked == ids and series is None:
        _choose(choices)
        return None
    try:
        with st.spinner(f"Reading {len(files)} file{'s' * (len(files) > 1)} ..."):
            return state.read_upload(files, series)
    except SeveralSeriesError as error:
        st.session_state.update(choice=(ids, error.series), series=None)
    except infnet.InfNetError as error:
        for key in ("series", "choice"):
            st.session_state.pop(key, None)
        st.session_state.error = str(error)
        state.fresh_uploaders()
    st.rerun()


def _choose(choices: tuple[Series, ...]) -> None:
    """Ask which series; the click reads the upload again."""
    options = {found.key: found for found in choices}

    def named(key: str) -> str:
        found = options[key]
        facts = (found.kind, found.description, f"{found.slices} slices", f"...{key[-12:]}")
        return units.escaped(" · ".join(fact for fact in facts if fact))

    key = st.radio("The upload holds several series. Choose one:", list(options), format_func=named)
    st.button("Open this series", type="primary", on_click=_take, args=(key,))


def _take(key: str | None) -> None:
    st.session_state.series = key


def _begin(study: infnet.Study) -> None:
    """Take a study in, and start at once where that is quick and nothing speaks against it."""
    exam = state.open_study(study)
    if not state.findings(exam, "stop") and state.estimate(exam.study) <= state.AUTO_RUN_SECONDS:
        state.start(exam)


def _gate(exam: Exam) -> bool:
    """Say what is unusual about the input; True where a result would be wrong."""
    stops, warnings = state.findings(exam, "stop"), state.findings(exam, "warn")
    if stops:
        st.error("\n".join(f"- {units.escaped(notice.text)}" for notice in stops), icon=":material/block:")
    if warnings:
        st.warning("\n".join(f"- {units.escaped(notice.text)}" for notice in warnings), icon=":material/warning:")
    return bool(stops)


def _millimetres(exam: Exam) -> None:
    """For loose pictures: let the user say how large a pixel is; until then there are pixels and percent."""
    if exam.study.is_picture:
        st.number_input("mm per pixel (unknown until you enter it)", 0.01, 10.0, None, 0.01, "%.3f", key="mm",
                        width=320, placeholder="unknown")  # fmt: skip


def _run(exam: Exam, stopped: bool) -> None:
    """Progress while the networks run; otherwise the button that starts them, and how long they will take."""
    job = exam.job
    if job is not None and job.state in ("waiting", "running", "done"):
        panels.progress(job, len(exam.study.pixels))
        return
    panels.trouble(job)
    count = len(exam.study.pixels)
    st.write(f"{count} slice{'s' * (count > 1)}: about {units.duration(state.estimate(exam.study))} on this machine.")
    st.button("Run", type="primary", icon=":material/play_arrow:", on_click=state.start, args=(exam,), disabled=stopped,
              help="Off, because a result would be wrong: see above." if stopped else None)  # fmt: skip


def _provenance(study: infnet.Study, found: infnet.Segmentation) -> None:
    facts = dict(found.provenance)
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
    lines["source"] = ", ".join(f"{k} {study.source[k]}" for k in SHOWN_FACTS if k in study.source) or "unknown"
    lines["spacing"] = units.facts(study)
    st.markdown(
        "  \n".join(f"**{units.escaped(k.capitalize())}** &nbsp; {units.escaped(str(v))}" for k, v in lines.items())
    )
