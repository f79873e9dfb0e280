from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gate import pooled
from benchmarks.measuring import Table, command, hardware, side_by_side
from benchmarks.networks import REFERENCE, feed, operations, reference
from benchmarks.path import profile
from benchmarks.scaling import series
from infnet.engine import TorchEngine
from tests.engine.making import Scale

ROOT = Path(__file__).parents[2]


def test_a_table_is_markdown_with_three_digits_that_count():
    table = Table("Speed", ["engine", "ms"], [["a", 0.12345], ["b", 1234.5], ["c", 7]], "Median.")
    assert str(table).splitlines() == [
        "## Speed",
        "",
        "| engine | ms |",
        "| --- | --- |",
        "| a | 0.123 |",
        "| b | 1234 |",
        "| c | 7 |",
        "",
        "Median.",
    ]


def test_contenders_take_turns_after_a_warm_run_of_each():
    order: list[str] = []
    seconds = side_by_side({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert set(seconds) == {"a", "b"}
    assert all(value >= 0 for value in seconds.values())


def test_the_reference_loop_and_an_engine_give_the_same_maps():
    batch = np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype(np.float32)
    engine = TorchEngine(Scale(), "cpu")
    assert np.allclose(reference(Scale().eval(), batch), engine(batch), atol=1e-6)
    feed(engine, batch)
    assert REFERENCE.startswith("PyTorch eager")


def test_operations_are_two_for_each_product_of_a_convolution():
    assert operations(Scale(), (1, 8, 8)) == 2 * 8 * 8  # one weight, at each of 64 pixels


def test_pooled_dice_takes_all_slices_as_one_picture():
    found = [np.array([[True, True]]), np.array([[False, False]])]
    truth = [np.array([[True, False]]), np.array([[True, False]])]
    assert pooled(found, truth) == pytest.approx(2 * 1 / (2 + 2))


def test_the_profile_of_the_command_line_is_understood():
    printed = (
        "series 4: lesion 145.5 ml of lung 6297 ml, involvement 2.3 %; 75 files in out\n"
        "wall time 7.2 s (0.10 s a slice, 74 slices): read 1.1 s, segment 4.5 s, measure and write 1.6 s\n"
        "peak memory 0.86 GiB\n"
    )
    assert profile(printed) == {
        "read": 1.1,
        "segment": 4.5,
        "measure and write": 1.6,
        "slice": 0.10,
        "slices": 74,
        "total": 7.2,
        "GiB": 0.86,
    }


@pytest.mark.parametrize(("count", "first", "last"), [(2, 1, 2), (4, 0, 3), (6, 0, 2)])
def test_a_phantom_series_is_spread_when_short_and_runs_there_and_back_when_long(tmp_path, count, first, last):
    import infnet

    source = np.arange(4, dtype=np.int16)[:, None, None].repeat(32, 1).repeat(32, 2)
    series(tmp_path / "in", count, source)
    study = infnet.read(tmp_path / "in")
    assert len(study.pixels) == count
    assert (study.pixels[0, 0, 0], study.pixels[-1, 0, 0]) == (first, last)


def test_the_machine_is_named():
    assert "cores; " in hardware()
    assert "torch 2" in hardware()


def test_a_failing_command_is_not_timed():
    with pytest.raises(RuntimeError, match="segment"):
        command("segment", "no-such-file", "--out", "nowhere")


def test_an_unknown_benchmark_is_one_line():
    run = subprocess.run([sys.executable, "-m", "benchmarks", "nothing"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2
    assert "nothing: no such benchmark; choose from networks, path" in run.stderr
