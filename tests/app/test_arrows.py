"""Who may know whom inside the app. Read from the source, so an import inside a function counts too."""

from __future__ import annotations

import pytest

from tests.test_imports import ROOT, files, imports, name_of

PAGES = ("about", "check", "compare", "numbers", "study", "viewer")
PLAIN = ("case", "examples", "figures", "jobs", "pictures", "reading", "tables", "texts", "tokens", "units", "uploads")


def known(folder: str) -> dict[str, set[str]]:
    """File -> the names that it imports."""
    return {name_of(path): set(imports(path)) for path in files(folder)}


def inside(names: set[str], *packages: str) -> set[str]:
    """Those of the names that lie in one of the packages."""
    return {name for name in names if any(f"{name}.".startswith(f"{package}.") for package in packages)}


def test_every_page_is_listed_here() -> None:
    assert {path.stem for path in (ROOT / "app" / "views").glob("*.py")} == {"__init__", *PAGES}


def test_pages_know_no_other_page() -> None:
    pages = [f"app.views.{page}" for page in PAGES]
    for file, names in known("app/views").items():
        assert not inside(names, *pages), file


def test_core_knows_no_page_and_no_widget() -> None:
    for file, names in known("app/core").items():
        assert not inside(names, "app.views", "app.components", "app.demo", "app.main", "app.gradio_demo"), file


@pytest.mark.parametrize("module", PLAIN)
def test_plain_modules_of_the_core_know_no_user_interface(module: str) -> None:
    (names,) = [names for file, names in known("app/core").items() if file == f"app/core/{module}.py"]
    assert not inside(names, "streamlit", "gradio"), module


def test_demo_and_pages_know_nothing_of_each_other() -> None:
    for file, names in known("app/demo").items():
        assert not inside(names, "app.views", "app.components", "streamlit"), file
    for file, names in known("app/views").items():
        assert not inside(names, "app.demo", "app.gradio_demo", "gradio"), file


def test_no_fragment_has_a_timer_of_streamlits() -> None:
    """It does not look whether a click is under way, and brings the page back that was left: `widgets.pulse` does."""
    for path in files("app"):
        assert "run_every=" not in path.read_text(), name_of(path)
