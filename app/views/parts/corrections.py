"""What becomes of corrections by a person: saved and opened again, discarded, kept to train on."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

import infnet
from app.core import corrections, session
from app.core.case import Exam
from app.core.reading import Reading
from app.core.uploads import read_upload
from app.views.parts import downloads, panels
from infnet.measure import check
from infnet.measure.correct import Corrections, as_corrections, as_lungs, labels_of

LESIONS, LUNGS = "Lesions", "Lungs"


def panel(exam: Exam, reading: Reading) -> None:
    """What was corrected, and a folded panel of what can be done with it."""
    panels.corrected(reading)
    with st.expander("Corrections", icon=":material/draw:"):
        st.caption(
            "*Correct* above the picture opens the tools. Corrections hold at every threshold, and stay as long as the "
            "study is open. To keep them, save the masks; opened here again, they count in place of the networks'."
        )
        given = exam.revisions.corrections
        with st.container(horizontal=True, gap="small"):
            downloads.mask_button("Save mask", reading, exam.revisions)
            downloads.mask_button("Save lungs", reading, exam.revisions, lungs=True)
            downloads.pairs_button(reading, corrections.slices(exam.study, given))
            with st.popover("Discard", disabled=given.none):
                st.button("Discard all corrections", on_click=exam.revisions.replace, args=(Corrections(),))
        _open(exam, reading)


def _open(exam: Exam, reading: Reading) -> None:
    """Take a mask in place of what the networks found."""
    of = st.segmented_control(
        "What the file holds", [LESIONS, LUNGS], key=session.setting("opens", LESIONS), required=True
    )
    meaning = "0 none, 1 right, 2 left" if of == LUNGS else "0, 1 ground glass, 2 consolidation; or 0 and 255"
    key = f"corrections-{session.uploader_round()}"
    files = st.file_uploader(f"Open a mask of this study ({meaning})", accept_multiple_files=True, key=key)
    if not files:
        if line := st.session_state.pop("correction-error", None):
            panels.error(line)
        return
    try:
        with st.spinner("Reading the mask ..."):
            mask = check.placed(reading.study, read_upload(files))
            given, network = exam.revisions.corrections, reading.network
            if of == LUNGS:
                given = replace(given, lungs=as_lungs(network, mask))
            else:
                given = replace(given, labels=as_corrections(network, labels_of(network, mask)))
        exam.revisions.replace(given)
        exam.revisions.saved = exam.revisions.revision
    except infnet.InfNetError as error:
        st.session_state["correction-error"] = str(error)
    session.fresh_uploaders()
    st.rerun()
