"""DICOM results: read back by highdicom, judged by dciodvfy, read by DCMTK, stored and returned by Orthanc."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest

import infnet
from infnet.errors import InfNetError
from infnet.export import dicom_objects, write_all
from infnet.export.dicom_source import deidentified, refusal, uid
from infnet.measure.correct import Corrections, Layer, corrected
from infnet.measure.statistics import measure
from infnet.overlay import COLOURS
from infnet.study import CONSOLIDATION, GGO, LEFT, RIGHT, Segmentation, Study
from tests import own_network
from tests.export.orthanc import PLUGIN
from tests.read.making import along, enhanced, hu_volume, save, save_series

ROOT = Path(__file__).parents[2]
NEGATED = (-1, 0, 0, 0, 1, 0)  # columns run to the patient's right: the slices ascend to the feet
FLIPPED = (1, 0, 0, 0, -1, 0)
OBLIQUE = (0.96, 0.28, 0, -0.28, 0.96, 0)
TILTED = (1, 0, 0, 0, 0.9659258, -0.2588190)
GAPPED = np.delete(along(7), 3, axis=0)
SOURCES: dict[str, Callable[[Path], object]] = {
    "axial": lambda folder: save_series(folder, hu_volume()),
    "reversed": lambda folder: save_series(folder, hu_volume(), along(6)[::-1]),
    "negated rows": lambda folder: save_series(folder, hu_volume(), orientation=NEGATED),
    "negated columns": lambda folder: save_series(folder, hu_volume(), orientation=FLIPPED),
    "oblique": lambda folder: save_series(folder, hu_volume(), orientation=OBLIQUE),
    "tilted": lambda folder: save_series(folder, hu_volume(), orientation=TILTED),
    "gapped": lambda folder: save_series(folder, hu_volume(), GAPPED),
    "multi-frame": lambda folder: (
        folder.mkdir(),
        save(enhanced(hu_volume(), along(6)[::-1], [-1024] * 6), folder / "m"),
    ),
}


def source(tmp_path: Path, kind: str = "axial") -> Study:
    SOURCES[kind](tmp_path / "scan")
    return infnet.read(tmp_path / "scan")


def result_of(study: Study) -> Segmentation:
    """A mask without any symmetry: 120 voxels of ground glass and 30 of consolidation, by hand."""
    labels, lungs = np.zeros((2, *study.pixels.shape), np.uint8)
    lungs[:, 4:20, 2:12], lungs[:, 4:20, 18:30] = RIGHT, LEFT
    labels[1:5, 5:10, 3:9] = GGO
    labels[4:, 12:17, 20:23] = CONSOLIDATION
    models = {"infection": {"name": "semi-inf-net-plus", "sha256": "ab" * 32, "engine": "by hand"}}
    facts = {"infnet": "0.1.0", "threshold": 0.5, "models": models}
    return Segmentation(labels, labels.astype(np.float32), lungs, provenance=facts)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return source(tmp_path)


def made(study: Study, result: Segmentation, folder: Path) -> dict[str, Path]:
    statistics = measure(study, result)
    written = write_all(folder, study, result, statistics, overlays=False, page="en", dicom=True, captures=True)
    return {path.stem: path for path in written if path.suffix == ".dcm"}


def tool(*command: object) -> str:
    """What a program prints; without it the test is skipped, which `make test` does not let happen as root."""
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed: apt-get install dcmtk dicom3tools")
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("kind", SOURCES)
def test_a_mask_comes_back_voxel_for_voxel_where_it_was(tmp_path: Path, kind: str) -> None:
    study = source(tmp_path, kind)
    result = result_of(study)
    seg = highdicom.seg.segread(made(study, result, tmp_path / "out")["segmentation"])
    assert study.origin is not None
    positions = {}  # of the source's slices, as its files say
    for index, (header, frame) in enumerate(zip(study.origin.headers, study.origin.frames, strict=True)):
        if kind == "multi-frame":
            plane = header.PerFrameFunctionalGroupsSequence[frame].PlanePositionSequence[0]
        else:
            plane = pydicom.dcmread(next(p for p in (tmp_path / "scan").iterdir() if _is(p, header)))
        positions[tuple(round(float(v), 3) for v in plane.ImagePositionPatient)] = index
    assert len(positions) == len(study.pixels)
    back = np.zeros_like(result.labels)
    for group, plane in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
        place = tuple(round(float(v), 3) for v in group.PlanePositionSequence[0].ImagePositionPatient)
        back[positions[place]][plane > 0] = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
    assert np.array_equal(back, result.labels)
    orientation = seg.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
    assert study.affine is not None
    columns, rows = study.affine[:3, 2] / study.spacing[2], study.affine[:3, 1] / study.spacing[1]
    assert np.allclose(orientation, [*columns, *rows], atol=1e-6)
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert np.allclose(measures.PixelSpacing, study.spacing[1:])


def _is(path: Path, header: pydicom.Dataset) -> bool:
    return bool(pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID == header.SOPInstanceUID)


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("lesions", [True, False])
def test_the_validator_finds_no_error(tmp_path: Path, kind: str, lesions: bool) -> None:
    study = source(tmp_path, kind)
    result = result_of(study)
    if not lesions:
        result = replace(result, labels=np.zeros_like(result.labels))
    files = made(study, result, tmp_path / "out")
    assert {name.split("_")[0] for name in files} == {"report", "page"} | (
        {"segmentation", "capture"} if lesions else set()
    )
    for path in files.values():
        said = tool("dciodvfy", path)
        assert "Error" not in said, said


def test_the_report_says_the_numbers(study: Study, tmp_path: Path) -> None:
    result = result_of(study)
    text = tool("dsrdump", made(study, result, tmp_path / "out")["report"])
    voxel = study.voxel_volume_ml
    for value, unit in (
        (150 * voxel, "ml"),
        (120 * voxel, "ml"),
        (30 * voxel, "ml"),
        (100 * 120 / (6 * 160), "%"),  # of the right lung
        (100 * 30 / (6 * 192), "%"),  # of the left one
    ):
        assert f'"{round(value, 4)}" ({unit},' in text, (value, unit)
    assert '"Number of lesions")="2' in text
    empty = replace(result, labels=np.zeros_like(result.labels))
    nothing = tool("dsrdump", made(study, empty, tmp_path / "nothing")["report"])
    assert '"Volume")="0.0" (ml,' in nothing
    assert "Referenced Segment" not in nothing


def test_only_classes_that_are_there_are_segments(study: Study, tmp_path: Path) -> None:
    result = result_of(study)
    result = replace(result, labels=np.where(result.labels == CONSOLIDATION, result.labels, 0).astype(np.uint8))
    seg = highdicom.seg.segread(made(study, result, tmp_path / "out")["segmentation"])
    (segment,) = seg.SegmentSequence
    assert (segment.SegmentNumber, segment.SegmentLabel) == (1, "consolidation")
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "95436008"
    assert segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "infnet"
    assert int(seg.pixel_array.sum()) == 30


@pytest.mark.parametrize("kind", ["axial", "negated rows", "multi-frame"])
def test_captures_show_the_slices_with_a_lesion_upright(tmp_path: Path, kind: str) -> None:
    study = source(tmp_path, kind)
    result = result_of(study)
    files = made(study, result, tmp_path / "out")
    marked = study.orientation.apply(result.labels)
    shown = {int(name[8:]): pydicom.dcmread(path) for name, path in files.items() if name.startswith("capture_")}
    assert set(shown) == {k + 1 for k in range(len(marked)) if marked[k].any()}
    assert len({dataset.SeriesInstanceUID for dataset in shown.values()}) == 1
    _, back, left = study.orientation.spacing(study.spacing)
    for number, dataset in shown.items():
        picture = dataset.pixel_array.astype(int)
        coloured = (picture != picture[:, :, :1]).any(axis=2)
        labels = marked[number - 1]
        assert coloured[labels > 0].all()
        assert dataset.InstanceNumber == number
        assert dataset.PatientOrientation == ["L", "P"]
        assert dataset.PixelSpacing == [back, left]
        for code, (red, _, blue) in COLOURS.items():
            inside = picture[labels == code].mean(axis=0) if (labels == code).any() else [red, 0, blue]
            assert (inside[0] > inside[2]) == (red > blue)


def test_the_same_run_is_the_same_result(tmp_path: Path) -> None:
    first = source(tmp_path)
    result = result_of(first)
    again = infnet.read(tmp_path / "scan")
    objects, others = (dicom_objects(s, result, measure(s, result), b"%PDF") for s in (first, again))
    for name, dataset in objects.items():
        assert dataset.SOPInstanceUID == others[name].SOPInstanceUID
        assert dataset.SeriesInstanceUID == others[name].SeriesInstanceUID
        assert dataset.StudyInstanceUID == first.origin.headers[0].StudyInstanceUID  # type: ignore[union-attr]
        assert dataset.PatientID == "PID4711"
    assert len({d.SeriesInstanceUID for d in objects.values()}) == 3
    for other in (
        replace(result, provenance={**result.provenance, "threshold": 0.6}),
        replace(result, provenance={**result.provenance, "models": {"infection": {"name": "x", "sha256": "cd"}}}),
    ):
        assert uid("report", first, other) != uid("report", first, result)


def test_corrections_by_a_person_are_told_and_are_another_result(study: Study, tmp_path: Path) -> None:
    result = result_of(study)
    layers = (Layer(np.array([at]), np.array([CONSOLIDATION], np.uint8)) for at in (0, 1))
    first, second = (corrected(study, result, Corrections(layer)) for layer in layers)
    assert first.provenance["corrected"] == second.provenance["corrected"]
    assert len({uid("report", study, each) for each in (result, first, second)}) == 3
    seg = highdicom.seg.segread(made(study, first, tmp_path / "out")["segmentation"])
    assert int(seg.pixel_array.sum()) == 151
    for segment in seg.SegmentSequence:
        assert segment.SegmentAlgorithmType == "SEMIAUTOMATIC"
        told = segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters
        assert "by a person: 1 voxel" in str(told)


def test_what_is_missing_and_may_be_empty_is_empty(tmp_path: Path) -> None:
    names = ("PatientName", "PatientID", "FrameOfReferenceUID")
    save_series(tmp_path / "scan", hu_volume(), **dict.fromkeys(names))
    study = infnet.read(tmp_path / "scan")
    for path in made(study, result_of(study), tmp_path / "out").values():
        assert pydicom.dcmread(path).PatientName == ""
        assert "Error" not in tool("dciodvfy", path)


@pytest.mark.parametrize("tag", ["StudyInstanceUID", "SOPInstanceUID", "PixelSpacing", "ImagePositionPatient"])
def test_what_cannot_join_a_study_is_refused_and_the_page_comes(tmp_path: Path, tag: str) -> None:
    save_series(tmp_path / "scan", hu_volume(), **{tag: None})
    study = infnet.read(tmp_path / "scan")
    result = result_of(study)
    why = refusal(study)
    assert why.count("\n") == 0
    assert "no DICOM result can" in why
    with pytest.raises(InfNetError, match="no DICOM result can"):
        write_all(tmp_path / "out", study, result, measure(study, result), page="en", dicom=True)
    assert not (tmp_path / "out").exists()
    write_all(tmp_path / "out", study, result, measure(study, result), page="en")
    assert (tmp_path / "out" / "page.pdf").read_bytes().startswith(b"%PDF")


def test_files_that_leave_say_nothing_of_the_patient(tmp_path: Path) -> None:
    word = "Zaubermann"
    save_series(tmp_path / "scan", hu_volume())
    for path in (tmp_path / "scan").iterdir():
        header = pydicom.dcmread(path)
        for name in (
            *("PatientName", "PatientID", "StudyDescription", "SeriesDescription", "ReferringPhysicianName"),
            *("AccessionNumber", "StudyID", "IssuerOfPatientID", "ManufacturerModelName"),
        ):
            setattr(header, name, f"{word}^Eva" if name.endswith("Name") else word)
        header.PatientBirthDate, header.StudyDate = "19520229", "20200317"
        save(header, path)
    study = infnet.read(tmp_path / "scan")
    result = result_of(study)
    bare = deidentified(study)
    assert study.origin is not None
    for path in made(bare, result, tmp_path / "out").values():
        content = path.read_bytes()
        for secret in (word, "19520229", "20200317", study.origin.headers[0].StudyInstanceUID):
            assert secret.encode() not in content, (path.name, secret)
        assert "Error" not in tool("dciodvfy", path)
    kept = [path.read_bytes() for path in made(study, result, tmp_path / "kept").values()]
    assert all(word.encode() in content for content in kept), "files that go back name the patient"
    for path in (p for p in (tmp_path / "kept").iterdir() if p.is_file()):
        assert word.encode() not in path.read_bytes(), path.name


def test_a_rerun_without_dicom_leaves_none_of_the_former_run(study: Study, tmp_path: Path) -> None:
    result = result_of(study)
    made(study, result, tmp_path / "out")
    write_all(tmp_path / "out", study, result, measure(study, result), overlays=False)
    assert not list((tmp_path / "out").rglob("*.dcm"))
    assert not (tmp_path / "out" / "page.pdf").exists()


@pytest.mark.skipif(not own_network.possible(), reason="no network of our own to be had here (unshare --net)")
def test_an_archive_takes_them_once_and_returns_them(tmp_path: Path) -> None:
    """The results of a study in every order of slices, each as it was sent and in its study."""
    if shutil.which("Orthanc") is None or not PLUGIN.exists():
        pytest.skip("no Orthanc here: apt-get install orthanc orthanc-dicomweb dcmtk")
    archive = tmp_path / "archive"
    archive.mkdir()
    sent = {}
    for kind in SOURCES:
        (folder := tmp_path / kind).mkdir()
        study = source(folder, kind)
        for name, path in made(study, result_of(study), folder / "out").items():
            shutil.copy(path, archive / f"{kind} {name}.dcm")
            dataset = pydicom.dcmread(path)
            assert study.origin is not None
            assert dataset.StudyInstanceUID == study.origin.headers[0].StudyInstanceUID
            sent[dataset.SOPInstanceUID] = dataset
    assert len(sent) == 8 * len(SOURCES)  # SEG, SR, PDF, and five slices with a lesion
    run = f"from pathlib import Path; from tests.export import orthanc; orthanc.main(Path({str(archive)!r}))"
    command = own_network.alone(sys.executable, "-c", own_network.UP + run)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    held = json.loads(done.stdout)
    assert {one["instance"]: one["study"] for one in held} == {u: d.StudyInstanceUID for u, d in sent.items()}
    assert len(held) == len(sent), "sent twice, there once"
    for instance, dataset in sent.items():
        assert pydicom.dcmread(archive / "back" / f"{instance}.dcm") == dataset
