"""What one browser session has open: its case, its settings, and how both are forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

import infnet
from app.core import runs
from app.core.browser import COOKIE, secret
from app.core.case import Case, Exam, Registry, forget
from infnet.files import sweep

# Settings that belong to one patient's study: they go when it is closed.
OF_THE_STUDY = (
    "slice",
    "slice-next",
    "slice-coronal",
    "slice-sagittal",
    "volume-go",
    "volume-taken",
    "volume-answered",
    "volume-refused",
    "plane",
    "view",
    "beside",
    "mm",
    "threshold",
    "smallest",
    "show_name",
)
OF_THE_UPLOAD = ("series", "choice", "error")
# Streamlit drops the value of a widget whose page is left, unless the script sets it again.
LASTING = (*OF_THE_STUDY, "viewer", "overlay", "marks", "style", "window", "manual", "opacity")


@st.cache_resource(show_spinner=False)
def registry() -> Registry:
    """The open cases of all sessions. Each is reached by its own token and browser only, and goes soon after it.

    Made once, when the server has started: uploads that a killed one left are removed.
    """
    sweep()
    return Registry(_has_browser)


def _has_browser(session: str) -> bool:
    """Whether a browser is connected to a session; without a server, as in tests, none ever leaves."""
    return not exists() or get_instance().is_active_session(session)


def _session() -> str:
    context = get_script_run_ctx()
    return context.session_id if context else ""


def _browser() -> str:
    """What only the browser of this session knows."""
    return secret(st.context.cookies.get(COOKIE))


def case() -> Case | None:
    """What this session has open; after a reload of the same browser, what the address still names."""
    cases = registry()  # made with the first page: a server that starts sweeps at once
    current: Case | None = st.session_state.get("case")
    if current is None and (token := st.query_params.get("case")):
        current = cases.find(token, _session(), _browser())
    if current is None or current.closed:
        st.session_state.pop("case", None)
        if "case" in st.query_params:
            del st.query_params["case"]
        return None
    st.session_state.case = current
    if st.query_params.get("case") != current.token:
        st.query_params["case"] = current.token
    return current


def exam() -> Exam | None:
    """The study on screen."""
    current = case()
    return current.exams[0] if current and current.exams else None


def keep_settings() -> None:
    """Carry the settings over to the page that is shown now."""
    for key in LASTING:
        if key in st.session_state:
            st.session_state[key] = st.session_state[key]


def setting(key: str, default: Any) -> str:
    """The key of a widget that starts with `default` and keeps what the user sets on every page."""
    st.session_state.setdefault(key, default)
    return key


def viewer(default: str) -> str:
    """The viewer that somebody has chosen by hand, or `default`."""
    return str(st.session_state.get("viewer") or default)


def go_to(page: str) -> None:
    """Show another page on the next run, unless the user has gone elsewhere by then."""
    st.session_state.go_to = (st.session_state.get("page"), page)


def next_page(page: str) -> str | None:
    """The page to switch to from `page`, which the user is on now: where a button of this page leads. Decided before
    anything is drawn, and only for the page that asked, so that a click on another page is never lost.

    Nothing switches a page by itself, at the end of a run for example: a question of a fragment of the old page that
    is on its way then makes Streamlit draw that page into the new one.
    """
    st.session_state.page = page
    origin, wanted = st.session_state.pop("go_to", (None, None))
    return wanted if origin == page else None


def open_study(study: infnet.Study) -> Exam:
    """Take a study in and forget what was there before."""
    close_case()
    exam = Exam(replace(study, name="study"), study.name)
    opened = registry().open(_session(), _browser())
    opened.exams.append(exam)
    st.session_state.case = opened
    return exam


def add_study(study: infnet.Study) -> Exam:
    """Take in another date of the same patient, and run the networks on it."""
    current = case()
    assert current is not None
    added = Exam(replace(study, name="study"), study.name, f"Date {len(current.exams) + 1}")
    current.exams.append(added)
    for key in OF_THE_UPLOAD:
        st.session_state.pop(key, None)
    fresh_uploaders()
    runs.start(added)
    return added


def remove_study(removed: Exam) -> None:
    """Forget another date again."""
    forget(removed)
    if (current := case()) and removed in current.exams:
        current.exams.remove(removed)


def close_case() -> None:
    """Forget the studies, all that was made from them, and the uploaded files that the widgets still hold."""
    closed: Case | None = st.session_state.pop("case", None)
    if closed is not None:
        registry().close(closed)
    for key in (*OF_THE_STUDY, *OF_THE_UPLOAD, "previewed"):
        st.session_state.pop(key, None)
    fresh_uploaders()


def fresh_uploaders() -> None:
    """A new key makes new, empty upload widgets; Streamlit drops the files of the old ones."""
    st.session_state.upload = uploader_round() + 1


def uploader_round() -> int:
    """The number that the keys of upload widgets end in."""
    return int(st.session_state.get("upload", 0))
