"""A row that several workers have parts of ends once, whatever becomes of its parts."""

from concurrent.futures import CancelledError

import pytest
from cryptable_server.errors import WorkerDiedError
from cryptable_server.executors.executor import Evaluated, Evaluation
from cryptable_server.executors.job import Job, Share


def job(parts=2):
    return Job(Evaluation("program", b"", None, parts=parts))


def answered(part):
    return Evaluated((b"%d" % part,), 1.0, 1.0)


def test_a_row_is_begun_by_whichever_part():
    row = job()
    assert row.begin()
    assert row.begin()
    assert row.running()
    assert row.gather(Share(row, 1), 0, answered(1)) is None
    assert row.gather(Share(row, 0), 1, answered(0)).tensors == (b"0", b"1")


def test_a_row_that_was_cancelled_before_it_was_begun_is_begun_by_nobody():
    row = job()
    assert row.cancel()
    assert not row.begin()
    assert not row.begin()
    assert row.cancelled()


def test_a_row_that_was_cancelled_after_that_ends_with_the_next_part():
    row = job()
    assert row.begin()
    assert not row.cancel()
    assert not row.done()
    assert not row.begin()
    with pytest.raises(CancelledError):
        row.result(0)
    assert row.gather(Share(row, 0), 0, answered(0)) is None  # of the worker that has it yet


def test_a_row_whose_last_part_is_being_evaluated_is_answered_though_it_was_cancelled():
    row = job()
    assert row.begin()
    assert row.gather(Share(row, 0), 0, answered(0)) is None
    assert row.begin()
    assert not row.cancel()
    assert row.gather(Share(row, 1), 0, answered(1)).tensors == (b"0", b"1")


def test_the_first_part_that_fails_says_why():
    row = job()
    assert row.begin()
    row.refuse(WorkerDiedError("first"))
    row.refuse(WorkerDiedError("second"))
    assert row.gather(Share(row, 1), 0, answered(1)) is None
    assert not row.begin()
    with pytest.raises(WorkerDiedError, match="first"):
        row.result(0)


def test_a_row_that_nobody_has_begun_is_refused_or_was_cancelled():
    row, gone = job(), job()
    row.refuse(WorkerDiedError("none is up"))
    assert isinstance(row.exception(0), WorkerDiedError)
    assert gone.cancel()
    gone.refuse(WorkerDiedError("none is up"))
    assert gone.cancelled()
