from __future__ import annotations

import csv
import errno
import json
import multiprocessing
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

import infnet
from infnet.__main__ import main
from infnet.cohort import Settings, run, studies, workers
from infnet.cohort.journal import Journal, held
from infnet.cohort.row import examine, flat
from infnet.errors import InfNetError, UnwritableError
from infnet.export.nifti import write_nifti
from infnet.geometry.affine import axial_affine
from infnet.phantom import write_dicom
from infnet.study import Study
from tests.fakes import fake_engines
from tests.pipeline.test_run import chest


class Here:
    """A worker that is no process of its own."""

    def row(self, case, out, settings, threads):
        return examine(case, out, settings, threads)

    def kill(self):
        pass

    end = kill


@pytest.fixture
def engines(monkeypatch):
    """Work in a thread, with engines that read grey values; the studies that were begun, in their order."""
    begun = []
    read = infnet.read

    def noted(path, **options):
        if "series" not in options:
            begun.append(path.name)
        return read(path, **options)

    monkeypatch.setattr(infnet, "read", noted)
    monkeypatch.setattr(infnet, "load_engines", lambda *_: fake_engines(), raising=False)
    monkeypatch.setattr(workers, "_process", Here)
    return begun


@pytest.fixture
def folder(tmp_path):
    """Three studies, one of them bad: a NIfTI, text, and a DICOM series."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    study, _ = chest()
    write_nifti(inputs / "case2.nii.gz", study.pixels, study.affine)
    (inputs / "case10.txt").write_text("this is text")
    write_dicom(study, inputs / "case1")
    return inputs


def table(out: Path) -> list[dict[str, str]]:
    with (out / "cohort.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_row_a_study_in_natural_order_and_a_bad_one_is_its_error(engines, folder, tmp_path):
    seen = []
    rows = run(folder, tmp_path / "out", Settings(), report=lambda row, done, total: seen.append((done, total)))
    assert [row["study"] for row in rows] == ["study_1", "study_2", "study_3"]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    first, second, bad = table(tmp_path / "out")
    assert bad["error"].startswith("study_3: plain text")
    assert bad["lesion_volume_ml"] == ""
    assert first["error"] == ""
    result = infnet.segment(chest()[0], fake_engines())
    voxels = int((result.labels > 0).sum())
    assert voxels > 0
    for row in (first, second):
        assert int(row["lesion_pixels"]) == voxels
        assert float(row["lesion_volume_ml"]) == pytest.approx(voxels * 5.0 / 1000)  # voxels of 5 x 1 x 1 mm
        assert (row["slices"], row["rows"], row["columns"]) == ("6", "96", "128")
        assert float(row["slice_mm"]) == pytest.approx(5)
        assert (row["model"], row["engine"], row["threshold"]) == ("fake-infection", "fake", "0.5")
    assert not (tmp_path / "out" / "studies").exists()


def test_the_parquet_holds_what_the_csv_holds(engines, folder, tmp_path):
    rows = run(folder, tmp_path / "out", Settings())
    assert pyarrow.parquet.read_table(tmp_path / "out" / "cohort.parquet").to_pylist()[0] == rows[0]


def test_without_pyarrow_there_is_the_csv_alone(engines, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    run(folder, tmp_path / "out", Settings())
    assert len(table(tmp_path / "out")) == 3
    assert not (tmp_path / "out" / "cohort.parquet").exists()


@pytest.mark.parametrize("cut", ["before", "within", "after"])
def test_a_run_that_was_killed_goes_on_and_its_table_is_the_same_byte_for_byte(engines, folder, tmp_path, cut):
    """Killed before a row was written, while it was, and after."""
    run(folder, tmp_path / "whole", Settings())
    out = tmp_path / "out"
    run(folder, out, Settings())
    lines = (out / "rows.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    torn = {"before": b"", "within": lines[2][:40], "after": lines[2]}[cut]
    (out / "rows.jsonl").write_bytes(b"".join(lines[:2]) + torn)
    engines.clear()
    run(folder, out, Settings())
    assert json.loads(lines[1])["study"] == "study_1"
    assert "case1" not in engines
    assert len(engines) == (1 if cut == "after" else 2)
    for name in ("cohort.csv", "cohort.parquet"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_stop_keeps_what_was_finished_in_the_table(engines, folder, tmp_path):
    def stop(row, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, tmp_path / "out", Settings(), report=stop)
    assert table(tmp_path / "out")[0]["study"] == "study_1"


def test_errors_are_done_again_only_when_asked(engines, folder, tmp_path):
    out = tmp_path / "out"
    run(folder, out, Settings())
    study, _ = chest()
    (folder / "case10.txt").unlink()
    write_nifti(folder / "case10.nii", study.pixels, study.affine)
    (folder / "case10.nii").rename(folder / "case10.txt")
    engines.clear()
    assert run(folder, out, Settings())[2]["error"]
    assert engines == []
    rows = run(folder, out, Settings(), retry=True)
    assert engines == ["case10.txt"]
    assert [row["error"] for row in rows] == [None] * 3
    assert len(table(out)) == 3


def test_rows_of_other_settings_are_not_mixed(engines, folder, tmp_path):
    run(folder, tmp_path / "out", Settings())
    with pytest.raises(InfNetError, match=r"holds results of other settings \(threshold\); choose another folder"):
        run(folder, tmp_path / "out", Settings(threshold=0.4))


def test_two_runs_cannot_write_to_one_folder(engines, folder, tmp_path):
    with held(tmp_path / "out"), pytest.raises(InfNetError, match="another run writes to it"):
        run(folder, tmp_path / "out", Settings())


def test_a_process_that_dies_costs_one_row_and_a_new_process_does_the_rest(engines, folder, tmp_path, monkeypatch):
    class Dies(Here):
        def row(self, *_):
            raise EOFError

    processes = iter([Dies(), Here()])
    monkeypatch.setattr(workers, "_process", lambda: next(processes))
    first, second, _ = run(folder, tmp_path / "out", Settings())
    assert first["error"].startswith("study_1: the process that worked on it died")
    assert second["error"] is None


def hangs_on_one(case, out, settings, threads):
    """In place of `examine`, in a process of its own: never done with one study."""
    if case.path.name == "case2.nii.gz":
        threading.Event().wait()
    return {"study": case.name, "error": None, "process": os.getpid()}


def test_a_study_that_hangs_is_a_row_and_its_process_is_ended_and_replaced(folder, tmp_path, monkeypatch):
    """Real processes. Only the study that never ends has a short limit, so no slow machine changes the outcome."""
    monkeypatch.setattr(workers, "examine", hangs_on_one)
    started = []

    class Forked(workers.Worker):  # inherits the stand-in; the package itself spawns
        def __init__(self):
            started.append(self)
            super().__init__()

        def row(self, case, out, settings, threads):
            limit = 0.001 if case.path.name == "case2.nii.gz" else 30
            return super().row(case, out, replace(settings, limit_minutes=limit), threads)

    monkeypatch.setattr(workers, "get_context", lambda _: multiprocessing.get_context("fork"))
    monkeypatch.setattr(workers, "_process", Forked)
    seen = []
    run(folder, tmp_path / "out", Settings(limit_minutes=7), report=lambda row, *_: seen.append(row))
    assert [row["study"] for row in seen] == ["study_1", "study_2", "study_3"]
    assert seen[1]["error"] == (
        "study_2: not done within 7 minutes; look at it alone with `segment`, or give it more with "
        "--limit-minutes and --retry"
    )
    assert seen[0]["process"] != seen[2]["process"]
    assert len(started) == 2
    assert not any(worker._process.is_alive() for worker in started)
    assert [row["error"] for row in table(tmp_path / "out")] == ["", seen[1]["error"], ""]
    with pytest.raises(InfNetError, match="holds results of other settings"):
        run(folder, tmp_path / "out", Settings(threshold=0.4))
    run(folder, tmp_path / "out", Settings(limit_minutes=30), report=lambda *_: pytest.fail("all have their rows"))


def test_a_stop_ends_the_studies_at_work_and_they_have_no_row(folder, tmp_path, monkeypatch):
    """Real processes, one of which is never done; a stop waited for it as long as the limit."""
    monkeypatch.setattr(workers, "examine", hangs_on_one)
    monkeypatch.setattr(workers, "get_context", lambda _: multiprocessing.get_context("fork"))
    started, make = [], workers.Worker

    def noted():
        started.append(make())
        return started[-1]

    def stop(row, done, total):
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(workers, "_process", noted)
    with pytest.raises(KeyboardInterrupt):
        run(folder, tmp_path / "out", Settings(), workers=2, report=stop)
    assert [row["study"] for row in table(tmp_path / "out")] == ["study_1", "study_3"]
    assert not any(worker._process.is_alive() for worker in started)


def test_a_full_disk_ends_the_run_instead_of_making_every_row_an_error(engines, folder, tmp_path, monkeypatch):
    def full(*_, **__):
        raise UnwritableError("out: cannot be written (No space left on device); make room or choose another folder")

    monkeypatch.setattr("infnet.cohort.row.write_all", full)
    with pytest.raises(UnwritableError, match="No space left"):
        run(folder, tmp_path / "out", Settings(files=True))
    monkeypatch.undo()
    assert not (tmp_path / "out" / "cohort.csv").exists()
    assert len((tmp_path / "out" / "rows.jsonl").read_text().splitlines()) == 1, "the settings and no row"


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "30000"])
def test_a_limit_is_a_number_of_minutes(folder, tmp_path, capsys, minutes):
    assert main(["batch", str(folder), str(tmp_path / "out"), "--limit-minutes", minutes]) == 2
    assert "minutes: give a number above 0, up to 20000" in capsys.readouterr().err


def test_a_bug_is_a_row_too_and_its_traceback_is_shown(engines, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("infnet.cohort.row.measure", lambda study, result: 1 / 0)
    rows = run(folder, tmp_path / "out", Settings())
    assert rows[0]["error"] == "study_1: internal error (ZeroDivisionError); please report it"
    said = capsys.readouterr().err
    assert "in examine" in said
    assert "ZeroDivisionError\n" in said
    run(folder, tmp_path / "named", Settings(names=True))
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().err


def test_of_several_series_the_largest_is_taken_and_the_row_says_so(engines, folder, tmp_path):
    study, _ = chest()
    assert study.affine is not None
    short = Study(study.pixels[:3], axial_affine((5.0, 1.0, 1.0)), name="short")
    write_dicom(short, folder / "case1" / "other")
    row = run(folder, tmp_path / "out", Settings())[0]
    assert row["slices"] == 6
    assert "The largest of 2 series was taken." in row["warnings"]


def test_files_of_each_study_are_written_when_asked_and_half_done_ones_removed(engines, folder, tmp_path):
    left = tmp_path / "out" / "studies" / ".infnet-half"
    left.mkdir(parents=True)
    run(folder, tmp_path / "out", Settings(files=True))
    assert not left.exists()
    assert (tmp_path / "out" / "studies" / "study_1" / "mask.nii.gz").exists()
    assert sorted(os.listdir(tmp_path / "out" / "studies")) == ["study_1", "study_2"]
    run(folder, tmp_path / "named", Settings(files=True, names=True))
    assert sorted(os.listdir(tmp_path / "named" / "studies")) == ["case1", "case2.nii.gz"]
    assert not (tmp_path / "named" / "names.json").exists()


def test_workers_do_all_studies_once(engines, folder, tmp_path):
    study, _ = chest()
    for number in range(20, 30):
        write_nifti(folder / f"case{number}.nii", study.pixels, study.affine)
    run(folder, tmp_path / "one", Settings(), workers=1)
    engines.clear()
    run(folder, tmp_path / "three", Settings(), workers=3)
    assert sorted(engines) == sorted(path.name for path in studies(folder))
    assert (tmp_path / "one" / "cohort.csv").read_bytes() == (tmp_path / "three" / "cohort.csv").read_bytes()


def test_a_folder_that_is_no_cohort_is_one_line(folder, tmp_path):
    with pytest.raises(InfNetError, match="holds DICOM files itself"):
        studies(folder / "case1")
    with pytest.raises(InfNetError, match="no such folder"):
        studies(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InfNetError, match="is empty"):
        studies(tmp_path / "empty")


@pytest.mark.parametrize(
    ("settings", "said"),
    [(Settings(threshold=2), "threshold 2"), (Settings(engine="x"), "engine x"), (Settings(model="x"), "no such")],
)
def test_bad_settings_are_refused_before_anything_is_written(folder, tmp_path, settings, said):
    with pytest.raises(InfNetError, match=said):
        run(folder, tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


def test_a_summary_becomes_one_flat_row():
    facts = {
        "study": "series 4",
        "shape": [3, 4, 5],
        "spacing_mm": None,
        "warnings": ["One.", "Two."],
        "lesion_volume_ml": 1.5,
        "by_class": {"ggo": {"mean_hu": -500.0}},
        "by_lung": {"right": {"ggo": {"lesion_pixels": 2}}},
        "provenance": {"models": {"infection": {"name": "m", "sha256": "s", "engine": "e"}}, "threshold": 0.5},
    }
    assert flat(facts) == {
        "series": "series 4",
        "slices": 3,
        "rows": 4,
        "columns": 5,
        "slice_mm": None,
        "row_mm": None,
        "column_mm": None,
        "lesion_volume_ml": 1.5,
        "ggo_mean_hu": -500.0,
        "right_ggo_lesion_pixels": 2,
        "warnings": "One. Two.",
        "model": "m",
        "weights_sha256": "s",
        "engine": "e",
        "threshold": 0.5,
        "infnet": None,
    }


def test_a_row_written_again_replaces_the_first(tmp_path):
    journal = Journal(tmp_path / "rows.jsonl", {"a": 1})
    journal.add({"study": "x", "error": "bad"})
    journal.add({"study": "x", "error": None})
    journal.close()
    again = Journal(tmp_path / "rows.jsonl", {"a": 1})
    again.close()
    assert again.rows == {"x": {"study": "x", "error": None}}


def test_the_command_runs_shipped_networks_in_processes_of_their_own(tmp_path, capsys):
    """From end to end, without fakes: three tiny studies and a bad one, by two workers."""
    study, _ = chest()
    rng = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for number in range(3):
        noisy = study.pixels + rng.integers(-20, 20, study.pixels.shape, dtype=np.int16)
        write_nifti(tmp_path / "in" / f"{number}.nii", noisy, study.affine)
    (tmp_path / "in" / "bad.nii").write_bytes(b"nothing")
    assert main(["batch", str(tmp_path / "in"), str(tmp_path / "out"), "--workers", "2", "--precision", "fp32"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("4 studies, 1 failed; table in ")
    assert captured.out.endswith("which study is which in " + str(tmp_path / "out" / "names.json") + "\n")
    assert "failed: study_4: " in captured.err
    rows = table(tmp_path / "out")
    assert [row["study"] for row in rows] == ["study_1", "study_2", "study_3", "study_4"]
    assert all(row["engine"].endswith("cpu fp32") for row in rows[:3])


@pytest.mark.slow
def test_a_ray_cluster_of_two_workers_gives_the_same_table(tmp_path):
    """Two nodes of one core each, the shipped networks."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    study, _ = chest()
    (tmp_path / "in").mkdir()
    for number in range(4):
        write_nifti(tmp_path / "in" / f"{number}.nii", study.pixels - number, study.affine)
    (tmp_path / "in" / "bad.nii").write_bytes(b"nothing")
    run(tmp_path / "in", tmp_path / "here", Settings(precision="fp32"))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        run(tmp_path / "in", tmp_path / "there", Settings(precision="fp32"), workers=2, ray=cluster.address)
    finally:
        cluster.shutdown()
    assert (tmp_path / "there" / "cohort.csv").read_bytes() == (tmp_path / "here" / "cohort.csv").read_bytes()
    assert len(table(tmp_path / "there")) == 5


