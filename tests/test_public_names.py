"""`import infnet` alone gives every public name, and stays light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def python(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=99, check=True)
    return run.stdout.strip()


@pytest.mark.parametrize(
    "name", ["read", "segment", "load_engines", "measure.measure", "weights.load_reference", "InfNetError", "Study"]
)
def test_name_is_there_after_a_plain_import(name):
    assert python(f"import infnet; print(callable(infnet.{name}))") == "True"


def test_import_brings_no_heavy_package():
    heavy = "{'torch', 'pydicom', 'nibabel', 'scipy', 'skimage', 'streamlit'}"
    assert python(f"import sys, infnet; print(sorted({heavy} & set(sys.modules)))") == "[]"


def test_read_stays_the_function_when_its_modules_are_imported():
    assert python("import infnet, infnet.read.dicom; print(callable(infnet.read))") == "True"
