"""Recipes of the shipped weights: every option is one that its program takes, and runs go on where they stand."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import pytest

from infnet import weights
from infnet.errors import InfNetError
from train import recipe
from train.fitting.checkpoint import save_atomically
from train.fitting.config import TrainConfig
from train.fitting.options import configure
from train.sources import CLASS_READERS, READERS, parse_mix


@pytest.mark.parametrize("name", recipe.recipes())
def test_every_run_is_a_command_line_that_its_program_takes(name, tmp_path, monkeypatch):
    """The programs are asked to parse them and to make their settings; none trains."""
    before = set()
    for run in recipe.recipes()[name]["runs"]:
        program = importlib.import_module(f"train.{run['program']}")
        given = []

        def take(parser, argv, body, given=given):
            given.append(parser.parse_args(argv))

        monkeypatch.setattr("train.fitting.options.run_program", take)
        program.main([*recipe.arguments(run["options"], tmp_path), "--out", str(tmp_path), "--resume"])
        (options,) = given
        config = configure(options, program.RECIPE).as_dict()
        for key, value in run["options"].items():
            assert config.get(key, value) == value or key == "mix", key
            assert key in config or key in ("init", "validate_on", "pretrained"), key
        if "mix" in options:
            sources = {source for source, _ in parse_mix(options.mix)} | set(options.validate_on.split(","))
            assert sources <= set(CLASS_READERS if run["program"] == "multiclass" else READERS)
        if "init" in run["options"]:
            assert Path(options.init).parent in before, "starts from what an earlier run leaves"
        before.add(tmp_path / run["folder"])


def test_every_shipped_network_has_a_recipe():
    assert set(weights.registry()) <= set(recipe.recipes())


def test_a_folder_of_other_settings_is_refused(tmp_path):
    save_atomically({"step": 5, "config": TrainConfig(steps=5, size=352).as_dict()}, tmp_path / "last.pt")
    assert recipe.finished(tmp_path, {"steps": 5, "size": 352, "mix": "labelled=1"})
    with pytest.raises(InfNetError, match=r"other settings \(size\)"):
        recipe.finished(tmp_path, {"steps": 5, "size": 256})


@pytest.fixture
def program(monkeypatch):
    """A training program that notes how it was called, and does five steps a call."""
    calls = []

    def main(argv):
        calls.append(argv)
        out = argv[argv.index("--out") + 1]
        steps = int(argv[argv.index("--steps") + 1])
        path = Path(out)
        path.mkdir(parents=True, exist_ok=True)
        done = 5 + 5 * sum(1 for each in calls[:-1] if out in each)
        save_atomically({"step": min(done, steps), "config": TrainConfig(steps=steps).as_dict()}, path / "last.pt")

    made = types.SimpleNamespace(main=main)
    monkeypatch.setitem(sys.modules, "train.fake", made)
    return calls


RUNS = [
    {"folder": "a", "program": "fake", "options": {"steps": 5}},
    {"folder": "b", "program": "fake", "options": {"steps": 10, "init": "{out}/a/last.pt"}},
]


def test_runs_follow_each_other_and_are_not_done_twice(program, tmp_path):
    assert not recipe.follow(RUNS, tmp_path, None), "the second one paused"
    assert [call[call.index("--out") + 1] for call in program] == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert str(tmp_path / "a" / "last.pt") in program[1]
    assert recipe.follow(RUNS, tmp_path, tmp_path)
    assert len(program) == 3
    assert program[2][program[2].index("--data") + 1] == str(tmp_path)
    assert recipe.follow(RUNS, tmp_path, None)
    assert len(program) == 3


def test_no_time_is_a_pause(program, tmp_path):
    assert not recipe.follow(RUNS, tmp_path, None, minutes=0)
    assert not program


def test_list_names_every_recipe(capsys):
    recipe.main(["--list"])
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == list(recipe.recipes())