def test_ray_is_named_where_it_is_missing(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    assert main(["batch", str(folder), str(tmp_path / "out"), "--ray", "auto"]) == 2
    assert "Ray is not installed; run `pip install 'infnet[ray]'`" in capsys.readouterr().err


def test_names_of_files_are_no_formulas_and_no_escapes_in_the_table(engines, tmp_path):
    names = ["=cmd|'calc'!A0", "+1", "-1", "@x", "a\r\x1b[31m\nb", "\uff1d1", os.fsdecode(b"\xff")]
    for name in names:
        (tmp_path / "in" / name).mkdir(parents=True)
    rows = run(tmp_path / "in", tmp_path / "out", Settings(names=True))
    assert len(rows) == len(names)
    written = {"'=cmd|'calc'!A0", "'+1", "'-1", "'@x", "a??[31m?b", "'\uff1d1", "?"}
    assert {row["study"] for row in table(tmp_path / "out")} == written
    assert "\x1b" not in (tmp_path / "out" / "cohort.csv").read_text()
    assert pyarrow.parquet.read_table(tmp_path / "out" / "cohort.parquet").num_rows == len(names)
    assert run(tmp_path / "in", tmp_path / "out", Settings(names=True)) == rows  # found again by their names


@pytest.mark.parametrize(
    "damage", [b"{nonsense\n", b"[1, 2]\n", b'{"study": 3, "error": null}\n', b"\xff\xfe\n", b"\n"]
)
def test_a_damaged_line_of_the_journal_costs_its_study_only(engines, folder, tmp_path, damage):
    run(folder, tmp_path / "whole", Settings())
    out = tmp_path / "out"
    run(folder, out, Settings())
    lines = (out / "rows.jsonl").read_bytes().splitlines(keepends=True)
    (out / "rows.jsonl").write_bytes(b"".join([*lines[:2], damage, *lines[3:]]))
    engines.clear()
    run(folder, out, Settings())
    assert json.loads(lines[2])["study"] == "study_2"
    assert engines == ["case2.nii.gz"]
    assert (out / "cohort.csv").read_bytes() == (tmp_path / "whole" / "cohort.csv").read_bytes()


def test_a_study_keeps_its_number_when_others_come_and_only_the_user_can_read_the_list(engines, folder, tmp_path):
    out = tmp_path / "out"
    run(folder, out, Settings())
    study, _ = chest()
    write_nifti(folder / "case0.nii", study.pixels, study.affine)
    engines.clear()
    assert [row["study"] for row in run(folder, out, Settings())] == ["study_4", "study_1", "study_2", "study_3"]
    assert engines == ["case0.nii"]
    known = json.loads((out / "names.json").read_text())
    assert known["input"] == str(folder)
    assert list(known["studies"].values()) == ["case1", "case2.nii.gz", "case10.txt", "case0.nii"]
    assert (out / "names.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [None, b"{", b"[]", b'{"input": "x", "studies": {"study_2": "case1"}}'])
def test_numbers_are_not_given_again_where_the_list_of_names_is_lost(engines, folder, tmp_path, damage):
    out = tmp_path / "out"
    run(folder, out, Settings())
    (out / "names.json").unlink()
    if damage is not None:
        (out / "names.json").write_bytes(damage)
    with pytest.raises(InfNetError, match=r"names.json: missing or damaged, .* put it back, or choose another folder"):
        run(folder, out, Settings())


def test_results_of_two_folders_are_not_mixed(engines, folder, tmp_path):
    run(folder, tmp_path / "out", Settings())
    folder.rename(tmp_path / "other")
    with pytest.raises(InfNetError, match="holds results of another folder"):
        run(tmp_path / "other", tmp_path / "out", Settings())


def test_a_journal_without_its_settings_is_one_line(engines, folder, tmp_path):
    out = tmp_path / "out"
    run(folder, out, Settings())
    (out / "rows.jsonl").write_bytes(b"{nonsense\n")
    with pytest.raises(InfNetError, match=r"rows.jsonl: its first line is damaged; choose another folder$"):
        run(folder, out, Settings())


@pytest.mark.parametrize("full", ["the first line", "the list of names", "the first row", "the tables"])
def test_a_full_disk_is_one_line_and_the_run_goes_on_later(engines, folder, tmp_path, monkeypatch, full):
    fsync, calls = os.fsync, []

    def failing(handle):
        calls.append(handle)
        if len(calls) >= {"the first line": 1, "the list of names": 2, "the first row": 4, "the tables": 7}[full]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(InfNetError, match=r"out: cannot be written \(No space left on device\); make room"):
            run(folder, tmp_path / "out", Settings())
    assert len(run(folder, tmp_path / "out", Settings())) == 3


def test_a_study_of_two_patients_is_an_error_not_the_larger_one(engines, tmp_path):
    import pydicom

    study, _ = chest()
    write_dicom(study, tmp_path / "in" / "case" / "a")
    for path in write_dicom(study.with_pixels(study.pixels[::-1]), tmp_path / "in" / "case" / "b")[:4]:
        dataset = pydicom.dcmread(path)
        dataset.PatientID = "SOMEBODY-ELSE"
        dataset.save_as(path)
    (row,) = run(tmp_path / "in", tmp_path / "out", Settings())
    assert "holds 2 series of 2 patients; choose one" in row["error"]
    assert "somebody" not in row["error"].lower()
