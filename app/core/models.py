"""What all sessions share: the networks, and how fast this machine runs them. Nothing about a patient."""

from __future__ import annotations

import threading
from contextlib import suppress

import streamlit as st
from streamlit.runtime import exists

import infnet
from infnet.pipeline.models import Engines, forget_engines

FIRST_GUESS = 0.15  # seconds a slice, until this machine has run one study


@st.cache_resource(show_spinner=False)
def engines(infection: str | None = None) -> Engines:
    """The shipped networks, one copy for all sessions. Raises InfNetError without usable weights."""
    return infnet.load_engines(infection)


def warm() -> None:
    """Build the networks while somebody still looks for a file, so that the first study need not wait for them."""
    if exists():  # without a server, as in tests, there is nobody
        _warming()


@st.cache_resource(show_spinner=False)
def _warming() -> threading.Thread:
    def build() -> None:
        with suppress(infnet.InfNetError):  # the first run says what is wrong
            engines(None)  # as a run asks for them: Streamlit takes `engines()` for another call

    thread = threading.Thread(target=build, daemon=True, name="infnet-warm")
    thread.start()
    return thread


def renew() -> None:
    """Build the networks anew when they are wanted next."""
    forget_engines()
    engines.clear()


@st.cache_resource(show_spinner=False)
def pace() -> dict[str, float]:
    """Seconds a slice on this machine, from the last run of any session."""
    return {"seconds": FIRST_GUESS}


def estimate(study: infnet.Study) -> float:
    """Seconds that segmenting will take."""
    return pace()["seconds"] * len(study.pixels)
