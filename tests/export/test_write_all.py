"""The folder that the command line promises: complete, or not touched."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
from PIL import Image

import infnet.export as export
from infnet.errors import InfNetError, UnwritableError
from infnet.export import overlay_images, write_all
from infnet.geometry.affine import axial_affine
from infnet.measure.statistics import measure
from infnet.overlay import COLOURS
from infnet.phantom import chest
from infnet.study import GGO, Segmentation, Study


@pytest.fixture(scope="module")
def volume():
    phantom = chest(slices=6, rows=64, columns=64, spacing=(30, 5, 5))
    probability = (phantom.labels > 0).astype(np.float32) * 0.75
    return phantom.study, Segmentation(phantom.labels, probability, phantom.lungs)


def picture(slices: int) -> tuple[Study, Segmentation]:
    rng = np.random.default_rng(0)
    shape = (slices, 6, 7)
    labels = rng.integers(0, 3, shape).astype(np.uint8)
    study = Study(rng.integers(0, 256, shape).astype(np.uint8), None, is_hu=False, source={"format": "picture"})
    return study, Segmentation(labels, labels.astype(np.float32) / 2, np.ones(shape, np.uint8))


def test_a_volume(volume, tmp_path):
    study, result = volume
    paths = write_all(tmp_path / "out", study, result, measure(study, result))
    names = {p.relative_to(tmp_path / "out").as_posix() for p in paths}
    lung = [k for k in range(6) if result.lungs[k].any()]
    assert names == {
        "mask.nii.gz",
        "lungs.nii.gz",
        "probability.nii.gz",
        "statistics.csv",
        "summary.json",
        *(f"overlay/slice_{k + 1:03d}.png" for k in lung),
    }
    assert {p for p in (tmp_path / "out").rglob("*") if p.is_file()} == set(paths)
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]
    mask = np.asarray(nibabel.load(tmp_path / "out/mask.nii.gz").dataobj)
    assert np.array_equal(mask.transpose(2, 1, 0), result.labels)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["lesion_volume_ml"] == pytest.approx(np.count_nonzero(result.labels) * 0.75)


def test_one_picture(tmp_path):
    study, result = picture(1)
    names = {p.name for p in write_all(tmp_path, study, result, measure(study, result))}
    assert names == {"mask.png", "lungs.png", "probability.png", "slice_001.png", "statistics.csv", "summary.json"}
    assert np.array_equal(np.asarray(Image.open(tmp_path / "mask.png")), result.labels[0])
    probability = np.asarray(Image.open(tmp_path / "probability.png")) / 65535
    assert probability == pytest.approx(result.probability[0], abs=1e-5)
    assert json.loads((tmp_path / "summary.json").read_text())["lesion_volume_ml"] is None


def test_a_picture_with_spacing_is_still_a_picture(tmp_path):
    study, result = picture(1)
    study = study.with_spacing(0.5, 0.5)
    names = {p.name for p in write_all(tmp_path, study, result, measure(study, result))}
    assert "mask.png" in names
    assert "mask.nii.gz" not in names


def test_several_pictures_are_numbered(tmp_path):
    study, result = picture(2)
    write_all(tmp_path, study, result, measure(study, result), overlays=False)
    assert sorted(p.name for p in tmp_path.glob("*.png")) == [
        "lungs_000.png",
        "lungs_001.png",
        "mask_000.png",
        "mask_001.png",
        "probability_000.png",
        "probability_001.png",
    ]


def test_an_overlay_bears_the_number_of_its_row_in_the_table():
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[0, 0, 0] = GGO
    down = axial_affine((1.0, 1.0, 1.0)) @ np.diag([-1.0, 1, 1, 1])  # slice 0 is nearest to the head
    study = Study(np.full(labels.shape, -1350, np.int16), down)
    result = Segmentation(labels, labels.astype(np.float32), np.zeros_like(labels))
    drawn = dict(overlay_images(study, result))
    assert list(drawn) == [3]
    lesions = {row["slice"]: row["lesion_pixels"] for row in measure(study, result).rows()}
    assert list(lesions.items()) == [(1, 0), (2, 0), (3, 1)]
    assert drawn[3][0, 0].tolist() == pytest.approx([0.45 * c for c in COLOURS[GGO]], abs=1)


def test_a_failure_leaves_the_folder_as_it_was(volume, tmp_path, monkeypatch):
    study, result = volume
    (tmp_path / "notes.txt").write_text("mine")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "write_csv", fail)
    for folder in (tmp_path, tmp_path / "new"):
        with pytest.raises(UnwritableError, match="No space left on device"):
            write_all(folder, study, result, measure(study, result))
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_a_second_run_replaces_the_first_and_leaves_other_files(volume, tmp_path):
    study, result = volume
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "mask.png").write_text("mine too: no run was here yet")
    write_all(tmp_path, study, result, measure(study, result))
    assert (tmp_path / "mask.png").exists()
    study, result = picture(1)
    paths = write_all(tmp_path, study, result, measure(study, result))
    left = {p for p in tmp_path.rglob("*") if p.is_file()}
    assert left == {*paths, tmp_path / "notes.txt"}


def test_a_file_in_the_way_is_named(volume, tmp_path):
    study, result = volume
    (tmp_path / "out").write_text("")
    with pytest.raises(InfNetError, match="is a file"):
        write_all(tmp_path / "out", study, result, measure(study, result))
