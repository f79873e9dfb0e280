"""`python -m train.evaluate --predictions`: folders of maps, in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infnet.measure.metrics import all_scores, dice
from tests.train.evaluating import refuse, run, soft, square
from tests.train.making import save

KEYS = {
    "dice", "sensitivity", "specificity", "structure", "enhanced_alignment", "mae", "dice_at_threshold", "dice_present",
    "count", "count_present",
}  # fmt: skip


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Maps a.png, b.png and c.png that are no masks, and truths; that of c is empty."""
    for number, name in enumerate("abc"):
        save(tmp_path / "maps" / f"{name}.png", soft(number))
        save(tmp_path / "truth" / f"{name}.png", 255 * square(4, 5 + number).astype(np.uint8) * (name != "c"))
    return tmp_path / "maps", tmp_path / "truth"


def test_scores_are_means_over_slices_and_an_empty_truth_counts_0(tmp_path, folders, capsys):
    maps, truth = folders
    results = run(tmp_path, "--predictions", maps, "--ground-truth", truth)
    assert results.keys() == {"infection"}
    assert results["infection"].keys() == KEYS
    greys = [soft(i) / 255 for i in range(3)]
    truths = [square(4, 5), square(4, 6), np.zeros((20, 24), bool)]
    each = np.array([all_scores(g, t) for g, t in zip(greys, truths, strict=True)])
    for name, mean in zip(all_scores(greys[0], truths[0])._fields, each.mean(0), strict=True):
        assert results["infection"][name] == pytest.approx(mean, abs=1e-6)
    assert each[2, 0] == 0
    assert results["infection"]["dice_present"] == pytest.approx(each[:2, 0].mean(), abs=1e-6)
    plain = [dice(g >= 0.5, t) for g, t in zip(greys, truths, strict=True)]
    assert results["infection"]["dice_at_threshold"] == pytest.approx(np.mean(plain), abs=1e-6)
    assert (results["infection"]["count"], results["infection"]["count_present"]) == (3, 2)
    printed = capsys.readouterr().out
    assert f"{each[:, 0].mean():.3f}" in printed
    assert "2/3" in printed


def test_the_plain_dice_follows_the_threshold_and_the_name_is_given(tmp_path, folders):
    maps, truth = folders
    results = run(tmp_path, "--predictions", maps, "--ground-truth", truth, "--threshold", 0.9, "--name", "lungs")
    plain = [dice(soft(0) / 255 >= 0.9, square(4, 5)), dice(soft(1) / 255 >= 0.9, square(4, 6)), 0]
    assert results["lungs"]["dice_at_threshold"] == pytest.approx(np.mean(plain), abs=1e-6)


def test_a_folder_for_each_class(tmp_path):
    for number in range(3):
        save(tmp_path / "truth" / "GT-1" / f"{number}.png", 255 * square(2, 2).astype(np.uint8))
        save(tmp_path / "truth" / "GT-2" / f"{number}.png", 255 * square(2, 12).astype(np.uint8) * (number == 0))
        save(tmp_path / "same" / "GT-1" / f"{number}.png", 255 * square(2, 2).astype(np.uint8))
        save(tmp_path / "same" / "GT-2" / f"{number}.png", 255 * square(2, 12).astype(np.uint8))
        save(tmp_path / "named" / "ggo" / f"{number}.png", 255 * square(2, 2).astype(np.uint8))
        save(tmp_path / "named" / "consolidation" / f"{number}.png", 255 * square(2, 12).astype(np.uint8))
    results = run(tmp_path, "--predictions", tmp_path / "same", "--ground-truth", tmp_path / "truth")
    assert results == run(tmp_path, "--predictions", tmp_path / "named", "--ground-truth", tmp_path / "truth")
    perfect = (255 + 128 / 544) / 256
    assert results["ggo"]["dice"] == pytest.approx(perfect, abs=1e-6)
    assert results["consolidation"]["dice"] == pytest.approx(perfect / 3, abs=1e-6)
    assert results["consolidation"]["dice_present"] == pytest.approx(perfect, abs=1e-6)
    assert results["consolidation"]["count_present"] == 1


