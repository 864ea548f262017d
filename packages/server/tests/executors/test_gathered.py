"""What parts' answers make of a row, whoever has evaluated them, and in whatever order."""

import itertools

import pytest
from cryptable_server.executors.executor import Evaluated
from cryptable_server.executors.gathered import Gathered


def part(number, **fields):
    wall = 1.0 + number
    figures = {"cpu_seconds": wall / 2, "wall_seconds": wall, "trim_seconds": wall / 8, "queue_seconds": 5.0 + number}
    return Evaluated((b"%d" % number,), **{**figures, "key_seconds": 0.5, "keys_cached": True, "lookups": 3, **fields})


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_answers_stand_in_the_order_of_parts(order):
    gathered = Gathered(3)
    *before, row = [gathered.add(number, worker, part(number)) for worker, number in enumerate(order)]
    assert before == [None, None]
    assert row.tensors == (b"0", b"1", b"2")
    assert (row.cpu_seconds, row.queue_seconds, row.lookups, row.rows) == (3.0, 5.0, 3, 1)
    assert (row.wall_seconds, row.trim_seconds, row.key_seconds) == (3.0, 3 / 8, 0.5)  # of who had the last part
    assert gathered.worker_seconds == 6.0


def test_what_one_worker_evaluates_takes_it_one_after_the_other():
    gathered = Gathered(3)
    for number, worker in enumerate([0, 0, 1]):
        row = gathered.add(number, worker, part(number))
    assert (row.wall_seconds, row.trim_seconds, row.key_seconds) == (3.0, 3 / 8, 1.0)
    gathered = Gathered(3)
    for number, worker in enumerate([0, 1, 0]):
        row = gathered.add(number, worker, part(number))
    assert (row.wall_seconds, row.trim_seconds, row.key_seconds) == (4.0, 4 / 8, 1.0)


@pytest.mark.parametrize(("each", "of_the_row"), [((True, True), True), ((True, False), False), ((None, None), None)])
def test_keys_were_there_where_every_worker_had_them(each, of_the_row):
    gathered = Gathered(2)
    for number, cached in enumerate(each):
        row = gathered.add(number, number, part(number, keys_cached=cached))
    assert row.keys_cached is of_the_row
