"""Many at once, and the same again and again: everybody gets their own result, and no memory stays behind."""

from __future__ import annotations

import gc
import io
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import infnet
from app.core import units
from app.core.case import Exam, Registry
from app.core.jobs import Job
from app.core.uploads import read_upload
from infnet import phantom
from infnet.pipeline.models import Engines
from tests.app.apptest import dicom, expected
from tests.app.driving import ROOT, served
from tests.app.test_canary import File
from tests.app.visitor import Visitor
from tests.fakes import fake_engines

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
BROWSING, RUNNING, CYCLES = 20, 8, 200


def study(seed: int) -> infnet.Study:
    """Each has more disease than the one before."""
    size = {"slices": 6, "rows": 128, "columns": 128, "spacing": (40.0, 2.8, 2.8)}
    return phantom.chest(**size, seed=seed, lesion_ml=100.0 + 40 * seed).study  # type: ignore[arg-type]


def job_of(exam: Exam, engines: Engines) -> Job:
    return Job(lambda progress: infnet.segment(exam.study, engines, progress=progress))


@pytest.mark.server
def test_twenty_who_browse_and_eight_who_run_get_their_own(tmp_path: Path) -> None:
    """Through the server: each uploads a study of their own, and every page that is drawn shows its numbers."""
    studies = [study(seed) for seed in range(BROWSING + RUNNING)]
    truths = [units.amount(expected(each).total.lesion) for each in studies]
    assert len(set(truths)) == len(truths), "no two results are the same, so a mix-up is seen"
    own = {"TMPDIR": str(tmp_path), "INFNET_TEST_HOLD": str(tmp_path / "none")}

    def zipped(number: int) -> bytes:
        """Made ahead: what is measured is the server."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in dicom(studies[number], tmp_path / f"dicom-{number}"):
                archive.writestr(name, content)
        return buffer.getvalue()

    def numbers(visitor: Visitor) -> str | None:
        visitor.go("Numbers")
        return visitor.metrics().get("Lesion volume")

    def run(visitor: Visitor, number: int) -> None:
        visitor.upload("study.zip", uploads[number])
        while (shown := numbers(visitor)) is None:
            time.sleep(0.5)  # between two looks: each of them is work for the server
        assert shown == truths[number]

    uploads = [zipped(number) for number in range(len(studies))]
    over, drawn = threading.Event(), [0] * BROWSING

    def browse(visitor: Visitor, number: int) -> None:
        while not over.is_set() or not drawn[number]:
            for title in ("Viewer", "Check", "Study"):
                visitor.go(title)
            assert numbers(visitor) == truths[number]
            drawn[number] += 1

    main = ROOT / "tests" / "app" / "fake_main.py"
    with served(tmp_path / "log", main, own) as url, ThreadPoolExecutor(BROWSING + RUNNING) as people:
        visitors = [Visitor(url) for _ in studies]
        for number in range(BROWSING):
            run(visitors[number], number)
        browsing = [people.submit(browse, visitors[number], number) for number in range(BROWSING)]
        running = [people.submit(run, visitors[number], number) for number in range(BROWSING, BROWSING + RUNNING)]
        try:
            for each in running:
                each.result()
        finally:
            over.set()
        for each in browsing:
            each.result()
        for visitor in visitors:
            visitor.close()
    print(f"{sum(drawn)} rounds of pages were right beside {RUNNING} runs")


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
