"""What the pages for contributors say about the tree is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_imports import ALLOWED

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/architecture.md")
# Given as an example of a file that somebody may add.
IMAGINED = {"infnet/read/nrrd.py", "app/views/NAME.py"}
PATH = re.compile(r"`((?:infnet|app|train|tests|weights|docs|benchmarks)/[\w./-]*)`")


@pytest.mark.parametrize("page", PAGES)
def test_every_path_exists(page: str) -> None:
    named = set(PATH.findall((ROOT / page).read_text())) - IMAGINED
    assert not {path for path in named if not (ROOT / path).exists()}


def test_the_floors_hold_every_room_and_every_arrow_points_down() -> None:
    drawn = re.search(r"```text\n(command .*?)```", (ROOT / "docs" / "architecture.md").read_text(), re.DOTALL)
    assert drawn
    floors = [re.split(r" {3,}", line, maxsplit=2)[1].split() for line in drawn[1].splitlines()]
    height = {room: -number for number, rooms in enumerate(floors) for room in rooms}
    assert set(height) == {*ALLOWED, "__main__"}
    ground = min(height.values())
    for room, known in ALLOWED.items():
        # The modules on the ground may know each other.
        upward = {other for other in known if height[other] >= height[room] > ground}
        assert not upward, f"{room} knows {sorted(upward)}, which lie no lower in docs/architecture.md"
