"""What the demo shows of a reading: picture, words, numbers, plots and files."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components.annotated_image import AnnotatedImageData, Annotation
from gradio.data_classes import FileData
from PIL import Image

from app.core import figures, tables, units
from app.core.pictures import WINDOWS, Cut, Look, alternative, png_bytes, slice_picture, table_row, where
from app.core.reading import Reading
from infnet import export
from infnet.geometry.box import resize_nearest
from infnet.measure import densities, regions
from infnet.notices import unique
from infnet.overlay import COLOURS
from infnet.study import CLASS_NAMES

OPACITY = 0.5


def first_slice(reading: Reading) -> int:
    """The slice that is shown first, from 0: the one with the most lesion, or the middle one without any."""
    return reading.slices // 2 if reading.worst is None else reading.worst


def draw(reading: Reading, index: int, window: str, folder: Path) -> tuple[AnnotatedImageData, str]:
    """Upright slice `index` with a mask for each class, as files in `folder`; and the picture in words."""
    look = Look(WINDOWS[window])
    drawn = slice_picture(Cut(reading.study, index), replace(look, classes=()), reading.result)
    base = folder / f"slice_{index:03d}_{window}.png"
    base.write_bytes(drawn.png)
    classes = resize_nearest(drawn.codes % 3, drawn.size[::-1])
    masks = []
    for code, colour in COLOURS.items():
        opaque = np.array([*colour, round(255 * OPACITY)], np.uint8)
        path = folder / f"slice_{index:03d}_{code}.png"
        path.write_bytes(png_bytes(Image.fromarray(np.where((classes == code)[..., None], opaque, np.uint8(0)))))
        masks.append(Annotation(image=FileData(path=str(path)), label=CLASS_NAMES[code]))
    position = f"Slice {index + 1} of {reading.slices}{where(reading.study, index)}"
    words = alternative(position, look, reading.statistics, table_row(reading.study, index))
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
        f"### Lesion {units.amount(total)}, involvement {units.percent(total)}",
        f"Lung {units.lung(total)} · lesions {statistics.lesion_count}{mean}",
        *(f"- {units.escaped(notice.text)}" for notice in unique(study.notices, result.notices)),
        f"<small>{units.escaped(basis)}</small>",
    )
    return "\n\n".join(paragraphs)


def table(reading: Reading) -> list[list[str]]:
    """One row a lung and the total; one column a class and both."""
    return [list(row) for row in zip(*tables.by_lung(reading.statistics, units.amount).values(), strict=True)]


def files(reading: Reading, folder: Path) -> list[str]:
    """What the command line writes, in one zip; mask, table and summary by themselves too."""
    inside = folder / "infnet"
    written = export.write_all(inside, reading.study, reading.result, reading.statistics)
    with zipfile.ZipFile(folder / "infnet.zip", "w") as archive:
        for path in written:
            archive.write(path, path.relative_to(inside))
    single = [path for path in written if path.name.startswith(("mask", "statistics", "summary"))]
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
