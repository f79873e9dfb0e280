"""What one visitor of the demo has: a study, its reading, and a private folder for what the browser fetches."""

from __future__ import annotations

import hmac
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import infnet
from app.core.jobs import HungError, Job, Progress
from app.core.reading import Reading, read
from app.core.uploads import alias
from app.demo.guard import Owners
from infnet.pipeline.models import Engines


class Visit:
    """What one browser tab, or one API client, has here. It ends with `close`, or when nothing refers to it.

    owners: of the folder that the server hands files out of. visitor: who may have them.
    """

    def __init__(self, owners: Owners, visitor: str | None = None) -> None:
        self.reading: Reading | None = None
        self.uploads: list[str] = []
        self._owners, self._visitor = owners, visitor
        self._job: Job | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def folder(self) -> Path:
        """The private folder; made when it is first asked for."""
        if self._folder is None:
            name = secrets.token_urlsafe(16)
            self._folder = tempfile.TemporaryDirectory(prefix=name, dir=self._owners.folder, ignore_cleanup_errors=True)
            self._owners.give(Path(self._folder.name), self._visitor)
        return Path(self._folder.name)

    def belongs_to(self, visitor: str | None) -> bool:
        """Whether it is this visitor's, whatever session they name."""
        return hmac.compare_digest(str(self._visitor).encode(), str(visitor).encode())

    def stop(self) -> None:
        """End what runs at its next step."""
        if self._job is not None:
            self._job.stop()

    def close(self) -> None:
        """Stop what runs; forget the study, and delete every file that was uploaded for it or made of it."""
        self.stop()
        self._job = self.reading = None
        self.delete_uploads()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def delete_uploads(self) -> None:
        """Delete every uploaded file."""
        for name in self.uploads:
            shutil.rmtree(Path(name).parent, ignore_errors=True)  # each upload has a folder of its own
        self.uploads = []

    def run(self, study: infnet.Study, engines: Engines, report: Callable[[float], None]) -> Reading:
        """Segment `study` in a thread that `stop` ends; what was open before is gone.

        Raises InfNetError; HungError where these engines will not answer again.
        """
        self.close()
        known = threading.Event()  # before that `stop` could not reach it

        def work(progress: Progress) -> infnet.Segmentation:
            known.wait()
            return infnet.segment(study, engines, progress=progress)

        job = self._job = Job(work)
        known.set()
        while job.alive:
            report(job.share)
            job.wait(0.2)
        if job.bug is not None:
            raise job.bug
        if job.hung:
            raise HungError(job.error)
        if job.state != "done" or self._job is not job:
            raise infnet.InfNetError(job.error or "study: stopped; run it again for a result")
        self.reading = read(study, job.result, token=job.token)
        return self.reading


def read_uploaded(paths: Sequence[str], series: str | None, mm_per_pixel: float) -> infnet.Study:
    """The study in uploaded files, under a neutral name: that of a file may be the patient's. Raises InfNetError."""
    if not paths:
        raise infnet.InfNetError("upload: nothing in it; choose a study or a picture first")
    study = replace(infnet.read(paths, series=series, alias=alias(paths)), name="study")
    if not mm_per_pixel:
        return study
    if study.affine is not None:
        raise infnet.InfNetError("study: has its own millimetres; give 0 mm per pixel")
    return study.with_spacing(mm_per_pixel, mm_per_pixel)
