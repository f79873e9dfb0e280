"""The downloads hold what the networks marked, and leave nothing in the temporary folder."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import openpyxl
import pytest
import streamlit as st
from PIL import Image

import infnet
from app.core.corrections import Revisions
from app.core.reading import read
from app.views.parts import downloads
from infnet import phantom
from tests.fakes import fake_engines


def downloaded(
    study: infnet.Study, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[infnet.Segmentation, dict[str, bytes]]:
    """A result, and what each button gives, by file name."""
    files: dict[str, bytes] = {}

    def button(label: str, data: bytes | Callable[[], bytes], file_name: str, mime: str, **_: object) -> None:
        files[file_name] = data() if callable(data) else data

    monkeypatch.setattr(st, "download_button", button)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    result = infnet.segment(study, fake_engines())
    downloads.panel(read(study, result), Revisions())
    assert not list(folder.iterdir())
    return result, files


def test_study_with_geometry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = phantom.chest(slices=5, rows=96, columns=96, spacing=(40.0, 3.7, 3.7)).study
    result, files = downloaded(study, tmp_path, monkeypatch)
    tables = {"statistics.csv", "statistics.xlsx", "summary.json"}
    assert set(files) == tables | {"mask.nii.gz", "overlays.zip", "infnet.zip", "page.pdf"}, "no DICOM of what was none"

    rows = list(csv.DictReader(io.StringIO(files["statistics.csv"].decode())))
    assert [int(r["lesion_pixels"]) for r in rows] == [int(np.count_nonzero(s)) for s in result.labels]
    assert json.loads(files["summary.json"])["lesion_volume_ml"] == pytest.approx(
        np.count_nonzero(result.labels) * study.voxel_volume_ml
    )
    mask = nibabel.Nifti1Image.from_bytes(gzip.decompress(files["mask.nii.gz"]))
    assert np.array_equal(np.asanyarray(mask.dataobj).T, result.labels)
    book = openpyxl.load_workbook(io.BytesIO(files["statistics.xlsx"]))
    assert book.sheetnames[:2] == ["study", "slices"]
    assert book["slices"].max_row == 1 + len(study.pixels)
    pictures = zipfile.ZipFile(io.BytesIO(files["overlays.zip"])).namelist()
    shown = [k for k in range(5) if result.labels[k].any() or result.lungs[k].any()]
    assert pictures == [f"slice_{k + 1:03d}.png" for k in shown]
    names = zipfile.ZipFile(io.BytesIO(files["infnet.zip"])).namelist()
    assert {"mask.nii.gz", "lungs.nii.gz", "probability.nii.gz", "statistics.csv", "summary.json"} <= set(names)
    assert {"page.pdf"} <= set(names)
    assert files["page.pdf"].startswith(b"%PDF")
    assert any(name.startswith("overlay/slice_") for name in names)


@pytest.mark.parametrize("named", [False, True])
def test_dicom_names_the_patient_where_the_name_is_switched_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    phantom.write_dicom(phantom.chest(slices=5, rows=96, columns=96, spacing=(40.0, 3.7, 3.7)).study, tmp_path / "scan")
    study = infnet.read(tmp_path / "scan")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setitem(st.session_state, "show_name", named)
    _, files = downloaded(study, tmp_path / "temporary", monkeypatch)
    with zipfile.ZipFile(io.BytesIO(files["dicom.zip"])) as archive:
        assert set(archive.namelist()) == {"segmentation.dcm", "report.dcm", "page.dcm"}
        for name in archive.namelist():
            assert (b"Phantom^Chest" in archive.read(name)) == named, name


@pytest.mark.parametrize(("count", "name"), [(1, "mask.png"), (3, "mask.zip")])
def test_loose_pictures(count: int, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = phantom.chest(slices=5, rows=96, columns=96, spacing=(40.0, 3.7, 3.7)).study.pixels[1 : 1 + count]
    grey = np.clip((pixels + 1150) / 1400 * 255, 0, 255).astype(np.uint8)
    result, files = downloaded(infnet.Study(grey, None, False, source={"format": "picture"}), tmp_path, monkeypatch)
    if count == 1:
        masks = [files[name]]
    else:
        with zipfile.ZipFile(io.BytesIO(files[name])) as archive:
            masks = [archive.read(n) for n in sorted(archive.namelist())]
    read = np.stack([np.asarray(Image.open(io.BytesIO(mask))) for mask in masks])
    assert np.array_equal(read, result.labels)
