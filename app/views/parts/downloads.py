"""Files to download, as bytes, made when the button is pressed. What they hold is the command line's."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

import infnet
from app.core.reading import Reading
from infnet import export
from infnet.export import table
from infnet.export.excel import write_excel
from infnet.measure import lesions

EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def panel(reading: Reading) -> None:
    """Buttons for table, mask, summary, and everything at once."""
    study, result, statistics = reading.study, reading.result, reading.statistics
    several = study.is_picture and len(study.pixels) > 1
    mask = partial(_zipped if several else _single, lambda folder: _mask(folder, study, result))
    if several:
        suffix, kind = "zip", "application/zip"
    elif study.is_picture:
        suffix, kind = "png", "image/png"
    else:
        suffix, kind = "nii.gz", "application/gzip"
    csv = partial(_single, lambda folder: table.write_csv(folder / "file", statistics))
    book = partial(_single, lambda folder: _excel(folder / "file.xlsx", reading))
    json = partial(_single, lambda folder: table.write_json(folder / "file", table.summary(study, result, statistics)))
    everything = partial(_zipped, lambda folder: export.write_all(folder, study, result, statistics))
    overlays = partial(_zipped, lambda folder: _overlays(folder, reading))
    with st.container(horizontal=True, gap="small"):
        button("Table", csv, "statistics.csv", "text/csv", "one row a slice, areas and shares by lung and class.")
        button("Excel", book, "statistics.xlsx", EXCEL, "the study, its slices and its lesions.")
        button("Mask", mask, f"mask.{suffix}", kind, "0 background, 1 ground glass, 2 consolidation, source grid.")
        button("Overlays", overlays, "overlays.zip", "application/zip", "one picture a slice.")
        button("Summary", json, "summary.json", "application/json", "the whole study, and what its numbers rest on.")
        button("All files", everything, "infnet.zip", "application/zip", "all masks, overlays, table and summary.")


def _excel(path: Path, reading: Reading) -> Path:
    study, result = reading.study, reading.result
    return write_excel(path, study, result, reading.statistics, lesions.lesions(study, result))


def _overlays(folder: Path, reading: Reading) -> list[Path]:
    return [
        export.write_png(folder / f"slice_{number:03d}.png", image)
        for number, image in export.overlay_images(reading.study, reading.result)
    ]


def button(label: str, data: bytes | Callable[[], bytes], name: str, kind: str, tip: str) -> None:
    """One file; a function that makes it is called when the button is pressed."""
    st.download_button(label, data, name, kind, help=f"{name}: {tip}", on_click="ignore")


def _mask(folder: Path, study: infnet.Study, result: infnet.Segmentation) -> list[Path]:
    if study.is_picture or study.affine is None:
        return [export.write_png(folder / f"mask_{i:03d}.png", labels) for i, labels in enumerate(result.labels)]
    return [export.write_nifti(folder / "mask.nii.gz", result.labels, study.affine)]


def _single(write: Callable[[Path], Path | list[Path]]) -> bytes:
    """The bytes of the file that `write` leaves in a private folder, which is gone when this returns."""
    with tempfile.TemporaryDirectory(prefix="infnet-") as folder:
        written = write(Path(folder))
        return (written if isinstance(written, Path) else written[0]).read_bytes()


def _zipped(write: Callable[[Path], list[Path]]) -> bytes:
    """A zip of the files that `write` leaves in a private folder, which is gone when this returns."""
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="infnet-") as folder, zipfile.ZipFile(buffer, "w") as archive:
        for path in write(Path(folder)):
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()
