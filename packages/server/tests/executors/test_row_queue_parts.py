"""Which part of which row who gets, without any worker."""

import threading

import pytest
from cryptable_server.errors import OverloadedError, TooLateError
from cryptable_server.executors.evaluation_times import EvaluationTimes
from row_queues import CLOCK, SIZE, job, put, queue_of, rest
from waiting import LONG_SECONDS


def parts(*taken):
    """Of which row each is, and which part."""
    return [(each.job, each.part) for each in taken]


def test_a_row_that_nobody_waits_behind_is_taken_in_parts():
    queue = queue_of(3)
    (row,) = put(queue, job("a", "k", parts=3))
    assert parts(queue.take(0), queue.take(1), queue.take(0)) == [(row, 0), (row, 1), (row, 2)]
    assert queue.ask(2) is None
    assert queue.rows == 1


def test_a_row_that_others_wait_behind_is_taken_whole():
    queue = queue_of(2)
    first, second = put(queue, *(job(parts=2) for _ in range(2)))
    assert queue.take(0) is first
    assert parts(queue.take(1), queue.take(0)) == [(second, 0), (second, 1)]


def test_one_worker_takes_rows_whole():
    queue = queue_of()
    (row,) = put(queue, job(parts=2))
    assert queue.take(0) is row


def test_a_row_that_was_begun_comes_before_others():
    queue = queue_of(2)
    (row,) = put(queue, job("a", "k", parts=3))
    assert parts(queue.take(0)) == [(row, 0)]
    (other,) = put(queue, job("b"))
    assert parts(queue.take(0)) == [(row, 1)]
    assert queue.take(1) is other  # rather than load keys
    assert parts(queue.take(1)) == [(row, 2)]


def test_keys_in_use_are_not_pushed_out_for_a_part():
    queue = queue_of(2, budget=SIZE)
    put(queue, job("b", "other"))
    queue.take(1)
    (row,) = put(queue, job("a", "k", parts=2))
    assert parts(queue.take(0)) == [(row, 0)]
    assert queue.ask(1) is None
    assert parts(queue.take(0)) == [(row, 1)]
    (again,) = put(queue, job("a", "k", parts=2))
    assert parts(queue.take(0)) == [(again, 0)]
    CLOCK.pass_by(100)
    assert parts(queue.take(1)) == [(again, 1)]


def test_a_worker_that_waits_is_told_of_parts():
    queue = queue_of(2)
    got = []
    asking = threading.Thread(target=lambda: got.append(queue.take(1)))
    (row,) = put(queue, job(parts=2))
    assert parts(queue.take(0)) == [(row, 0)]
    asking.start()
    asking.join(LONG_SECONDS)
    assert parts(*got) == [(row, 1)]


def test_a_part_that_is_put_back_is_the_next():
    queue = queue_of(2)
    (row,) = put(queue, job(parts=2))
    first, second = queue.take(0), queue.take(1)
    (other,) = put(queue, job())
    queue.put_back(second)
    queue.put_back(first)
    assert [queue.take(0), queue.take(0), queue.take(0)] == [first, second, other]
    queue.put_back(second)
    row.refuse(TooLateError(""))
    queue.finished(row)
    queue.put_back(first)  # of a row that has failed meanwhile
    assert rest(queue) == []


def test_parts_are_abandoned_with_their_row():
    queue = queue_of(2)
    row, other = put(queue, job(parts=3), job("b"))
    assert queue.take(0) is row  # whole
    queue.finished(row)
    queue.take(0)
    (row,) = put(queue, job(parts=3))
    queue.take(0)
    (other,) = put(queue, job("b"))
    assert queue.abandoned() == [row, other]
    assert rest(queue) == []


def test_a_turn_is_one_row_however_many_its_parts():
    queue = queue_of(2)
    (first,) = put(queue, job("a", parts=2))
    assert parts(queue.take(0), queue.take(0)) == [(first, 0), (first, 1)]
    mine, others, mine_too = put(queue, job("a", parts=2), job("b"), job("a", parts=2))
    assert [queue.take(0), queue.take(0)] == [mine, others]
    assert parts(queue.take(0), queue.take(0)) == [(mine_too, 0), (mine_too, 1)]


def test_bounds_count_a_row_once_until_its_last_part():
    queue = queue_of(2, queue_rows=1)
    row, *_ = put(queue, *(job(parts=2) for _ in range(3)))
    with pytest.raises(OverloadedError, match="3 rows are waiting"):
        queue.put(job(parts=2))
    queue.finished(row)
    put(queue, job(parts=2))


def test_a_deadline_is_compared_with_the_time_of_parts_side_by_side():
    times = EvaluationTimes()
    times.add("program", 6.0)
    for workers, seconds in ((1, 6), (2, 3), (3, 2), (4, 2)):
        queue = queue_of(workers, times=times)
        with pytest.raises(TooLateError):
            queue.put(job(deadline=CLOCK() + seconds - 0.5, parts=3))
        put(queue, job(deadline=CLOCK() + seconds + 0.5, parts=3))
