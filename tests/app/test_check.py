"""The page Check compares with a reference, and says where that may belong to another study."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.views.check import NAMES
from infnet import export
from infnet.measure import check
from tests.app.apptest import example, picture, press, slices, upload
from tests.app.test_pages import segmented, tables


@pytest.mark.parametrize("kind", ["nifti", "pictures"])
def test_check_against_a_reference(app: AppTest, tmp_path: Path, kind: str) -> None:
    study, result = segmented()
    truth = np.roll(result.labels, 2, axis=2)
    if kind == "nifti":
        path = export.write_nifti(tmp_path / "truth.nii.gz", truth, study.affine)
        assert gzip.decompress(path.read_bytes())
        files = [(path.name, path.read_bytes())]
    else:
        files = []
        for k, plane in enumerate(truth):
            buffer = io.BytesIO()
            Image.fromarray((plane > 0) * np.uint8(255)).save(buffer, "PNG")
            files.append((f"truth_{k}.png", buffer.getvalue()))
    example(app, "Check")
    upload(app, *files)
    assert not app.exception
    assert not app.error
    agreement = check.check(result, truth if kind == "nifti" else truth > 0)
    scores = app.table[0].value
    for name, each in agreement.items():
        wanted = [*(f"{score:.3f}" for score in (*each.scores, each.plain_dice)), str(each.slices)]
        assert list(scores[f"**{NAMES[name]}**"]) == wanted
    marks = check.difference(result, truth)
    assert f"{int((marks == check.ONLY_NETWORK).sum()):,}" in tables(app)
    assert "network and reference" in picture(app)
    press(app, "Another reference")
    assert not slices(app)


def test_another_reference_never_shows_the_scores_of_the_one_before(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python gives the address of an object that is gone to a new one: here every object has the same `id`."""
    for name, module in list(sys.modules.items()):
        if name.startswith("app."):
            monkeypatch.setattr(module, "id", lambda _: 7, raising=False)
    study, result = segmented()
    example(app, "Check")
    for moved in (0, 2):
        reference = np.roll(result.labels, moved, axis=2)
        path = export.write_nifti(tmp_path / f"reference_{moved}.nii.gz", reference, study.affine)
        upload(app, (path.name, path.read_bytes()))
        for name, agreement in check.check(result, reference).items():
            assert f"{agreement.plain_dice:.3f}" in list(app.table[0].value[f"**{NAMES[name]}**"])
        marks = check.difference(result, reference)
        assert f"only the network,{int((marks == check.ONLY_NETWORK).sum()):,}" in tables(app).replace('"', "")
        press(app, "Another reference")


def test_check_warns_of_a_mask_of_elsewhere(app: AppTest, tmp_path: Path) -> None:
    study, result = segmented()
    example(app, "Check")

    def warned(mask: np.ndarray, shift: float) -> str:
        moved = study.affine.copy()
        moved[2, 3] += shift
        path = export.write_nifti(tmp_path / f"truth_{shift}.nii.gz", mask, moved)
        upload(app, (path.name, path.read_bytes()))
        assert not app.exception
        assert slices(app), "it is compared all the same"
        words = " ".join(warning.value for warning in app.warning)
        press(app, "Another reference")
        return words

    usual = warned(result.labels, 0)
    assert "reference" not in usual
    assert "up to 120 mm beside" in warned(result.labels, 120)
    corner = np.zeros_like(result.labels)
    corner[:, :9, :9] = 1
    assert "outside the lungs" in (words := warned(corner, 0))
    assert r"Dice 0\.000" in words


def test_check_refuses_another_size_with_one_line(app: AppTest, tmp_path: Path) -> None:
    example(app, "Check")
    study, _ = segmented()
    path = export.write_nifti(tmp_path / "truth.nii.gz", np.zeros((4, 96, 96), np.uint8), study.affine)
    upload(app, (path.name, path.read_bytes()))
    (error,) = app.error
    assert "4 x 96 x 96" in error.value
    assert not app.exception
