"""The page that compares the result with a reference mask."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

import infnet
from app.components import widgets
from app.core import pictures, session, units
from app.core.case import Exam, Reference
from app.core.pictures import Cut, Look
from app.core.reading import Reading
from app.core.uploads import read_upload
from app.views.parts import panels, slices
from infnet.measure import check
from infnet.overlay import DIFFERENCE_COLOURS

NAMES = {"infection": "Infection", "ggo": "Ground glass", "consolidation": "Consolidation"}
SCORES = ("Dice", "Sensitivity", "Specificity", "S", "E", "MAE")  # in the order of infnet.metrics.Scores
MEANING = {check.BOTH: "both", check.ONLY_NETWORK: "only the network", check.ONLY_REFERENCE: "only the reference"}
NOTE = (
    "Dice, sensitivity, specificity, S, E and MAE are computed as in Tables II to IV of the paper: on the probability "
    "map of each slice where the reference has the class, averaged over these slices. Dice of the masks is that of the "
    "masks as shown, over the whole study."
)


def page() -> None:
    """Draw the page."""
    opened = panels.read()
    if opened is None:
        return
    exam, reading = opened
    reference = exam.reference
    if reference is None:
        _ask(exam, reading)
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("Agreement with the reference", anchor=False)
        st.button("Another reference", icon=":material/refresh:", on_click=_forget, args=(exam,))
    if reading.corrected:
        reading = replace(reading, result=reading.network, revision=0)
        st.caption("Compared is what the networks found, without the corrections by a person.")
    try:
        _scores(exam, reading, reference)
    except infnet.InfNetError as error:
        panels.error(str(error))
        return
    _pictures(exam, reading, reference)


def _ask(exam: Exam, reading: Reading) -> None:
    st.header("Check against a reference", anchor=False)
    st.write(
        "Drop a mask that somebody drew on this study, as NIfTI or PNG: 0 and 1 (or 255) for infection, "
        "or 0, 1, 2 for background, ground glass and consolidation."
    )
    key = f"reference-{session.uploader_round()}"
    files = st.file_uploader("Reference mask", accept_multiple_files=True, key=key)
    if not files:
        if line := st.session_state.get("error"):
            panels.error(line)
        return
    st.session_state.pop("error", None)
    try:
        with st.spinner("Reading the mask ..."):
            drawn = read_upload(files)
            mask = check.placed(reading.study, drawn)
            check.difference(reading.result, mask)  # refuses what is no mask
        exam.reference = Reference(mask, check.misplaced(reading.study, drawn))
    except infnet.InfNetError as error:
        st.session_state.error = str(error)
    session.fresh_uploaders()
    st.rerun()


def _forget(exam: Exam) -> None:
    exam.reference = None


def _scores(exam: Exam, reading: Reading, reference: Reference) -> None:
    key = (reading.key, reference.token)
    by_class = exam.once("check", key, lambda: check.check(reading.result, reference.mask))
    doubts = exam.once("doubts", key, lambda: check.doubts(reading.result, reference.mask))
    panels.warnings((*reference.notices, *doubts))
    columns = {"": [*SCORES, "Dice of the masks", "Slices"]}
    for name, each in by_class.items():
        scores = each.scores or [None] * len(SCORES)
        shown = [units.NONE if score is None else f"{score:.3f}" for score in (*scores, each.plain_dice)]
        columns[f"**{NAMES[name]}**"] = [*shown, str(each.slices)]
    panels.table(columns, "Agreement with the reference by class")
    st.caption(NOTE)


@st.fragment
def _pictures(exam: Exam, reading: Reading, reference: Reference) -> None:
    key = (reading.key, reference.token)
    marks = exam.once("difference", key, lambda: check.difference(reading.result, reference.mask))
    count = pictures.count(reading.study, "Axial")
    left, right = st.container(key="wide").columns([3, 2], gap="large")
    with left:
        number = slices.slider(reading.study, count, slices.loads(exam, reading))
        alt = f"Slice {number} of {count}: network and reference, where they agree and where they differ"
        picture = pictures.marks_picture(Cut(reading.study, number - 1), Look(), reading.result, marks, alt)
        widgets.show_slice(picture, number, count, "picture", slices.go)
        panels.legend([(MEANING[code], colour) for code, colour in DIFFERENCE_COLOURS.items()])
    with right:
        st.markdown("**Voxels**")
        counts = {code: int((marks == code).sum()) for code in MEANING}
        panels.table(
            {"Marked by": list(MEANING.values()), "Voxels": [f"{counts[code]:,}" for code in MEANING]},
            "Voxels marked by network and reference",
        )
