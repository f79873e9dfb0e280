"""Each training program from its command line, a few steps on slices made for the test: it runs, logs and saves."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture(scope="module")
def data_sets(tmp_path_factory):
    """Ten labelled slices with classes, five patients and five lung slices in HU; lesions are brighter than lung."""
    root = tmp_path_factory.mktemp("data")
    sets = root / "covid-semiseg" / "Dataset" / "TrainingSet"
    rng = np.random.default_rng(0)
    for number in range(20, 30):
        grey = rng.integers(30, 60, (64, 64)).astype(np.uint8)
        kinds = np.zeros((64, 64), np.uint8)
        row, column = rng.integers(5, 35, 2)
        kinds[row : row + 12, column : column + 20] = 1
        kinds[row + 12 : row + 20, column : column + 20] = 2
        grey[kinds == 1] = 130
        grey[kinds == 2] = 190
        grey[:, 60:] = 220
        save(sets / "LungInfection-Train/Doctor-label/Imgs" / f"{number}.png", grey)
        save(sets / "LungInfection-Train/Doctor-label/GT" / f"{number}.png", ((kinds > 0) * 255).astype(np.uint8))
        save(sets / "MultiClassInfection-Train/Imgs" / f"{number}.png", grey)
        save(sets / "MultiClassInfection-Train/GT" / f"{number}.png", kinds)
    for number in range(1, 6):
        grey = np.zeros((80, 80), np.uint8)
        grey[5:75, 5:75] = 100
        grey[15:65, 15:65] = 14
        lungs = (grey == 14).astype(np.uint8) * 255
        lesion = np.zeros((80, 80), np.uint8)
        lesion[20:30, 20:40] = 255
        grey[lesion > 0] = 50
        for kind, array in (("images", grey), ("lungs", lungs), ("lesions", lesion)):
            save(root / "coronacases" / kind / f"corona00{number}_s010.png", array)
        hu = np.full((64, 64), 40, np.int16)
        hu[10:50, 10:50] = -850
        save(root / "lungs-hu" / "images" / f"ID_000{number}_Z_0100.tif", hu)
        save(root / "lungs-hu" / "masks" / f"ID_000{number}_Z_0100.png", ((hu < 0) * 255).astype(np.uint8))
    return root


def train(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"train.{program}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)


@pytest.mark.parametrize(
    ("program", "column"),
    [("multiclass", "GGO mean Dice"), ("lungs", "lungs-hu")],
)
def test_program_trains_and_resumes(program, column, data_sets, tmp_path):
    steps = ["--data", str(data_sets), "--run", str(tmp_path), "--steps", "4", "--validate-every", "2"]
    size = ["--size", "64"] if program != "lungs" else []
    done = train(program, *steps, *size)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [row["step"] for row in rows] == ["2", "4"]
    assert 0 <= float(rows[-1][column]) <= 1
    assert (tmp_path / "best.pt").exists()
    again = train(program, *steps, *size, "--resume")
    assert again.returncode == 0, again.stderr
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3  # it was finished: nothing was done twice
    other = train(program, *steps, *size, "--resume", "--learning-rate", "0.1")
    assert other.returncode == 2
    assert "made with other settings" in other.stderr


@pytest.mark.parametrize("program", ["supervised", "multiclass", "lungs"])
def test_missing_data_is_one_line(program, tmp_path):
    done = train(program, "--data", str(tmp_path / "nowhere"), "--run", str(tmp_path / "run"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no images; set INFNET_DATA" in done.stderr
