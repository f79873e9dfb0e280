"""The wheel as a stranger gets it: what is inside, and whether it works where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest

from infnet import weights
from infnet.phantom import chest, write_dicom

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def run(*command: object, folder: Path, **environment: str) -> str:
    """Run a command in `folder`, where no checkout can be seen; what it printed."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "INFNET_", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, folder=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that holds the wheel and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    environment = folder / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", environment, folder=folder)
    install = ("install", "--quiet", "--no-deps", "--no-index", wheel)
    run(sys.executable, "-m", "pip", "--python", environment / "bin" / "python", *install, folder=folder)
    return environment / "bin"


# The dependencies take minutes and gigabytes to install, so those of the environment that runs the tests are used. A
# folder in PYTHONPATH gives its packages, but its .pth files are not read: the checkout stays out of sight.
DEPENDENCIES = {"PYTHONPATH": sysconfig.get_path("purelib")}


def test_the_wheel_holds_the_package_and_its_weights_only(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0].split("-")[0] for name in names} == {"infnet"}
    assert "infnet/shipped/registry.json" in names
    assert {f"infnet/shipped/{entry.file}" for entry in weights.registry().values()} <= names
    modules = {p.relative_to(ROOT).as_posix() for p in (ROOT / "infnet").rglob("*.py")}
    assert modules == {name for name in names if name.endswith(".py")}


def test_the_command_finds_its_own_weights(installed: Path, tmp_path: Path) -> None:
    code = "import infnet; print(infnet.__file__)"
    assert Path(run(installed / "python", "-c", code, folder=tmp_path, **DEPENDENCIES)).is_relative_to(installed.parent)
    told = run(installed / "infnet", "info", folder=tmp_path, **DEPENDENCIES)
    (line,) = (line for line in told.splitlines() if line.startswith("weights in "))
    assert Path(line.removeprefix("weights in ")).is_relative_to(installed.parent)
    assert "MISSING" not in told


def test_a_phantom_is_segmented_as_in_the_checkout(installed: Path, tmp_path: Path) -> None:
    phantom = chest(slices=8, rows=256, columns=256, spacing=(30.0, 1.4, 1.4))
    write_dicom(phantom.study, tmp_path / "scan")
    options = ("segment", tmp_path / "scan", "--device", "cpu", "--precision", "fp32", "--out")
    run(sys.executable, "-m", "infnet", *options, tmp_path / "checkout", folder=ROOT)
    run(installed / "infnet", *options, tmp_path / "wheel", folder=tmp_path, **DEPENDENCIES)
    for file in ("mask.nii.gz", "lungs.nii.gz"):
        here, there = (np.asarray(nibabel.load(tmp_path / maker / file).dataobj) for maker in ("checkout", "wheel"))
        assert set(np.unique(here)) == {0, 1, 2}, file  # both lesions, both lungs: not two empty masks
        assert np.array_equal(here, there), file
