"""What the input gate stops, what it warns of, and what it lets through."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from infnet.errors import GeometryError
from infnet.geometry.affine import axial_affine
from infnet.grey import window_hu
from infnet.measure.gate import inspect
from infnet.notices import WINDOW_GUESSED, warn
from infnet.phantom import chest
from infnet.study import LEFT, RIGHT, Segmentation, Study
from tests.test_shipped_weights import REAL, needs_data


@pytest.fixture(scope="module")
def phantom():
    return chest(slices=8, rows=192, columns=192, spacing=(25.0, 1.9, 1.9))


def picture(phantom, window=(-1350.0, 150.0), inverted=False) -> Study:
    grey = window_hu(phantom.study.pixels, window)
    return Study(255 - grey if inverted else grey, None, is_hu=False)


GUESSED = warn(WINDOW_GUESSED, "The window was guessed.")


def levels(study: Study, result: Segmentation | None = None) -> list[str]:
    return [finding.level for finding in inspect(study, result)]


def texts(study: Study, result: Segmentation | None = None) -> str:
    return " ".join(finding.text for finding in inspect(study, result))


def truth(phantom) -> Segmentation:
    return Segmentation(phantom.labels, np.zeros(phantom.labels.shape, np.float32), phantom.lungs)


def test_a_chest_in_hu_is_let_through(phantom):
    assert inspect(phantom.study) == ()
    assert inspect(phantom.study, truth(phantom)) == ()


@pytest.mark.parametrize("window", [(-1350.0, 150.0), (-1150.0, 250.0), (-1000.0, 1000.0)])
def test_a_picture_says_only_that_its_window_was_guessed(phantom, window):
    (finding,) = inspect(picture(phantom, window))
    assert (finding.level, "window was guessed" in finding.text) == ("warn", True)


def test_what_the_study_says_already_is_not_repeated(phantom):
    study = picture(phantom).with_notices(GUESSED)
    assert inspect(study) == ()


@pytest.mark.parametrize("window", [(-1350.0, 150.0), (-1000.0, 1000.0)])
def test_inverted_grey_is_stopped(phantom, window):
    first = inspect(picture(phantom, window, inverted=True))[0]
    assert first.level == "stop"
    assert "inverted" in first.text


def test_inverted_hu_are_stopped(phantom):
    assert levels(phantom.study.with_pixels(-phantom.study.pixels)) == ["stop"]


def crop(slices: int) -> np.ndarray:
    """A crop to the lungs: grey tissue all round, two dark lungs, in each 20 vessels of 3 x 3 pixels."""
    grey = np.full((slices, 150, 180), 215, np.uint8)
    for left in (15, 100):
        grey[:, 15:135, left : left + 65] = 60
        for row in range(20, 120, 20):
            for column in range(left + 5, left + 60, 15):
                grey[:, row : row + 3, column : column + 3] = 200
    noise = np.random.default_rng(0).integers(-10, 11, grey.shape)
    return (grey + noise).astype(np.uint8)


def test_an_inverted_crop_is_told_by_its_dark_vessels():
    assert inspect(Study(crop(3), None, is_hu=False, notices=(GUESSED,))) == ()
    (several,) = inspect(Study(255 - crop(3), None, is_hu=False, notices=(GUESSED,)))
    assert (several.level, "vessels dark" in several.text) == ("stop", True)
    # A single slice may mislead: the vessels of about one real slice in 200 do.
    (one,) = inspect(Study(255 - crop(1), None, is_hu=False, notices=(GUESSED,)))
    assert one == replace(several, level="warn")


def test_a_body_without_lung_is_no_chest():
    y, x = np.ogrid[-64:64, -64:64]
    head = np.where(x**2 + y**2 < 50**2, 35, -1000).astype(np.int16)
    study = Study(np.repeat(head[None], 5, 0), axial_affine((5.0, 2.0, 2.0)))
    (finding,) = inspect(study)
    assert (finding.level, "HU of lung" in finding.text) == ("stop", True)


def test_one_grey_shows_nothing():
    assert levels(Study(np.full((2, 200, 200), 40, np.int16), axial_affine((5.0, 2.0, 2.0)))) == ["stop"]


def test_another_modality_is_stopped_and_burned_in_text_is_named(phantom):
    assert levels(replace(phantom.study, source={"modality": "MR"})) == ["stop"]
    found = inspect(replace(phantom.study, source={"modality": "CT", "burned_in_annotation": "YES"}))
    assert [(f.level, "burned" in f.text) for f in found] == [("warn", True)]
    assert inspect(replace(phantom.study, source={"modality": "CT", "burned_in_annotation": "NO"})) == ()


def test_size_of_the_slices():
    tiny = chest(slices=1, rows=64, columns=64, spacing=(5.0, 5.6, 5.6)).study
    assert "only 64 x 64 pixels" in texts(tiny)
    assert set(levels(tiny)) == {"warn"}
    preview = Study(tiny.pixels[:, ::3, ::3].copy(), axial_affine((5.0, 17.0, 17.0)), volumetric=False)
    assert levels(preview)[0] == "stop"


def test_an_unlikely_field_of_view(phantom):
    wrong = replace(phantom.study, affine=axial_affine((25.0, 0.19, 0.19)))
    assert "36 x 36 mm is unlikely" in texts(wrong)
    assert levels(wrong) == ["warn"]


def test_lung_cut_off_by_the_edge_of_the_picture(phantom):
    study = picture(phantom)
    narrow = np.s_[:, :, 60:]
    cropped = study.with_notices(GUESSED)
    cropped = replace(cropped, pixels=np.ascontiguousarray(study.pixels[narrow]))
    lungs = np.ascontiguousarray(phantom.lungs[narrow])
    result = Segmentation(np.zeros_like(lungs), np.zeros(lungs.shape, np.float32), lungs)
    count = np.count_nonzero(lungs[:, :, 0].sum(1) > 0.02 * sum(lungs.shape[1:]))
    assert count > 2
    assert f"edge of the picture in {count} of {np.count_nonzero(lungs.any((1, 2)))} slices" in texts(cropped, result)


def test_a_scan_that_ends_within_the_lungs(phantom):
    half = slice(3, 8)
    study = replace(phantom.study, pixels=phantom.study.pixels[half])
    result = Segmentation(phantom.labels[half], np.zeros(study.pixels.shape, np.float32), phantom.lungs[half])
    assert "ends within the lungs at the bottom:" in texts(study, result)
    flipped = replace(study, affine=axial_affine((-25.0, 1.9, 1.9)))
    assert "ends within the lungs at the top:" in texts(flipped, result)


def test_unlikely_lung_volume(phantom):
    lungs = np.zeros_like(phantom.lungs)
    lungs[3:5, 90:100, 40:50], lungs[3:5, 90:100, 140:150] = RIGHT, LEFT
    assert "Lungs of 36 ml are unlikely" in texts(phantom.study, replace(truth(phantom), lungs=lungs))


def test_a_result_of_another_study_is_refused(phantom):
    with pytest.raises(GeometryError):
        inspect(replace(phantom.study, pixels=phantom.study.pixels[:4]), truth(phantom))


@pytest.mark.data
@needs_data
def test_no_real_slice_is_stopped_and_most_inverted_ones_are_named():
    """Labelled crops as they are stored (transposed, cropped to the lungs) and full fields of view."""
    crops = sorted((REAL / "covid-semiseg/Dataset/TrainingSet/LungInfection-Train/Doctor-label/Imgs").glob("*"))
    whole = sorted((REAL / "coronacases/images").rglob("*.jp*g"))[::20]
    assert len(crops) == 50
    assert len(whole) == 30
    named = 0
    for path in (*crops, *whole):
        grey = np.asarray(Image.open(path).convert("L"))[None]
        study = Study(grey, None, is_hu=False)
        assert "stop" not in levels(study), path.name
        named += "inverted" in texts(Study(255 - grey, None, is_hu=False))
    assert named >= 60
