from __future__ import annotations

import threading

import pytest

from infnet.concurrency import AHEAD, map_in_threads, portions


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(at_once):
    assert list(map_in_threads(lambda n: n * n, range(100), at_once)) == [n * n for n in range(100)]


def test_two_pieces_of_work_run_at_the_same_time():
    both = threading.Barrier(2)  # passes only when two threads stand at it
    assert sorted(map_in_threads(lambda _: both.wait(timeout=20), range(2), 2)) == [0, 1]


def test_items_are_taken_only_as_they_are_needed():
    taken = []

    def items():
        for n in range(1000):
            taken.append(n)
            yield n

    results = map_in_threads(lambda n: n, items(), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 2 * AHEAD + 3
    results.close()
    assert len(taken) < 1000


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_failure_reaches_the_caller(at_once):
    with pytest.raises(ZeroDivisionError):
        list(map_in_threads(lambda n: 1 // n, [1, 0, 1], at_once))


def test_portions_cover_everything_once():
    assert portions([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]
    assert portions([], 2) == []
