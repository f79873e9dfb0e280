"""What the app keeps between reruns: models for everybody, a patient's data for one case only."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime import get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

import infnet
from app.core.case import Case, Exam, Registry, forget
from app.core.jobs import Job, Progress
from infnet import phantom, weights
from infnet.measure import densities, gate
from infnet.measure.statistics import Statistics, measure
from infnet.notices import NO_MILLIMETRES, Notice, without
from infnet.pipeline.run import Growing

AUTO_RUN_SECONDS = 150  # a study that is expected to take longer waits for a click on Run
FIRST_GUESS = 0.15  # seconds a slice, until this machine has run one study
# Settings that belong to one patient's study: they go when it is closed.
OF_THE_STUDY = ("slice", "slice-coronal", "slice-sagittal", "plane", "view", "beside", "mm", "threshold", "smallest",
                "show_name", "series", "choice", "error", "follow", "previewed")  # fmt: skip
# Streamlit drops the value of a widget whose page is left, unless the script sets it again.
LASTING = (*OF_THE_STUDY[:10], "overlay", "marks", "style", "window", "manual", "opacity")


@st.cache_resource(show_spinner=False)
def engines(infection: str | None = None) -> Any:
    """The shipped networks, one copy for all sessions. Raises InfNetError without usable weights."""
    return infnet.load_engines(infection)


@st.cache_resource(show_spinner=False)
def pace() -> dict[str, float]:
    """Seconds a slice on this machine, from the last run of any session: a time and nothing about a patient."""
    return {"seconds": FIRST_GUESS}


@st.cache_resource(show_spinner=False)
def registry() -> Registry:
    """The open cases of all sessions. Each is reached by its own token only, and goes soon after its browser."""
    return Registry(lambda session: get_instance().is_active_session(session))


def _session() -> str:
    context = get_script_run_ctx()
    return context.session_id if context else ""


def case() -> Case | None:
    """What this session has open; after a browser reload, what the address still names."""
    held: Case | None = st.session_state.get("case")
    if held is None and (token := st.query_params.get("case")):
        held = registry().find(token, _session())
    if held is None or held.closed:
        st.session_state.pop("case", None)
        if "case" in st.query_params:
            del st.query_params["case"]
        return None
    st.session_state.case = held
    if st.query_params.get("case") != held.token:
        st.query_params["case"] = held.token
    return held


def exam() -> Exam | None:
    """The study on screen."""
    held = case()
    return held.exams[0] if held and held.exams else None


def keep_settings() -> None:
    """Carry the settings over to the page that is shown now."""
    for key in LASTING:
        if key in st.session_state:
            st.session_state[key] = st.session_state[key]


def setting(key: str, default: Any) -> str:
    """The key of a widget that starts with `default` and keeps what the user sets on every page."""
    st.session_state.setdefault(key, default)
    return key


def example() -> infnet.Study:
    """A synthetic chest of 24 slices."""
    return phantom.chest(slices=24, rows=512, columns=512, spacing=(10.0, 0.7, 0.7)).study


def follow_up() -> infnet.Study:
    """The example's chest some weeks later: the same body, with less disease."""
    return phantom.chest(slices=24, rows=512, columns=512, spacing=(10.0, 0.7, 0.7), lesion_ml=90.0).study


def open_study(study: infnet.Study) -> Exam:
    """Take a study in and forget what was there before."""
    close_case()
    opened = Exam(replace(study, name="study"), study.name)
    held = registry().open(_session())
    held.exams.append(opened)
    st.session_state.case = held
    return opened


def add_study(study: infnet.Study) -> Exam:
    """Take in another date of the same patient, and run the networks on it."""
    held = case()
    assert held is not None
    added = Exam(replace(study, name="study"), study.name, f"Date {len(held.exams) + 1}")
    held.exams.append(added)
    for key in ("series", "choice", "error"):
        st.session_state.pop(key, None)
    fresh_uploaders()
    start(added)
    return added


def remove_study(removed: Exam) -> None:
    """Forget another date again."""
    forget(removed)
    if (held := case()) and removed in held.exams:
        held.exams.remove(removed)


def close_case() -> None:
    """Forget the studies, all that was made from them, and the uploaded files that the widgets still hold."""
    held: Case | None = st.session_state.pop("case", None)
    if held is not None:
        registry().close(held)
    for key in OF_THE_STUDY:
        st.session_state.pop(key, None)
    fresh_uploaders()


def fresh_uploaders() -> None:
    """A new key makes new, empty upload widgets; Streamlit drops the files of the old ones."""
    st.session_state.upload = st.session_state.get("upload", 0) + 1


def read_upload(files: Sequence[Any], series: str | None = None) -> infnet.Study:
    """Read uploaded files through a private folder that is gone when this returns. Raises InfNetError."""
    with tempfile.TemporaryDirectory(prefix="infnet-") as folder:
        paths = saved(files, Path(folder))
        return infnet.read(paths if len(paths) > 1 else paths[0], series=series)


