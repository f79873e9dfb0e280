"""What one visitor of the demo has: a study, what was found in it, and a private folder for what the browser fetches.

The folder lies in GRADIO_TEMP_DIR, the one folder that the demo's server sends files from.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from gradio.components.annotated_image import AnnotatedImageData, Annotation
from gradio.data_classes import FileData
from PIL import Image

import infnet
from app.core import units
from app.core.jobs import Job
from app.core.pictures import WINDOWS, Look, alternative, png_bytes, slice_picture
from infnet import export
from infnet.geometry.box import resize_nearest
from infnet.geometry.grid import Grid
from infnet.measure.statistics import Statistics, measure
from infnet.notices import unique
from infnet.overlay import COLOURS
from infnet.study import CLASS_NAMES, LUNG_NAMES

OPACITY = 0.5


@dataclass(frozen=True, eq=False)
class Finding:
    """A study and what was found in it. slices: upright ones; worst: the one with the most lesion, from 0."""

    study: infnet.Study
    result: infnet.Segmentation
    statistics: Statistics
    slices: int
    worst: int


class Visit:
    """What one browser tab, or one API client, has here. It ends with `close`, or when nothing refers to it."""

    def __init__(self) -> None:
        self.found: Finding | None = None
        self.uploads: list[str] = []
        self._job: Job | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def folder(self) -> Path:
        """The private folder; made when it is first asked for."""
        if self._folder is None:
            # The server hands a file to whoever knows its path, so nobody may guess it.
            self._folder = tempfile.TemporaryDirectory(
                prefix=secrets.token_urlsafe(16), dir=os.environ["GRADIO_TEMP_DIR"], ignore_cleanup_errors=True
            )
        return Path(self._folder.name)

    def stop(self) -> None:
        """End what runs at its next step."""
        if self._job is not None:
            self._job.stop()

    def close(self) -> None:
        """Stop what runs; forget the study, and delete every file that was uploaded for it or made of it."""
        self.stop()
        self._job = self.found = None
        self.delete_uploads()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def delete_uploads(self) -> None:
        for name in self.uploads:
            shutil.rmtree(Path(name).parent, ignore_errors=True)  # Gradio gives each upload a folder of its own
        self.uploads = []

    def run(self, study: infnet.Study, engines: Any, report: Callable[[float], None]) -> Finding:
        """Segment `study` in a thread that `stop` ends; what was open before is gone. Raises InfNetError."""
        self.close()
        job = self._job = Job(lambda progress: infnet.segment(study, engines, progress=progress))
        while job.alive:
            report(job.share)
            job.wait(0.2)
        if job.bug is not None:
            raise job.bug
        if job.state != "done" or self._job is not job:
            raise infnet.InfNetError(job.error or "study: stopped; run it again for a result")
        result: infnet.Segmentation = job.result
        loads = np.count_nonzero(study.orientation.apply(result.labels), axis=(1, 2))
        worst = int(loads.argmax()) if loads.any() else len(loads) // 2
        self.found = Finding(study, result, measure(study, result), len(loads), worst)
        return self.found


def read_upload(files: list[str], series: str | None, mm_per_pixel: float) -> infnet.Study:
    """The study in uploaded files, under a neutral name: that of a file may be the patient's. Raises InfNetError."""
    if not files:
        raise infnet.InfNetError("upload: nothing in it; choose a study or a picture first")
    study = replace(infnet.read(files if len(files) > 1 else files[0], series=series), name="study")
    if not mm_per_pixel:
        return study
    if study.affine is not None:
        raise infnet.InfNetError("study: has its own millimetres; give 0 mm per pixel")
    return study.with_spacing(mm_per_pixel, mm_per_pixel)


def draw(visit: Visit, found: Finding, index: int, window: str) -> tuple[AnnotatedImageData, str]:
    """Upright slice `index` with a mask for each class, as files in the visit's folder; and the picture in words."""
    look = Look(WINDOWS[window])
    drawn = slice_picture(found.study, index, replace(look, classes=()), found.result)
    base = visit.folder / f"slice_{index:03d}_{window}.png"
    base.write_bytes(drawn.png)
    classes = resize_nearest(drawn.codes % 3, drawn.size[::-1])
    masks = []
    for code, colour in COLOURS.items():
        opaque = np.array([*colour, round(255 * OPACITY)], np.uint8)
        path = visit.folder / f"slice_{index:03d}_{code}.png"
        path.write_bytes(png_bytes(Image.fromarray(np.where((classes == code)[..., None], opaque, np.uint8(0)))))
        masks.append(Annotation(image=FileData(path=str(path)), label=CLASS_NAMES[code]))
    row = Grid.of(found.study).source_slice(index)
    words = alternative(f"Slice {index + 1} of {found.slices}", look, found.statistics, row)
    return AnnotatedImageData(image=FileData(path=str(base)), annotations=masks), words


def summary(found: Finding) -> str:
    """The numbers that matter, what a reader should know, and what they rest on, as Markdown."""
    total, statistics = found.statistics.total.lesion, found.statistics
    mean = "" if statistics.mean_hu_lesion is None else f" · mean HU of lesion {statistics.mean_hu_lesion:.0f}"
    models: Any = found.result.provenance.get("models", {})
    named = ", ".join(f"{m['name']} ({m['sha256'][:8]})" for m in models.values())
    rests = f"{units.facts(found.study)}. Networks: {named}; threshold {found.result.provenance.get('threshold')}."
    return "\n\n".join((
        f"### Lesion {units.amount(total)}, involvement {units.percent(total)}",
        f"Lung {units.lung(total)} · lesions {statistics.lesion_count}{mean}",
        *(f"- {units.escaped(notice.text)}" for notice in unique(found.study.notices, found.result.notices)),
        f"<small>{units.escaped(rests)}</small>",
    ))  # fmt: skip


def table(statistics: Statistics) -> list[list[str]]:
    """One row a lung and the total; one column a class and both."""
    regions = {LUNG_NAMES[side].capitalize(): region for side, region in statistics.by_lung.items()}
    regions["Total"] = statistics.total
    rows = []
    for name, region in regions.items():
        loads = (*(region.by_class[c] for c in units.SHORT), region.lesion)
        rows.append([name, *(f"{units.amount(load)} ({units.percent(load)})" for load in loads)])
    return rows


def files(folder: Path, found: Finding) -> list[str]:
    """What the command line writes, in one zip; mask, table and summary by themselves too."""
    inside = folder / "infnet"
    written = export.write_all(inside, found.study, found.result, found.statistics)
    with zipfile.ZipFile(folder / "infnet.zip", "w") as archive:
        for path in written:
            archive.write(path, path.relative_to(inside))
    alone = [path for path in written if path.name.startswith(("mask", "statistics", "summary"))]
    for path in {*written} - {*alone}:
        path.unlink()
    return [str(folder / "infnet.zip"), *map(str, alone)]
