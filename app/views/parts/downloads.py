"""Files to download, as bytes, made when the button is pressed. What they hold is the command line's."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import infnet
from app.core.corrections import Revisions
from app.core.reading import Reading
from infnet import export
from infnet.export import table
from infnet.export.dicom import save
from infnet.export.dicom_source import deidentified, refusal
from infnet.export.excel import write_excel
from infnet.export.page import page as write_page
from infnet.export.pairs import write_pairs
from infnet.files import private_folder
from infnet.measure import lesions

EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def files(reading: Reading, revisions: Revisions) -> None:
    """The section with all files of a result, and whether they bear the name that came with the study."""
    st.header("Files", anchor=False)
    st.toggle(
        "Name of the files on screen and in downloads",
        key="show_name",
        help="Off: nothing that could name the patient is shown or written.",
    )
    panel(reading, revisions)


def panel(reading: Reading, revisions: Revisions) -> None:
    """Buttons for table, mask, summary, and everything at once. With the mask, corrections are saved."""
    study, result, statistics = reading.study, reading.result, reading.statistics
    csv = partial(_single, lambda folder: table.write_csv(folder / "file", statistics))
    book = partial(_single, lambda folder: _excel(folder / "file.xlsx", reading))
    json = partial(_single, lambda folder: table.write_json(folder / "file", table.summary(study, result, statistics)))
    everything = partial(_zipped, lambda folder: export.write_all(folder, study, result, statistics, page="en"))
    page = partial(_single, lambda folder: _page(folder / "page.pdf", reading))
    overlays = partial(_zipped, lambda folder: _overlays(folder, reading))
    with st.container(horizontal=True, gap="small"):
        button("Table", csv, "statistics.csv", "text/csv", "one row a slice, areas and shares by lung and class.")
        button("Excel", book, "statistics.xlsx", EXCEL, "the study, its slices and its lesions.")
        mask_button("Mask", reading, revisions)
        button("Overlays", overlays, "overlays.zip", "application/zip", "one picture a slice.")
        button("Summary", json, "summary.json", "application/json", "the whole study, and what its numbers rest on.")
        button("Page", page, "page.pdf", "application/pdf", "pictures, table and warnings on one page.")
        if not refusal(study):
            named = bool(st.session_state.get("show_name"))
            whose = "with the patient's data of the scan, to join its study" if named else "without the patient's data"
            dicom = partial(_zipped, lambda folder: _dicom(folder, reading, named))
            button("DICOM", dicom, "dicom.zip", "application/zip", f"SEG, SR and PDF, {whose}.")
        button("All files", everything, "infnet.zip", "application/zip", "masks, overlays, table, summary and page.")


def mask_button(label: str, reading: Reading, revisions: Revisions, lungs: bool = False) -> None:
    """The mask of the lesions, or of the lungs, as a file that can be opened as corrections again."""
    study, result, revision = reading.study, reading.result, reading.revision
    several = study.is_picture and len(study.pixels) > 1
    suffix, kind = "nii.gz", "application/gzip"
    if study.is_picture:
        suffix, kind = ("zip", "application/zip") if several else ("png", "image/png")
    name, volume = ("lungs", result.lungs) if lungs else ("mask", result.labels)

    def file() -> bytes:
        revisions.saved = revision
        return (_zipped if several else _single)(lambda folder: _mask(folder, name, study, volume))

    codes = "0 none, 1 right lung, 2 left lung" if lungs else "0 background, 1 ground glass, 2 consolidation"
    button(label, file, f"{name}.{suffix}", kind, f"{codes}, source grid.")


def pairs_button(reading: Reading, slices: list[int]) -> None:
    """The corrected slices, to train on."""
    pairs = partial(_zipped, lambda folder: write_pairs(folder, reading.study, reading.result, slices))
    tip = f"pictures and masks of the {len(slices)} corrected slices, to train on; without any name."
    button("Save as training pairs", pairs, "training-pairs.zip", "application/zip", tip, disabled=not slices)


def _excel(path: Path, reading: Reading) -> Path:
    study, result = reading.study, reading.result
    return write_excel(path, study, result, reading.statistics, lesions.lesions(study, result))


def _page(path: Path, reading: Reading) -> Path:
    path.write_bytes(write_page(reading.study, reading.result, reading.statistics))
    return path


def _dicom(folder: Path, reading: Reading, named: bool) -> list[Path]:
    study = reading.study if named else deidentified(reading.study)
    pdf = write_page(study, reading.result, reading.statistics)
    objects = export.dicom_objects(study, reading.result, reading.statistics, pdf)
    return [save(dataset, folder / name) for name, dataset in objects.items()]


def _overlays(folder: Path, reading: Reading) -> list[Path]:
    return [
        export.write_png(folder / f"slice_{number:03d}.png", image)
        for number, image in export.overlay_images(reading.study, reading.result)
    ]


def button(
    label: str, data: bytes | Callable[[], bytes], name: str, kind: str, tip: str, disabled: bool = False
) -> None:
    """One file; a function that makes it is called when the button is pressed."""
    st.download_button(label, data, name, kind, help=f"{name}: {tip}", on_click="ignore", disabled=disabled)


def _mask(folder: Path, name: str, study: infnet.Study, volume: NDArray[np.uint8]) -> list[Path]:
    if study.is_picture or study.affine is None:
        return [export.write_png(folder / f"{name}_{i:03d}.png", plane) for i, plane in enumerate(volume)]
    return [export.write_nifti(folder / f"{name}.nii.gz", volume, study.affine)]


def _single(write: Callable[[Path], Path | list[Path]]) -> bytes:
    """The bytes of the file that `write` leaves in a private folder, which is gone when this returns."""
    with private_folder() as folder:
        written = write(folder)
        return (written if isinstance(written, Path) else written[0]).read_bytes()


def _zipped(write: Callable[[Path], list[Path]]) -> bytes:
    """A zip of the files that `write` leaves in a private folder, which is gone when this returns."""
    buffer = io.BytesIO()
    with private_folder() as folder, zipfile.ZipFile(buffer, "w") as archive:
        for path in write(folder):
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()