def saved(files: Sequence[Any], folder: Path) -> list[Path]:
    """Uploaded files as files in `folder`."""
    named = [(_plain(file.name), file) for file in files]
    seen = [each for each in named if not each[0].startswith(".")] or named  # .DS_Store and its like
    paths = []
    for number, (name, file) in enumerate(seen):
        # A folder each, since files of one name may come from several folders.
        path = Path(folder, f"{number:06d}", name)
        path.parent.mkdir()
        path.write_bytes(file.getbuffer())
        paths.append(path)
    return paths


def _plain(name: str) -> str:
    """A file name without folders and control characters, short enough for any file system."""
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[\x00-\x1f]", "_", last)[-100:] or "file"


def estimate(study: infnet.Study) -> float:
    """Seconds that segmenting will take."""
    return pace()["seconds"] * len(study.pixels)


def findings(opened: Exam, level: str) -> list[Notice]:
    """What the input gate says of a level, "stop" or "warn"."""
    found = opened.job.result if opened.job is not None and opened.job.state == "done" else None
    made = opened.once("gate", found is None, lambda: gate.inspect(opened.study, found))
    return [notice for notice in made if notice.level == level]


def start(opened: Exam, model: str | None = None) -> Job:
    """Run the networks on a study in a thread; `model`: another infection network than the default one."""
    study, paces = opened.study, pace()

    def watch(growing: Growing) -> None:
        opened.growing = growing

    def work(progress: Progress) -> infnet.Segmentation:
        loaded = engines(model)
        begun = time.perf_counter()
        try:
            result = infnet.segment(study, loaded, progress=progress, watch=watch if model is None else None)
        except BaseException:  # stopped, closed or failed: half a result is none
            opened.growing = None
            raise
        paces["seconds"] = (time.perf_counter() - begun) / len(study.pixels)
        return result

    if model is None:
        opened.growing = None
    job = Job(work)
    if model is None:
        opened.job = job
        st.session_state.follow = True
    else:
        opened.second[model] = job
    return job


@dataclass(frozen=True, eq=False)
class Reading:
    """A study with its millimetres, its result at the thresholds of the moment, and the numbers of both."""

    study: infnet.Study
    result: infnet.Segmentation
    statistics: Statistics
    threshold: float
    key: tuple[Any, ...]


def reading(opened: Exam | None, model: str | None = None) -> Reading | None:
    """What was found in a study, as its numbers are read now; None until the networks are done.

    Until somebody moves the threshold, each network is read at its own.
    """
    job = None if opened is None else opened.job if model is None else opened.second.get(model)
    if opened is None or job is None or job.state != "done":
        return None
    result: infnet.Segmentation = job.result
    default = default_threshold(result)
    settings = st.session_state
    moved = settings.get("threshold")
    if opened.job is not None and opened.job.result is not None and moved == default_threshold(opened.job.result):
        moved = None
    key = (
        settings.get("mm") if opened.study.is_picture else None,
        default if moved is None else moved,
        settings.get("smallest", 0),
        bool(settings.get("show_name")),
    )
    made: Reading = opened.once(f"reading {model}", (id(job), *key), lambda: _read(opened, result, key, default))
    return made


def once(opened: Exam, name: str, read: Reading, make: Callable[[], Any]) -> Any:
    """What a page made from a reading, kept until it is read at another threshold or spacing."""
    return opened.once(name, (id(opened.job), *read.key), make)


def disagreement(opened: Exam, read: Reading) -> Any:
    """Where network and HU bands disagree, made once; None where the pixels are not HU."""
    return once(opened, "disagreement", read, lambda: densities.disagreement(read.study, read.result))


def other_models(result: infnet.Segmentation) -> list[str]:
    """Infection networks of the registry, but for the one that made this result."""
    own = result.provenance.get("models", {}).get("infection", {}).get("name")
    return [name for name, entry in weights.registry().items() if entry.role == "infection" and name != own]


def default_threshold(result: infnet.Segmentation) -> float:
    """The probability from which the shipped networks call a pixel lesion."""
    return float(result.provenance.get("threshold", 0.5))


def _read(opened: Exam, result: infnet.Segmentation, key: tuple[Any, ...], default: float) -> Reading:
    from infnet.measure.thresholds import reread

    mm, threshold, smallest, named = key
    study = replace(opened.study, name=opened.label) if named else opened.study
    if mm:
        study = study.with_spacing(mm, mm)
        # The result still says what was true when it was made.
        result = replace(result, notices=without(result.notices, NO_MILLIMETRES))
    if threshold != default or smallest:
        result = reread(study, result, threshold, smallest)
    return Reading(study, result, measure(study, result), threshold, key)
