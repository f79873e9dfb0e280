from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from subprocess import PIPE

import nibabel
import numpy as np
import psutil
import pytest
from PIL import Image

from infnet import pipeline
from infnet.__main__ import main
from infnet.cohort.row import Case, Settings, examine
from infnet.concurrency import cores
from infnet.export.nifti import write_nifti
from infnet.phantom import chest, write_dicom
from tests.fakes import fake_engines

ROOT = Path(__file__).parents[1]


@pytest.fixture
def engines(monkeypatch):
    """The command line with engines that read grey values in place of the shipped ones."""
    asked = []

    def load(infection=None, device=None, engine=None, precision=None, threads=None):
        asked.append((infection, device, engine, precision))
        return fake_engines()

    monkeypatch.setattr(pipeline, "load_engines", load)
    return asked


@pytest.fixture(scope="module")
def phantom():
    return chest(slices=12, rows=128, columns=128, spacing=(10.0, 2.8, 2.8))


def test_dicom_folder_in_files_out(engines, phantom, tmp_path, capsys):
    write_dicom(phantom.study, tmp_path / "series")
    assert main(["segment", str(tmp_path / "series"), "--out", str(tmp_path / "out"), "--profile"]) == 0
    mask = nibabel.load(tmp_path / "out" / "mask.nii.gz")
    assert mask.shape == (128, 128, 12)
    assert set(np.unique(np.asarray(mask.dataobj))) <= {0, 1, 2}
    zooms = mask.header.get_zooms()
    assert np.allclose(zooms, (2.8, 2.8, 10.0), atol=1e-3)
    for name in ("lungs.nii.gz", "probability.nii.gz", "statistics.csv", "summary.json"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    assert list((tmp_path / "out" / "overlay").glob("*.png"))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    voxels = int((np.asarray(mask.dataobj) > 0).sum())
    assert summary["lesion_volume_ml"] == pytest.approx(voxels * 2.8 * 2.8 * 10 / 1000, rel=1e-3)
    printed = capsys.readouterr().out
    assert "wall time" in printed
    assert "peak memory" in printed


def test_loose_picture_gives_pngs_and_no_millilitres(engines, phantom, tmp_path):
    from infnet.grey import window_hu

    Image.fromarray(window_hu(phantom.study.pixels[6])).save(tmp_path / "slice.png")
    assert main(["segment", str(tmp_path / "slice.png"), "--out", str(tmp_path / "out")]) == 0
    mask = np.asarray(Image.open(tmp_path / "out" / "mask.png"))
    assert mask.shape == (128, 128)
    assert set(np.unique(mask)) <= {0, 1, 2}
    probability = np.asarray(Image.open(tmp_path / "out" / "probability.png"))
    assert probability.max() > 255  # 16 bit
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["lesion_volume_ml"] is None
    assert summary["involvement_percent"] is not None


def test_a_picture_stays_pictures_when_its_millimetres_are_given(engines, phantom, tmp_path, capsys):
    from infnet.grey import window_hu

    Image.fromarray(window_hu(phantom.study.pixels[6])).save(tmp_path / "slice.png")
    arguments = ["segment", str(tmp_path / "slice.png"), "--out", str(tmp_path / "out"), "--mm-per-pixel", "2.8"]
    assert main(arguments) == 0
    assert (tmp_path / "out" / "mask.png").exists()
    assert not list((tmp_path / "out").glob("*.nii.gz"))
    assert "no millimetres" not in capsys.readouterr().err
    header, row = (tmp_path / "out" / "statistics.csv").read_text().splitlines()
    values = dict(zip(header.split(","), row.split(","), strict=True))
    assert float(values["lung_mm2"]) == pytest.approx(int(values["lung_pixels"]) * 2.8 * 2.8, abs=0.01)


def test_nifti_mask_lies_on_the_grid_of_the_input(engines, phantom, tmp_path):
    write_nifti(tmp_path / "ct.nii.gz", phantom.study.pixels, phantom.study.affine)
    assert main(["segment", str(tmp_path / "ct.nii.gz"), "--out", str(tmp_path / "out"), "--no-overlay"]) == 0
    source, mask = nibabel.load(tmp_path / "ct.nii.gz"), nibabel.load(tmp_path / "out" / "mask.nii.gz")
    assert source.shape == mask.shape
    assert np.allclose(source.affine, mask.affine, atol=1e-4)
    assert not (tmp_path / "out" / "overlay").exists()


def test_bad_input_is_one_line_exit_2_and_nothing_written(engines, tmp_path, capsys):
    bad = tmp_path / "report.dcm"
    bad.write_text("this is text")
    assert main(["segment", str(bad), "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("study: plain text, not an image; ")
    assert not (tmp_path / "out").exists()
    assert engines == []  # no network was loaded for it


def test_wrong_options_are_one_line(engines, phantom, tmp_path, capsys):
    write_nifti(tmp_path / "ct.nii.gz", phantom.study.pixels, phantom.study.affine)
    assert main(["segment", str(tmp_path / "ct.nii.gz"), "--out", str(tmp_path / "out"), "--threshold", "2"]) == 2
    assert "between 0.2 and 1" in capsys.readouterr().err
    assert main(["segment", str(tmp_path / "ct.nii.gz"), "--out", str(tmp_path / "out"), "--mm-per-pixel", "1"]) == 2
    assert "its own geometry" in capsys.readouterr().err
    assert main(["segment", str(tmp_path / "ct.nii.gz"), "--out", str(tmp_path / "ct.nii.gz")]) == 2
    assert "give a folder" in capsys.readouterr().err


def test_info_starts_without_torch(tmp_path):
    code = "import sys; from infnet.__main__ import main; main(['info']); sys.exit('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert "semi-inf-net-plus: infection" in run.stdout


def test_quiet_when_not_a_terminal(engines, phantom, tmp_path, capsys):
    write_nifti(tmp_path / "ct.nii.gz", phantom.study.pixels, phantom.study.affine)
    main(["segment", str(tmp_path / "ct.nii.gz"), "--out", str(tmp_path / "out")])
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.count("\n") == 1


def processor_seconds(command: list[str]) -> float:
    """Run a command that must end. One that hangs is known by doing nothing: a busy machine makes it slow only."""

    def of_children() -> float:
        return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])

    before, spent = of_children(), 0.0
    child = psutil.Popen(command, cwd=ROOT, stdout=PIPE, stderr=subprocess.STDOUT)
    while True:
        try:
            said, _ = child.communicate(timeout=60)
            break
        except subprocess.TimeoutExpired:
            last, spent = spent, sum(child.cpu_times()[:2])
            if not last + 0.05 < spent < 200:
                child.kill()
                pytest.fail(f"hangs after {spent:.1f} s of processor time")
    assert child.returncode == 0, said
    return of_children() - before


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "both cores busy"])
def test_segment_never_hangs(tmp_path, busy):
    """One in about forty such runs never ended once (see `infnet.engine.openvino_engine`)."""
    write_dicom(chest(slices=8, rows=128, columns=128, spacing=(25.0, 2.8, 2.8)).study, tmp_path / "series")
    command = [sys.executable, "-m", "infnet", "segment", str(tmp_path / "series"), "--out", str(tmp_path / "out")]
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores() if busy else 0)]
    try:
        print(f"longest of 150: {max(processor_seconds(command) for _ in range(150)):.1f} s of processor time")
    finally:
        for process in load:
            process.kill()
            process.wait()


