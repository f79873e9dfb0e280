"""The widget that takes a study in: files, a folder or a zip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

import infnet
from app.core import session, units
from app.core.uploads import read_upload
from app.views.parts import panels
from infnet.errors import SeveralSeriesError
from infnet.read import Series

FILES, FOLDER = "Files or a zip", "A folder"


def uploader(label: str) -> infnet.Study | None:
    """Files, a folder or a zip as a study; None while there is nothing, or nothing that can be used."""
    chosen = st.segmented_control(
        "What to upload", [FILES, FOLDER], default=FILES, required=True, label_visibility="collapsed"
    )
    kind: Literal["directory"] | bool = "directory" if chosen == FOLDER else True
    files = st.file_uploader(label, accept_multiple_files=kind, key=f"upload-{session.uploader_round()}")
    if files:
        return _read(files if isinstance(files, list) else [files])
    if line := st.session_state.get("error"):
        panels.error(line)
    return None


def _read(files: Sequence[UploadedFile]) -> infnet.Study | None:
    """Read what was uploaded; one clear line where it cannot be used, a choice where it holds several series."""
    series = st.session_state.get("series")
    ids = [file.file_id for file in files]
    asked, choices = st.session_state.get("choice", (None, ()))
    if choices and asked == ids and series is None:
        _choose(choices)
        return None
    try:
        with st.spinner(f"Reading {len(files)} file{'s' * (len(files) > 1)} ..."):
            return read_upload(files, series)
    except SeveralSeriesError as error:
        st.session_state.update(choice=(ids, error.series), series=None)
    except infnet.InfNetError as error:
        for key in ("series", "choice"):
            st.session_state.pop(key, None)
        st.session_state.error = str(error)
        session.fresh_uploaders()
    st.rerun()


def _choose(choices: tuple[Series, ...]) -> None:
    """Ask which series; the click reads the upload again."""
    options = {series.key: series for series in choices}

    def named(key: str) -> str:
        series = options[key]
        facts = (series.format, series.description, f"{series.slices} slices", f"...{key[-12:]}")
        return units.escaped(" · ".join(fact for fact in facts if fact))

    key = st.radio("The upload holds several series. Choose one:", list(options), format_func=named)
    st.button("Open this series", type="primary", on_click=_take, args=(key,))


def _take(key: str | None) -> None:
    st.session_state.series = key
