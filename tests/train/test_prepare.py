"""Volumes of phantoms become transposed lung-box slices with a manifest; engines that read grey find the lungs."""

from __future__ import annotations

import csv
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from infnet import phantom
from infnet.errors import InfNetError
from infnet.export import write_nifti
from infnet.geometry.box import crop, mask_box
from infnet.grey import window_hu
from infnet.study import Study
from tests.fakes import fake_engines
from train import prepare

SLICES = 5


@pytest.fixture(scope="module")
def chest() -> Study:
    return phantom.chest(slices=SLICES, rows=128, columns=144, spacing=(40.0, 2.4, 2.4), noise_hu=0).study


@pytest.fixture(scope="module")
def studies(chest, tmp_path_factory) -> Path:
    """A folder of three studies: a DICOM folder, the same as NIfTI upside down, and a zip of two series."""
    folder = tmp_path_factory.mktemp("hospital")
    phantom.write_dicom(chest, folder / "a-dicom")
    turned = chest.affine.copy()
    turned[:3, 1] *= -1  # rows run to the front: the reader has to turn it upright
    turned[:3, 3] = chest.affine[:3, 3] + chest.affine[:3, 1] * (chest.pixels.shape[1] - 1)
    write_nifti(folder / "b.nii.gz", chest.pixels[:, ::-1], turned)
    other = Study(chest.pixels[1:4], chest.affine, name="other")
    files = phantom.write_dicom(chest, folder / "two" / "1") + phantom.write_dicom(other, folder / "two" / "2")
    with zipfile.ZipFile(folder / "c.zip", "w") as archive:
        for number, path in enumerate(files):
            archive.write(path, f"{number}")
    shutil.rmtree(folder / "two")
    return folder


@pytest.fixture(autouse=True)
def engines(monkeypatch):
    """Count the slices that the lung network sees."""
    made = fake_engines()
    monkeypatch.setattr(prepare, "load_engines", lambda device=None: made)
    return made


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def run(*arguments: object) -> int:
    return prepare.main([str(a) for a in arguments])


def test_slices_are_mask_boxes_in_the_lung_window_and_transposed(chest, studies, tmp_path):
    assert run(studies / "a-dicom", "--out", tmp_path) == 0
    rows = rows_of(tmp_path)
    assert [row["slice"] for row in rows] == ["0", "1", "2", "3", "4"]
    for row in rows:
        top, left, bottom, right = (int(row[side]) for side in ("top", "left", "bottom", "right"))
        upright = window_hu(chest.pixels[int(row["slice"])])[top:bottom, left:right]
        with Image.open(tmp_path / row["file"]) as picture:
            assert picture.mode == "L"
            np.testing.assert_array_equal(np.asarray(picture).T, upright)
    assert rows[0]["source"] == "a-dicom"
    assert (rows[0]["rows"], rows[0]["columns"]) == ("128", "144")
    assert (rows[0]["window_low"], rows[0]["window_high"]) == ("-1150.0", "250.0")
    assert (rows[0]["slice_mm"], rows[0]["row_mm"], rows[0]["column_mm"]) == ("40.0", "2.4", "2.4")


def test_the_box_is_the_apps_and_the_share_is_of_the_whole_slice(chest, engines):
    taken = prepare.lung_slices(chest, engines, prepare.Settings(), lambda done: None)
    sides = prepare.find_lungs(chest, prepare.grey_slices(chest)[0], engines.lungs)
    middle = taken[2]
    assert middle.box == mask_box(sides[2], margin=0.04)
    assert middle.lung_percent == pytest.approx(100 * np.count_nonzero(sides[2]) / (128 * 144))
    np.testing.assert_array_equal(middle.image, crop(window_hu(chest.pixels[2]), middle.box))


