"""What the app keeps between reruns: models for everybody, a patient's data for one session only."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

import infnet
from infnet import phantom
from infnet.statistics import Statistics, measure

AUTO_RUN_SECONDS = 150  # a study that is expected to take longer waits for a click on Run
# Keys of the session that go when a study is closed.
PATIENT_DATA = ("study", "result", "statistics", "run", "error", "series", "choice", "slice", "mm")
FIRST_GUESS = 1.5  # seconds a slice, until this machine has run one study


@st.cache_resource(show_spinner=False)
def engines() -> Any:
    """The shipped networks, one copy for all sessions. Raises InfNetError without usable weights."""
    return infnet.load_engines()


@st.cache_resource(show_spinner=False)
def pace() -> dict[str, float]:
    """Seconds a slice on this machine, from the last run of any session: a time and nothing about a patient."""
    return {"seconds": FIRST_GUESS}


def estimate(study: infnet.Study) -> float:
    """Seconds that segmenting will take."""
    return pace()["seconds"] * len(study.pixels)


def example() -> infnet.Study:
    """A synthetic chest of 24 slices."""
    return phantom.chest(slices=24, rows=512, columns=512, spacing=(10.0, 0.7, 0.7)).study


def open_study(study: infnet.Study) -> None:
    """Take a study in and forget what was there before."""
    close_study()
    st.session_state.study = study
    st.session_state.run = estimate(study) <= AUTO_RUN_SECONDS


def close_study() -> None:
    """Forget the study, all that was made from it, and the uploaded files that the widget still holds."""
    for key in PATIENT_DATA:
        st.session_state.pop(key, None)
    st.session_state.upload = st.session_state.get("upload", 0) + 1  # a new key makes a new, empty widget


def read_upload(files: Sequence[Any], series: str | None = None) -> infnet.Study:
    """Read uploaded files through a private folder that is gone when this returns. Raises InfNetError."""
    with tempfile.TemporaryDirectory(prefix="infnet-") as folder:
        named = [(_plain(file.name), file) for file in files]
        seen = [each for each in named if not each[0].startswith(".")] or named  # .DS_Store and its like
        paths = []
        for number, (name, file) in enumerate(seen):
            # A folder each, since files of one name may come from several folders.
            path = Path(folder, f"{number:06d}", name)
            path.parent.mkdir()
            path.write_bytes(file.getbuffer())
            paths.append(path)
        return infnet.read(paths if len(paths) > 1 else paths[0], series=series)


def _plain(name: str) -> str:
    """A file name without folders and control characters, short enough for any file system."""
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[\x00-\x1f]", "_", last)[-100:] or "file"


def segment(study: infnet.Study, progress: Any) -> infnet.Segmentation:
    """Run the networks, remember the result for this session and the pace for the next estimate."""
    loaded = engines()
    begun = time.perf_counter()
    result = infnet.segment(study, loaded, progress=progress)
    pace()["seconds"] = (time.perf_counter() - begun) / len(study.pixels)
    st.session_state.result = result
    return result


def statistics(study: infnet.Study, result: infnet.Segmentation) -> Statistics:
    """The measurements of this study, made once for every mm per pixel."""
    spacing = None if study.affine is None else study.spacing
    kept = st.session_state.get("statistics")
    if kept is None or kept[0] != spacing:
        kept = st.session_state.statistics = (spacing, measure(study, result))
    found: Statistics = kept[1]
    return found
