"""Many at once, and the same again and again: everybody gets their own result, and no memory stays behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

import infnet
from app.core.case import Exam, Registry
from app.core.jobs import Job
from app.core.pictures import Look, slice_picture
from app.core.reading import Settings, read
from app.core.uploads import read_upload
from infnet import phantom
from infnet.pipeline.models import Engines
from tests.app.apptest import dicom
from tests.app.test_canary import File
from tests.fakes import fake_engines

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
BROWSING, RUNNING, CYCLES = 20, 8, 200


def study(seed: int) -> infnet.Study:
    return phantom.chest(slices=6, rows=128, columns=128, spacing=(40.0, 2.8, 2.8), seed=seed).study


def job_of(exam: Exam, engines: Engines) -> Job:
    return Job(lambda progress: infnet.segment(exam.study, engines, progress=progress))


def test_twenty_who_browse_and_eight_who_run_get_their_own() -> None:
    studies = [study(seed) for seed in range(BROWSING + RUNNING)]
    results = [infnet.segment(each, fake_engines()) for each in studies]
    sums = {result.labels.tobytes() for result in results}
    assert len(sums) == len(results), "no two results are the same, so a mix-up is seen"

    registry, engines = Registry(lambda session: True), fake_engines()
    cases = [registry.open(f"session {n}", f"browser {n}") for n in range(len(studies))]
    for case, each in zip(cases, studies, strict=True):
        case.exams.append(Exam(replace(each, name="study"), "scan"))
    over, drawn = threading.Event(), [0] * BROWSING

    def picture(number: int, at: int, threshold: float) -> bytes:
        reading = read(studies[number], results[number], Settings(threshold))
        return slice_picture(reading.study, at, Look(), reading.result).png

    wanted = [[picture(n, at, t) for at in range(6) for t in (0.5, 0.95)] for n in range(BROWSING)]

    def browse(number: int) -> None:
        while not over.is_set() or not drawn[number]:
            case = registry.find(cases[number].token, f"tab {number}", f"browser {number}")
            assert case is cases[number]
            assert registry.find(cases[number].token, "x", f"browser {number + 1}") is None
            seen = case.exams[0].once("pictures", drawn[number] % 3, lambda: None)
            assert seen is None
            assert [picture(number, at, t) for at in range(6) for t in (0.5, 0.95)] == wanted[number]
            drawn[number] += 1

    with ThreadPoolExecutor(BROWSING) as people:
        browsing = [people.submit(browse, number) for number in range(BROWSING)]
        for case in cases[BROWSING:]:
            case.exams[0].job = job_of(case.exams[0], engines)
        try:
            for case, result in zip(cases[BROWSING:], results[BROWSING:], strict=True):
                (job,) = case.exams[0].jobs
                job.wait(600)
                assert job.state == "done", (job.state, job.error, job.bug)
                np.testing.assert_array_equal(job.result.labels, result.labels)
                np.testing.assert_array_equal(job.result.lungs, result.lungs)
        finally:
            over.set()
        for each in browsing:
            each.result(600)
    print(f"pictures of {sum(drawn)} rounds were right beside {RUNNING} runs")


def test_two_hundred_uploads_runs_and_closes_leave_no_memory_behind(tmp_path: Path, temporary: Path) -> None:
    files = [File(name, content) for name, content in dicom(study(1), tmp_path / "dicom")]
    registry, engines, process = Registry(lambda session: False), fake_engines(), psutil.Process()
    labels = infnet.segment(study(1), engines).labels.sum()

    def cycle() -> None:
        case = registry.open("one", "mine")
        exam = Exam(read_upload(files), "scan")
        case.exams.append(exam)
        exam.job = job_of(exam, engines)
        exam.job.wait(120)
        assert exam.job.result.labels.sum() == labels
        registry.close(case)

    def after(count: int, work: Callable[[], None]) -> int:
        for _ in range(count):
            work()
        gc.collect()
        return int(process.memory_info().rss)

    begun = after(20, cycle)  # by then every library has what it keeps
    threads = threading.active_count()
    ended = after(CYCLES, cycle)
    print(f"memory {begun >> 20} MiB, after {CYCLES} cycles {ended >> 20} MiB: {100 * (ended / begun - 1):+.1f} %")
    assert ended < 1.1 * begun
    assert threading.active_count() <= threads
    assert len(registry) == 0
    assert not list(temporary.rglob("*"))
