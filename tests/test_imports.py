"""The arrows of the house: who may import whom. Read from the source, so an import inside a function counts too."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GROUND = {"errors", "notices", "version", "concurrency", "files", "geometry", "study", "grey"}

# Room or module of infnet -> the rooms and modules of infnet that it may know. A new one finds its place here first.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "notices": set(),
    "version": set(),
    "concurrency": set(),
    "files": set(),
    "grey": set(),
    "geometry": {"errors", "study"},
    "study": {"errors", "notices", "geometry"},
    "networks": set(),
    "engine": {"errors", "notices", "files"},
    "weights": {"errors", "networks", "files"},
    "read": GROUND,
    "overlay": GROUND,
    "pipeline": GROUND | {"engine", "weights"},
    "measure": GROUND | {"pipeline"},
    "export": GROUND | {"measure", "overlay"},
    "phantom": GROUND,
    "cohort": GROUND | {"read", "weights", "engine", "pipeline", "measure", "export", "__init__"},
    "node": GROUND | {"cohort", "read", "weights", "engine", "pipeline", "measure", "export", "__init__"},
    "__init__": {"errors", "notices", "version", "read", "study", "pipeline", "measure", "weights"},
}
TORCH = {"torch", "torchvision", "timm", "segmentation_models_pytorch"}
ALGORITHMS = {"scipy", "skimage", "pydicom", "nibabel", "safetensors"} | TORCH


def imports(path: Path) -> Iterator[str]:
    """Dotted names that a file imports; `from a import b` gives `a.b`."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            yield from (".".join([*base, alias.name]) for alias in node.names)


def top(path: Path) -> str:
    """The module or sub-package of infnet that a file belongs to."""
    return path.relative_to(ROOT / "infnet").with_suffix("").parts[0]


def known(name: str) -> str | None:
    """The module of infnet that an imported name belongs to; None for what is not ours."""
    parts = name.split(".")
    if parts[0] != "infnet":
        return None
    found = len(parts) > 1 and any((ROOT / "infnet" / n).exists() for n in (parts[1], f"{parts[1]}.py"))
    return parts[1] if found else "__init__"


def files(*folders: str) -> list[Path]:
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", files("infnet"), ids=name_of)
def test_arrows_inside_the_package(path: Path) -> None:
    module = top(path)
    if module == "__main__":
        return
    assert module in ALLOWED, f"infnet/{module}: say in ALLOWED which modules it may know"
    seen = {known(name) for name in imports(path)} - {None, module}
    assert seen <= ALLOWED[module], f"{name_of(path)} may not import {sorted(seen - ALLOWED[module])}"  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("infnet", {"app", "train", "tests", "streamlit", "gradio"}),
        ("train", {"app", "tests", "streamlit", "gradio"}),
        ("app", {"train", "tests", *ALGORITHMS}),
    ],
)
def test_arrows_between_the_packages(folder: str, forbidden: set[str]) -> None:
    for path in files(folder):
        seen = {name.split(".")[0] for name in imports(path)}
        assert not seen & forbidden, f"{name_of(path)} may not import {sorted(seen & forbidden)}"


def test_pure_modules_know_no_network_library() -> None:
    pure = ("errors", "notices", "geometry", "study", "grey", "measure", "overlay", "phantom")
    for path in [p for p in files("infnet") if top(p) in (*pure, "read", "export")]:
        seen = {name.split(".")[0] for name in imports(path)}
        assert not seen & TORCH, f"{name_of(path)} may not import {sorted(seen & TORCH)}"


def test_reading_needs_no_torch() -> None:
    """`import infnet` stays quick: torch is imported by the first `segment`."""
    code = "import sys, infnet; infnet.read; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
