"""Pages of a study that somebody has corrected: the numbers follow, the network's own stay, nothing is lost unasked."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.core import units
from app.core.case import Exam
from app.core.volume import Frame
from app.views.parts import downloads
from infnet import export
from infnet.measure.statistics import measure
from infnet.pipeline.run import segment
from tests.app.apptest import example, go, metrics, press, upload
from tests.app.examples import small
from tests.app.test_corrections import change
from tests.fakes import fake_engines

PLANE = 96 * 96
RUNS = ((2 * PLANE + 100, 50, 3), (3 * PLANE + 100, 20, 2))


def exam_of(app: AppTest) -> Exam:
    exam: Exam = app.session_state["case"].exams[0]
    return exam


def correct(app: AppTest) -> AppTest:
    """50 voxels of consolidation and 20 of ground glass, where there was no lesion."""
    exam, frame = exam_of(app), Frame.of(small())
    assert frame is not None
    assert exam.job is not None
    assert exam.revisions.take(change(0, *RUNS), exam.study, frame, exam.job.result)
    return app.run()


def notes(app: AppTest) -> str:
    return " ".join(info.value for info in app.info)


def test_numbers_follow_and_the_networks_own_stay(app: AppTest) -> None:
    example(app)
    study = small()
    own = measure(study, segment(study, fake_engines())).total.lesion
    assert "Corrected" not in notes(app)
    ml = study.voxel_volume_ml
    wanted = f"Corrected by a person: 70 voxels, +{70 * ml:.2f} / -0.00 ml. The network's own: {units.amount(own)}"
    correct(app)
    for page in ("Viewer", "Numbers", "Study"):
        go(app, page)
        assert wanted in notes(app), page
        assert metrics(app)["Lesion volume"] == f"{(own.lesion_voxels + 70) * ml:,.1f} ml"
    assert any("corrected" in each.value.lower() for each in app.markdown), "in the provenance"
    go(app, "Viewer")
    app.session_state["threshold"] = 0.95  # the fake engines answer 0.9
    app.run()
    assert metrics(app)["Lesion volume"] == f"{70 * ml:,.1f} ml", "corrections hold at every threshold"
    press(app, "Discard all corrections")
    assert metrics(app)["Lesion volume"] == "0.0 ml"
    assert "Corrected" not in notes(app)


def test_closing_asks_before_corrections_are_lost(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    correct(example(app))
    press(app, "Close study")
    assert "case" in app.session_state
    press(app, "Keep it open")
    assert not [b for b in app.button if b.label == "Keep it open"]
    press(app, "Close study")
    press(app, "Close without saving")
    assert "case" not in app.session_state
    go(app, "Study")

    saves = []
    monkeypatch.setattr(downloads, "button", lambda label, data, *_, **__: saves.append((label, data)))
    correct(example(app))
    exam = exam_of(app)
    (save,) = [data for label, data in saves if label == "Save mask"][-1:]
    save()
    assert not exam.revisions.unsaved
    press(app, "Close study")
    assert "case" not in app.session_state, "saved: nothing to ask"


def test_a_saved_mask_opens_again_and_counts_at_every_threshold(app: AppTest, tmp_path: Path) -> None:
    example(app)
    study, result = small(), segment(small(), fake_engines())
    mask = result.labels.copy()
    mask.reshape(-1)[2 * PLANE + 100 : 2 * PLANE + 150] = 2
    mask[3] = 0
    assert study.affine is not None
    path = export.write_nifti(tmp_path / "mask.nii.gz", mask, study.affine)
    upload(app, ("mask.nii.gz", path.read_bytes()))
    total = f"{np.count_nonzero(mask) * study.voxel_volume_ml:,.1f} ml"
    for threshold in (0.5, 0.3, 0.95):
        app.session_state["threshold"] = threshold
        app.run()
        assert metrics(app)["Lesion volume"] == total
        assert np.array_equal(exam_of(app).cache["reading None"][1].result.labels, mask)
    moved = study.affine.copy()
    moved[:3, 3] += 500
    path = export.write_nifti(tmp_path / "moved.nii.gz", mask, moved)
    upload(app, ("moved.nii.gz", path.read_bytes()))
    assert "another part of space" in app.error[0].value
    assert metrics(app)["Lesion volume"] == total
    path = export.write_nifti(tmp_path / "lungs.nii.gz", np.where(result.lungs == 1, 2, result.lungs), study.affine)
    app.segmented_control(key="opens").set_value("Lungs").run()
    upload(app, ("lungs.nii.gz", path.read_bytes()))
    assert "voxels of the lungs" in notes(app)


def test_training_pairs_are_those_of_the_corrected_slices(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    files: dict[str, tuple[object, bool]] = {}

    def button(label: str, data: object, *_: object, disabled: bool = False) -> None:
        files[label] = (data, disabled)

    monkeypatch.setattr(downloads, "button", button)
    example(app)
    assert files["Save as training pairs"][1], "nothing to learn from yet"
    correct(app)
    make, disabled = files["Save as training pairs"]
    assert not disabled
    assert callable(make)
    with zipfile.ZipFile(io.BytesIO(make())) as archive:
        names = archive.namelist()
    assert len(names) == 4 * 2 + 1
    assert {name.split("_")[-1] for name in names if name.startswith("images/")} == {"003.png", "004.png"}


def test_check_compares_what_the_network_found(app: AppTest, tmp_path: Path) -> None:
    example(app, "Check")
    study, result = small(), segment(small(), fake_engines())
    assert study.affine is not None
    path = export.write_nifti(tmp_path / "mask.nii.gz", result.labels, study.affine)
    upload(app, ("mask.nii.gz", path.read_bytes()))
    correct(app)
    assert any("without the corrections" in each.value for each in app.caption)
    table = app.table[0].value
    assert set(table.set_index("").loc["Dice of the masks"]) == {"1.000"}
