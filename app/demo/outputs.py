"""What the demo shows of a reading: picture, words, numbers, plots and files."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components.annotated_image import AnnotatedImageData, Annotation
from gradio.data_classes import FileData
from PIL import Image

from app.core import figures, tables, units
from app.core.pictures import WINDOWS, Cut, Look, alternative, count, png_bytes, slice_picture, table_row, where
from app.core.reading import PLANES, Reading, lesion_loads, worst_slice
from infnet import export
from infnet.export.dicom_source import deidentified, refusal
from infnet.geometry.box import resize_nearest
from infnet.measure import densities, regions
from infnet.notices import unique
from infnet.overlay import COLOURS
from infnet.study import CLASS_NAMES

OPACITY = 0.5
BORDERS = "lung borders"
MARKS = [*CLASS_NAMES.values(), BORDERS]


@dataclass(frozen=True)
class View:
    """How a slice is drawn: its plane, the window, and which of MARKS are over it."""

    plane: str = PLANES[0]
    window: str = "Lung"
    marks: Sequence[str] = tuple(MARKS)


def first_slice(reading: Reading, plane: str = PLANES[0]) -> int:
    """The slice of a plane that is shown first, from 0: the one with the most lesion, or the middle one without any."""
    worst = worst_slice(lesion_loads(reading.study, reading.result.labels, plane))
    return count(reading.study, plane) // 2 if worst is None else worst


def draw(reading: Reading, index: int, view: View, folder: Path) -> tuple[AnnotatedImageData, str]:
    """Upright slice `index` of a plane with a mask for each class, as files in `folder`; and the picture in words."""
    study, plane = reading.study, view.plane
    codes = [code for code, name in CLASS_NAMES.items() if name in view.marks]
    look = Look(WINDOWS[view.window], tuple(codes), lungs=BORDERS in view.marks)
    drawn = slice_picture(Cut(study, index, plane), replace(look, classes=()), reading.result)
    name = f"{plane}_{index:03d}"
    base = folder / f"{name}_{'borders_' * look.lungs}{view.window}.png"
    base.write_bytes(drawn.png)
    classes = resize_nearest(drawn.codes % 3, drawn.size[::-1])
    masks = []
    for code in codes:
        opaque = np.array([*COLOURS[code], round(255 * OPACITY)], np.uint8)
        path = folder / f"{name}_{code}.png"
        path.write_bytes(png_bytes(Image.fromarray(np.where((classes == code)[..., None], opaque, np.uint8(0)))))
        masks.append(Annotation(image=FileData(path=str(path)), label=CLASS_NAMES[code]))
    shown = "Slice" if plane == PLANES[0] else f"{plane} slice"
    position = f"{shown} {index + 1} of {count(study, plane)}{where(study, index, plane)}"
    words = alternative(position, look, reading.statistics, table_row(study, index, plane))
    return AnnotatedImageData(image=FileData(path=str(base)), annotations=masks), words


def summary(reading: Reading) -> str:
    """The numbers that matter, what a reader should know, and what they rest on, as Markdown."""
    study, result, statistics = reading.study, reading.result, reading.statistics
    total = statistics.total.lesion
    mean = "" if statistics.mean_hu_lesion is None else f" · mean HU of lesion {statistics.mean_hu_lesion:.0f}"
    models: dict[str, Any] = result.provenance.get("models", {})
    networks = ", ".join(f"{m['name']} ({m['sha256'][:8]})" for m in models.values())
    basis = f"{units.facts(study)}. Networks: {networks}; threshold {result.provenance.get('threshold')}."
    paragraphs = (
        f"## Lesion {units.amount(total)}, involvement {units.percent(total)}",
        f"Lung {units.lung(total)} · lesions {statistics.lesion_count}{mean}",
        *(f"- {units.escaped(notice.text)}" for notice in unique(study.notices, result.notices)),
        f"<small>{units.escaped(basis)}</small>",
    )
    return "\n\n".join(paragraphs)


def table(reading: Reading) -> dict[str, Any]:
    """One column a lung and the total; for each class and both, a row of sizes and one of shares of that lung in %."""
    regions = tables.regions(reading.statistics)
    columns = [tables.loads(region) for region in regions.values()]
    _, unit = units.quantity(reading.statistics.total.lesion)
    rows: list[list[Any]] = []
    for heading in columns[0]:
        percents = [column[heading].involvement_percent for column in columns]
        rows.append([f"{heading}, {unit}", *(units.quantity(column[heading])[0] for column in columns)])
        rows.append([f"{heading}, %", *(None if percent is None else round(percent, 1) for percent in percents)])
    return {"headers": ["", *regions], "data": rows}


def files(reading: Reading, folder: Path) -> list[str]:
    """What the command line writes, in one zip; mask, table, summary and page by themselves too.

    The zip holds DICOM where the study came as DICOM, without the patient's data: the demo's visitors may be anybody.
    """
    inside, study = folder / "infnet", reading.study
    dicom = not refusal(study)
    written = export.write_all(inside, deidentified(study), reading.result, reading.statistics, page="en", dicom=dicom)
    with zipfile.ZipFile(folder / "infnet.zip", "w") as archive:
        for path in written:
            archive.write(path, path.relative_to(inside))
    singles = ("mask", "statistics", "summary", "page")
    single = [path for path in written if path.parent == inside and path.name.startswith(singles)]
    for path in {*written} - {*single}:
        path.unlink()
    return [str(folder / "infnet.zip"), *map(str, single)]


def plots(reading: Reading | None) -> tuple[gr.Plot, gr.Plot]:
    """Involvement by region, and the HU of lung and lesion; hidden where there is nothing to plot."""
    by_region = regions.regional(reading.study, reading.result) if reading else {}
    histogram = densities.hu_histogram(reading.study, reading.result) if reading else None
    shares = figures.shares(by_region) if by_region else None
    hu = figures.hu_histogram(histogram) if histogram else None
    for figure in (shares, hu):
        if figure is not None:
            figure.update_layout(font_color=figures.GREY)  # Gradio's own is for light pages
    return gr.Plot(shares, visible=shares is not None), gr.Plot(hu, visible=hu is not None)