def test_a_request_to_end_leaves_nothing_half_written(tmp_path):
    """SIGTERM while the files are written: the unfinished folder beside --out is removed."""
    write_nifti(tmp_path / "ct.nii", chest(2, 64, 64, spacing=(10.0, 5.6, 5.6)).study.pixels, np.eye(4))
    code = f"""
import sys, time
sys.path[:0] = {sys.path!r}
import infnet.export
from infnet import pipeline
from infnet.__main__ import main
from infnet.cohort.row import Case, Settings, examine
from tests.fakes import fake_engines
pipeline.load_engines = lambda *_: fake_engines()
def slow(*_):
    print("writing", flush=True)
    time.sleep(60)
infnet.export._write = slow
sys.exit(main(["segment", {str(tmp_path / "ct.nii")!r}, "--out", {str(tmp_path / "out")!r}]))
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=PIPE, stderr=PIPE, text=True, cwd=ROOT)
    assert child.stdout.readline() == "writing\n"
    assert len(list(tmp_path.iterdir())) == 2
    child.terminate()
    _, said = child.communicate(timeout=60)
    assert child.returncode == 143
    assert said.splitlines()[-1] == "stopped; nothing half written is left"
    assert [path.name for path in tmp_path.iterdir()] == ["ct.nii"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_end_that_is_swallowed_is_repeated_but_not_while_it_is_obeyed(number, monkeypatch):
    monkeypatch.setattr("infnet.__main__.AGAIN", 0.05)
    waits = threading.Event()
    steps = []

    def command(options):
        try:
            signal.raise_signal(number)
        except BaseException:
            steps.append("swallowed")
        try:
            waits.wait(20)
            steps.append("never asked again")
        finally:
            waits.wait(0.3)  # six times as long as until the next request
            steps.append("cleaned up")

    monkeypatch.setattr("infnet.__main__.info_command", command)
    alarm = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0]  # pytest-timeout's
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the suite runs in the background
    try:
        assert main(["info"]) == 128 + number
        assert steps == ["swallowed", "cleaned up"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGALRM) is alarm[0]
    assert alarm[1] - 20 < signal.getitimer(signal.ITIMER_REAL)[0] <= alarm[1]


def test_a_request_to_end_that_becomes_an_error_is_one(monkeypatch, capsys):
    def command(options):
        try:
            signal.raise_signal(signal.SIGTERM)
        except BaseException:
            raise ValueError("could not determine the shape") from None

    monkeypatch.setattr("infnet.__main__.info_command", command)
    assert main(["info"]) == 143
    assert capsys.readouterr().err == "stopped; nothing half written is left\n"


def test_a_name_of_a_file_cannot_write_to_the_terminal(engines, phantom, tmp_path, capsys):
    path = tmp_path / "a\r\x1b[2Jb\n.nii"
    write_nifti(tmp_path / "ct.nii", phantom.study.pixels, phantom.study.affine).rename(path)
    assert main(["segment", str(path), "--out", str(tmp_path / "out"), "--names"]) == 0
    printed = capsys.readouterr()
    assert "a??[2Jb?: lesion" in printed.out
    assert "\x1b" not in printed.out + printed.err


def test_burned_in_text_is_warned_of(engines, phantom, tmp_path, capsys):
    import pydicom

    for path in write_dicom(phantom.study, tmp_path / "series"):
        dataset = pydicom.dcmread(path)
        dataset.BurnedInAnnotation = "YES"
        dataset.save_as(path)
    assert main(["segment", str(tmp_path / "series"), "--out", str(tmp_path / "out")]) == 0
    assert "warning: The header says that text is burned into the pictures" in capsys.readouterr().err


def test_dicom_and_page_on_request(engines, phantom, tmp_path, capsys):
    write_dicom(phantom.study, tmp_path / "series")
    options = ["--pdf", "--dicom", "--no-overlay", "--captures"]
    assert main(["segment", str(tmp_path / "series"), "--out", str(tmp_path / "out"), *options]) == 0
    made = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {"page.pdf", "dicom/segmentation.dcm", "dicom/report.dcm", "dicom/page.dcm"} <= made
    marked = np.asarray(nibabel.load(tmp_path / "out" / "mask.nii.gz").dataobj).any(axis=(0, 1))
    captures = {f"dicom/capture_{k + 1:03d}.dcm" for k in np.flatnonzero(marked)}
    assert captures == {name for name in made if "capture" in name} != set()
    capsys.readouterr()

    write_nifti(tmp_path / "chest.nii.gz", phantom.study.pixels, phantom.study.affine)
    assert main(["segment", str(tmp_path / "chest.nii.gz"), "--out", str(tmp_path / "other"), *options]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "DICOM" in line]
    assert line == "study: did not come as DICOM, so no DICOM result can join it; give the DICOM series"
    assert (tmp_path / "other" / "page.pdf").exists()
    assert (tmp_path / "other" / "mask.nii.gz").exists()
    assert not (tmp_path / "other" / "dicom").exists()


def test_a_cohort_with_dicom_and_page(engines, phantom, tmp_path):
    write_dicom(phantom.study, tmp_path / "in" / "first")
    write_nifti(tmp_path / "in" / "second.nii.gz", phantom.study.pixels, phantom.study.affine)
    settings = Settings(page="de", files=True, dicom=True, captures=True)
    rows = [
        examine(Case(f"study_{n}", path), tmp_path / "out", settings)
        for n, path in enumerate(sorted((tmp_path / "in").iterdir()), 1)
    ]
    assert [row["error"] for row in rows] == [None, None]
    assert "no DICOM result can join it" not in rows[0]["warnings"]
    assert "no DICOM result can join it" in rows[1]["warnings"]
    written = {path.parent.parent.name for path in (tmp_path / "out" / "studies").rglob("report.dcm")}
    assert written == {"study_1"}
    assert list((tmp_path / "out" / "studies" / "study_1" / "dicom").glob("capture_*.dcm"))
    assert len(list((tmp_path / "out" / "studies").glob("*/page.pdf"))) == 2