def test_every_kind_of_study_in_a_folder_and_every_series_in_a_zip(studies, tmp_path):
    assert run(studies, "--out", tmp_path) == 0
    rows = rows_of(tmp_path)
    base = studies.name
    assert {row["source"] for row in rows} == {f"{base}/a-dicom", f"{base}/b.nii.gz", f"{base}/c.zip"}
    assert len({row["group"] for row in rows}) == 3
    assert {row["series"] for row in rows if row["source"].endswith("c.zip")} == {"1", "2"}
    assert all(Path(row["file"]).stem.rsplit("_", 1)[0] == row["group"] for row in rows)
    assert sorted(p.name for p in (tmp_path / "Imgs").iterdir()) == sorted(Path(r["file"]).name for r in rows)
    # The NIfTI lies upside down; upright it is the DICOM.
    pictures = {
        kind: [np.asarray(Image.open(tmp_path / r["file"])) for r in rows if r["source"].endswith(kind)]
        for kind in ("a-dicom", "b.nii.gz")
    }
    for one, other in zip(*pictures.values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_and_the_share_of_lung_choose_slices(chest, studies, tmp_path):
    assert run(studies / "a-dicom", "--out", tmp_path / "all") == 0
    shares = sorted(float(row["lung_percent"]) for row in rows_of(tmp_path / "all"))
    limit = (shares[1] + shares[2]) / 2
    assert run(studies / "a-dicom", "--out", tmp_path / "some", "--lungs-at-least", limit, "--every", 2) == 0
    kept = [row for row in rows_of(tmp_path / "all") if float(row["lung_percent"]) >= limit]
    assert [row["slice"] for row in rows_of(tmp_path / "some")] == [row["slice"] for row in kept[::2]]


def test_a_bad_study_is_a_line_and_a_row_and_not_a_stop(studies, tmp_path, capsys):
    folder = tmp_path / "in"
    shutil.copytree(studies / "a-dicom", folder / "good")
    (folder / "bad.nii.gz").write_bytes(b"\x1f\x8b nothing of the kind")
    assert run(folder, "--out", tmp_path / "out") == 0
    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["in/bad.nii.gz: bad.nii.gz: a damaged gzip file; export or copy it again"]
    assert "5 slices of 1 studies" in captured.out
    assert "1 could not be used" in captured.out
    bad, *good = rows_of(tmp_path / "out")
    assert (bad["file"], bad["source"]) == ("", "in/bad.nii.gz")
    assert bad["error"] == "a damaged gzip file; export or copy it again"
    assert len(good) == 5


def test_a_volume_without_lung_is_told(tmp_path, chest, capsys):
    belly = np.full((3, 64, 64), 40, np.int16)
    belly[:, :20] = -1000  # air outside
    write_nifti(tmp_path / "belly.nii.gz", belly, chest.affine)
    assert run(tmp_path / "belly.nii.gz", "--out", tmp_path / "out") == 2
    assert capsys.readouterr().err == "belly.nii.gz: no slice shows enough lung; check that it is a chest CT\n"
    assert rows_of(tmp_path / "out")[0]["error"] == "no slice shows enough lung; check that it is a chest CT"


def test_no_name_of_a_patient_is_written(chest, tmp_path, capsys):
    folder = tmp_path / "in" / "Canary_Jane_4711"
    for path in phantom.write_dicom(chest, folder):
        dataset = pydicom.dcmread(path)
        dataset.PatientName, dataset.PatientID = "Canary^Jane", "4711"
        dataset.save_as(path)
    assert run(tmp_path / "in", "--out", tmp_path / "out") == 0
    (path := next(folder.iterdir())).write_bytes(path.read_bytes()[:-100])
    assert run(tmp_path / "in", "--out", tmp_path / "broken") == 2
    assert {row["source"] for row in rows_of(tmp_path / "out")} == {"in/*"}
    assert "cut short" in rows_of(tmp_path / "broken")[0]["error"]
    for written in [p for out in ("out", "broken") for p in (tmp_path / out).rglob("*") if p.is_file()]:
        assert b"canary" not in written.read_bytes().lower() + written.name.lower().encode()
        assert "4711" not in written.name


def test_resume_leaves_finished_studies_alone_and_redoes_half_a_study(studies, tmp_path, engines, monkeypatch):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert run(studies, "--out", whole) == 0

    write, calls = prepare.write_png, []

    def killed(path, image):
        calls.append(path)
        if len(calls) == SLICES + 3:  # in the middle of the second study
            raise KeyboardInterrupt
        return write(path, image)

    monkeypatch.setattr(prepare, "write_png", killed)
    assert run(studies, "--out", out) == 130
    assert {row["source"] for row in rows_of(out)} == {f"{studies.name}/a-dicom"}
    engines.lungs.engine.slices = 0
    stale = out / "Imgs" / f"{next(r['group'] for r in rows_of(whole) if 'b.nii' in r['source'])}_1-0099.png"
    stale.write_bytes(b"")
    assert run(studies, "--out", out, "--resume") == 0
    assert engines.lungs.engine.slices == SLICES + SLICES + 3  # the NIfTI, and both series of the zip
    assert rows_of(out) == rows_of(whole)
    assert [p.name for p in sorted((out / "Imgs").iterdir())] == [p.name for p in sorted((whole / "Imgs").iterdir())]


def test_an_earlier_run_is_neither_overwritten_nor_mixed(studies, tmp_path, capsys):
    assert run(studies / "b.nii.gz", "--out", tmp_path) == 0
    assert run(studies / "b.nii.gz", "--out", tmp_path) == 2
    assert "holds an earlier run; give --resume" in capsys.readouterr().err
    assert run(studies / "b.nii.gz", "--out", tmp_path, "--resume", "--every", 2) == 2
    assert "made with other settings; resume with the same ones" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], "no such file or folder; check the path"),
        (["b.nii.gz", "--every", "0"], "--every 0: must be at least 1; give a larger number"),
        (["b.nii.gz", "--lungs-at-least", "100"], "--lungs-at-least 100: not a percentage; give 0 to below 100"),
    ],
)
def test_bad_arguments_are_one_line(arguments, line, studies, tmp_path, capsys):
    assert run(studies / arguments[0], *arguments[1:], "--out", tmp_path / "out") == 2
    told = capsys.readouterr().err
    assert line in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_one_line(studies, tmp_path, monkeypatch, capsys):
    def full(path, image):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepare, "write_png", full)
    assert run(studies / "b.nii.gz", "--out", tmp_path / "out") == 2
    assert "cannot be written (No space left on device); make room" in capsys.readouterr().err


def test_the_output_folder_is_no_study(studies, tmp_path):
    for name in ("b.nii.gz", "out"):
        (tmp_path / name).touch() if "." in name else (tmp_path / name).mkdir()
    assert [s.label for s in prepare.sources([tmp_path], tmp_path / "out")] == [f"{tmp_path.name}/b.nii.gz"]
    with pytest.raises(InfNetError, match="nothing in it"):
        prepare.sources([tmp_path / "out"], tmp_path / "elsewhere")
