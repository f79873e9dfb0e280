"""Studies that appear in a folder are segmented once each, when nothing changes in them any more."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from infnet.errors import InfNetError
from infnet.node.send import Folder
from infnet.node.watch import Watched
from infnet.phantom import write_dicom
from tests.node.driving import Node, until
from tests.pipeline.test_run import chest


def cases(watched: Watched) -> list[str]:
    """The studies that are whole at the second look; nothing is at the first."""
    list(watched.cases())
    return [case.name for case, _ in watched.cases()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder and a zip with a study each, and a text."""
    watched = tmp_path / "Zaubermann"
    write_dicom(chest()[0], watched / "Zaubermann_Eva")
    with zipfile.ZipFile(watched / "Zaubermann2.zip", "w") as archive:
        for path in write_dicom(chest()[0].with_spacing(1, 1), tmp_path / "other"):
            archive.write(path, path.name)
    (watched / "Zaubermann.txt").write_text("no study")
    return watched


def test_each_study_gets_a_result_and_is_left_where_it_is(node: Node, folder: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    watched = Watched(folder, node.queue.out, 0.0)
    with node.sending(target=Folder(tmp_path / "results")):
        node.work(lambda: sum("result sent" in said or "failed" in said for said in node.said) == 3, feed=watched)
    until(lambda: node.results() == [])
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    found = sorted((tmp_path / "results").glob("*/*.dcm"))
    assert sorted(len(list((tmp_path / "results").glob(f"study_{number}/*"))) for number in (1, 2, 3)) == [0, 3, 3]
    assert "zaubermann" not in "".join(node.said).lower() + "".join(str(path.relative_to(tmp_path)) for path in found)
    index = json.loads((node.queue.out / "names.json").read_text())["studies"]
    assert sorted(index.values()) == sorted(path.name for path in folder.iterdir())
    node.said.clear()
    seen = [0]

    def twice() -> bool:
        seen[0] += 1
        return seen[0] > 3

    node.work(twice, feed=Watched(folder, node.queue.out, 0.0))
    assert node.said == [], "nothing is done again after a start"


def test_a_study_that_changes_is_not_whole_and_runs_again(node: Node, folder: Path) -> None:
    watched = Watched(folder, node.queue.out, 0.0)
    assert cases(watched) == ["study_1", "study_2", "study_3"]
    (case, before), *_ = ((case, looks) for case, looks in watched.cases() if case.path.is_dir())
    (case.path / "further").write_bytes(b"x")
    assert case.name not in [found.name for found, _ in watched.cases()]
    assert case.name in [found.name for found, _ in watched.cases()]
    assert watched.objects(case) != before
    assert cases(Watched(folder, node.queue.out, 3600.0)) == []


def test_new_ones_get_the_next_number_and_old_ones_keep_theirs(node: Node, folder: Path) -> None:
    watched = Watched(folder, node.queue.out, 0.0)
    before = {case.path.name: case.name for case, _ in [*watched.cases(), *watched.cases()]}
    shutil.copytree(folder / "Zaubermann_Eva", folder / "A first one")
    list(watched.cases())
    after = {case.path.name: case.name for case, _ in watched.cases()}
    assert after == {**before, "A first one": "study_4"}


def test_a_folder_that_is_missing_or_another_one_is_said(node: Node, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InfNetError, match="no such folder"):
        Watched(tmp_path / "none", node.queue.out, 0.0)
    Watched(folder, node.queue.out, 0.0)
    with pytest.raises(InfNetError, match="another folder"):
        Watched(tmp_path, node.queue.out, 0.0)