def test_a_class_that_is_nowhere_has_no_dice_where_present(tmp_path, capsys):
    save(tmp_path / "maps" / "1.png", soft(0))
    save(tmp_path / "truth" / "1.png", np.zeros((20, 24), np.uint8))
    results = run(tmp_path, "--predictions", tmp_path / "maps", "--ground-truth", tmp_path / "truth")
    assert results["infection"]["dice_present"] is None
    assert "0/1" in capsys.readouterr().out


def test_missing_maps_are_named(folders, capsys):
    maps, truth = folders
    (maps / "a.png").unlink()
    (maps / "c.png").unlink()
    line = refuse(capsys, "--predictions", maps, "--ground-truth", truth)
    assert line == f"{maps}: no maps for a, c; add what is missing"


def test_extra_maps_are_named_and_left_out(tmp_path, folders, capsys):
    maps, truth = folders
    for name in ("10", "9"):
        save(maps / f"{name}.png", soft(0))
    assert run(tmp_path, "--predictions", maps, "--ground-truth", truth)["infection"]["count"] == 3
    assert capsys.readouterr().err == f"{maps}: left out, without ground truth: 9, 10\n"


def test_bad_folders_end_in_one_line(tmp_path, folders, capsys):
    maps, truth = folders
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "notes.txt").write_text("")

    def line(predictions: Path, ground_truth: Path) -> str:
        return refuse(capsys, "--predictions", predictions, "--ground-truth", ground_truth)

    assert line(tmp_path / "nowhere", truth) == f"{tmp_path / 'nowhere'}: no such folder; correct the path"
    assert line(maps, tmp_path / "nowhere") == f"{tmp_path / 'nowhere'}: no such folder; correct the path"
    assert line(empty, truth).startswith(f"{empty}: no pictures")
    assert line(maps, empty).startswith(f"{empty}: no pictures")
    save(maps / "a.tif", soft(0))
    assert line(maps, truth) == f"{maps}: both a.png and a.tif; keep one of them"
    (maps / "a.tif").unlink()
    (truth / "GT-1").mkdir()
    assert line(maps, truth) == f"{maps}: no sub-folder of ggo; name them as in {truth}"
    assert refuse(capsys, "--predictions", maps).startswith("--ground-truth: missing")
    assert refuse(capsys, "--ground-truth", truth).startswith("--predictions, --weights: one of the two is needed")


def test_bad_pictures_end_in_one_line(folders, capsys):
    maps, truth = folders

    def line(path: Path, array: np.ndarray) -> str:
        kept = path.read_bytes()
        Image.fromarray(array).save(path, "TIFF" if array.dtype == np.float32 else "PNG")
        told = refuse(capsys, "--predictions", maps, "--ground-truth", truth)
        path.write_bytes(kept)
        assert told.startswith(f"{path}: ")
        return told

    assert "highest value is 2; a ground truth holds 0 and 255" in line(
        truth / "b.png", 2 * square(1, 1).astype(np.uint8)
    )
    assert "holds values below 0" in line(maps / "b.png", np.full((20, 24), -3, np.float32))
    assert "no numbers" in line(maps / "b.png", np.full((20, 24), np.nan, np.float32))
    rainbow = np.dstack([soft(0), 255 - soft(0), soft(1)])
    assert "a picture in colours" in line(maps / "b.png", rainbow)
    (maps / "b.png").write_bytes(b"no picture")
    line_ = refuse(capsys, "--predictions", maps, "--ground-truth", truth)
    assert line_.startswith(f"{maps / 'b.png'}: not a readable picture")


def test_a_place_that_cannot_be_written_is_named(tmp_path, folders, capsys):
    maps, truth = folders
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "scores.json"
    line = refuse(capsys, "--predictions", maps, "--ground-truth", truth, "--json", target)
    assert line.startswith(f"{target}: not written")


def test_folders_of_maps_need_no_torch():
    """Its import takes seconds."""
    import subprocess
    import sys

    code = "import sys, train.evaluate; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
