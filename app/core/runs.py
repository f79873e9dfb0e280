"""Runs of the networks on the open studies, and their results as they are read now."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import streamlit as st

import infnet
from app.core import models
from app.core.case import Exam
from app.core.jobs import Job, Progress
from app.core.reading import Reading, Settings, default_threshold, read
from app.core.tokens import new_token
from infnet.measure import densities, gate, thresholds
from infnet.notices import Level, Notice
from infnet.pipeline.run import Growing

AUTO_RUN_SECONDS = 150  # a study that is expected to take longer waits for a click on Run
T = TypeVar("T")


def start(exam: Exam) -> None:
    """Run the shipped networks on a study in a thread."""

    run = exam.run = new_token()

    def watch(growing: Growing | None) -> None:
        if exam.run == run:  # one that hangs may wake up when another one runs
            exam.growing = growing
        if growing is not None:
            growing.first = (len(growing.ready) - 1) // 2  # where the viewer opens; from then on the slice on screen

    watch(None)
    exam.job = _segment(exam.study, None, watch)


def start_other(exam: Exam, network: str) -> None:
    """Run another infection network than the default one on a study in a thread."""
    exam.others[network] = _segment(exam.study, network)


def start_mirrored(exam: Exam) -> None:
    """Run the shipped networks on the mirrored study in a thread."""
    study = exam.study
    exam.mirrored = Job(lambda progress: thresholds.mirrored(study, models.engines(), progress), _renew_if_hung)


def _segment(
    study: infnet.Study,
    network: str | None,
    watch: Callable[[Growing | None], None] | None = None,
) -> Job:
    """A job that segments. `watch` gets the result that fills, and None where the run ends without one."""
    paces = models.pace()  # Streamlit's caches are asked here, where there is a session

    def work(progress: Progress) -> infnet.Segmentation:
        engines = models.engines(network)
        begun = time.perf_counter()
        result = infnet.segment(study, engines, progress=progress, watch=watch)
        paces["seconds"] = (time.perf_counter() - begun) / len(study.pixels)
        return result

    def lost(job: Job) -> None:  # stopped, closed, failed or hung: half a result is none
        if watch is not None:
            watch(None)
        _renew_if_hung(job)

    return Job(work, lost)


def _renew_if_hung(job: Job) -> None:
    """Networks that hang may never answer anybody again: the next run gets new ones."""
    if job.hung:
        models.renew()


def notices(exam: Exam, level: Level) -> list[Notice]:
    """What the input gate says of a level, "stop" or "warn"."""
    job = exam.job if exam.job is not None and exam.job.state == "done" else None
    of_both_levels = exam.once(
        "gate",
        None if job is None else job.token,
        lambda: gate.inspect(exam.study, None if job is None else job.result),
    )
    return [notice for notice in of_both_levels if notice.level == level]


def reading(exam: Exam | None, network: str | None = None) -> Reading | None:
    """The result of a study as it is read now; None until the networks are done.

    network: another infection network than the default one. Until somebody moves the threshold, each network is read
    at its own.
    """
    if exam is None:
        return None
    job = exam.job if network is None else exam.others.get(network)
    if job is None or job.state != "done":
        return None
    result: infnet.Segmentation = job.result
    chosen = st.session_state
    threshold = chosen.get("threshold")
    if exam.job is not None and exam.job.result is not None and threshold == default_threshold(exam.job.result):
        threshold = None
    settings = Settings(
        threshold,
        chosen.get("smallest", 0),
        chosen.get("mm") if exam.study.is_picture else None,
        exam.label if chosen.get("show_name") else None,
    )
    corrections = exam.revisions.current if network is None else None
    return exam.once(
        f"reading {network}",
        (job.token, settings, corrections and corrections[1]),
        lambda: read(exam.study, result, settings, job.token, corrections),
    )


def once(exam: Exam, name: str, reading: Reading, make: Callable[[], T]) -> T:
    """What a page made from a reading, kept until it is read at another threshold or spacing."""
    return exam.once(name, reading.key, make)


def disagreement(exam: Exam, reading: Reading) -> densities.Disagreement | None:
    """Where network and HU bands disagree, made once; None where the pixels are not HU."""
    return once(exam, "disagreement", reading, lambda: densities.disagreement(reading.study, reading.result))
