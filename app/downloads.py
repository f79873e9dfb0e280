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
from infnet import export
from infnet.export import table
from infnet.statistics import Statistics


def panel(study: infnet.Study, result: infnet.Segmentation, statistics: Statistics) -> None:
    """Buttons for table, mask, summary, and everything at once."""
    everything = partial(_zipped, lambda folder: export.write_all(folder, study, result, statistics))
    flat = export.is_picture(study)
    pictures = flat and len(study.pixels) > 1
    mask = partial(_zipped if pictures else _single, lambda folder: _mask(folder, study, result))
    suffix, kind = ("png", "image/png") if flat else ("nii.gz", "application/gzip")
    if pictures:
        suffix, kind = "zip", "application/zip"
    csv = partial(_single, lambda folder: table.write_csv(folder / "file", statistics))
    json = partial(_single, lambda folder: table.write_json(folder / "file", table.summary(study, result, statistics)))
    st.markdown(":material/download: **Download**")
    with st.container(horizontal=True, gap="small"):
        button("Table", csv, "statistics.csv", "text/csv", "one row a slice, areas and shares by lung and class.")
        button("Mask", mask, f"mask.{suffix}", kind, "0 background, 1 ground glass, 2 consolidation, source grid.")
        button("Summary", json, "summary.json", "application/json", "the whole study, and what its numbers rest on.")
        button("All files", everything, "infnet.zip", "application/zip", "all masks, overlays, table and summary.")


def button(label: str, data: bytes | Callable[[], bytes], name: str, kind: str, tip: str) -> None:
    """One file; a function that makes it is called when the button is pressed."""
    st.download_button(label, data, name, kind, help=f"{name}: {tip}", on_click="ignore")


def _mask(folder: Path, study: infnet.Study, result: infnet.Segmentation) -> list[Path]:
    if export.is_picture(study) or study.affine is None:
        return [export.write_png(folder / f"mask_{i:03d}.png", labels) for i, labels in enumerate(result.labels)]
    return [export.write_nifti(folder / "mask.nii.gz", result.labels, study.affine)]


def _single(write: Callable[[Path], Path | list[Path]]) -> bytes:
    """The bytes of the file that `write` leaves in a private folder, which is gone when this returns."""
    with tempfile.TemporaryDirectory(prefix="infnet-") as folder:
        written = write(Path(folder))
        return (written if isinstance(written, Path) else written[0]).read_bytes()


def _zipped(write: Callable[[Path], list[Path]]) -> bytes:
    """A zip of the files that `write` leaves in a private folder, which is gone when this returns."""
    held = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="infnet-") as folder, zipfile.ZipFile(held, "w") as archive:
        for path in write(Path(folder)):
            archive.write(path, path.relative_to(folder))
    return held.getvalue()
