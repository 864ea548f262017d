"""What every Executor of workers does, wherever they are: one suite for those of this machine and those of a cluster.

A subclass has a fixture `executor`, for all of its tests: two workers on this machine, with the clock `CLOCK` and
default limits. Tests leave it as they found it, but for the last one.
"""

import contextlib
import dataclasses
import os
import signal
from collections import Counter
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
from cryptable_protocol import EncryptedTensor, MalformedMessageError
from cryptable_server.errors import (
    DrainingError,
    EvaluationFailedError,
    KeysCorruptedError,
    KeysNotFoundError,
    KeysTooLargeError,
    TooLateError,
    WorkerDiedError,
)
from cryptable_server.settings.worker_config import WorkerConfig
from waiting import LONG_SECONDS, Clock, until

CLOCK = Clock()


@contextlib.contextmanager
def all_stopped(executor, settled_by=None):
    """No worker runs: each hangs until the block ends.

    With an evaluation to settle by, each has answered one first: who was told of programs or keys, and is stopped
    before it has heard, would not begin with a row.
    """
    if settled_by is not None:
        before = executor.answered
        until(
            lambda: (
                executor.submit(settled_by).result(LONG_SECONDS)
                and all(now > then for now, then in zip(executor.answered, before, strict=True))
            )
        )
    pids = executor.worker_pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield pids
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def error_of(executor, evaluation):
    return type(executor.submit(evaluation).exception(LONG_SECONDS))


def all_parts_are_taken(executor, row):
    """By different workers, where none goes on."""
    return row.running() and not executor._queue._begun


class ExecutorContract:
    """See above."""

    @pytest.fixture
    def parted(self, parted_model, request):
        """An evaluation in two parts, with keys that no other test has had loaded."""
        return parted_model.evaluation(request.node.name)

    @pytest.fixture
    def own(self, keyed, request):
        """An evaluation with keys that no other test has had loaded."""
        return dataclasses.replace(keyed, keys=dataclasses.replace(keyed.keys, owner=request.node.name))

    def test_a_row_is_evaluated(self, executor, quick, compiled):
        assert executor.parallel_rows == len(executor.worker_pids) == 2
        answer = executor.submit(quick).result(LONG_SECONDS)
        tensor = EncryptedTensor.from_bytes(*answer.tensors)
        compiled["linear"].parameters.check_output(tensor.to_message())
        assert tensor.bodies.tolist() == [0]  # the sum of trivial bodies of zero
        assert (answer.keys_cached, answer.lookups) == (None, 0)
        assert answer.wall_seconds > 0
        until(lambda: executor.waiting == 0)  # an answer is there a moment before the row is not counted any more

    def test_a_worker_that_has_a_row_takes_no_other_while_one_is_free(self, executor, quick):
        """Stopped workers have theirs long enough for that to be seen, however busy the machine."""
        before = executor.answered
        for number in range(1, 4):
            with all_stopped(executor):
                rows = [executor.submit(quick) for _ in range(2)]
                until(lambda rows=rows: all(row.running() for row in rows))
            assert all(row.result(LONG_SECONDS).tensors for row in rows)
            assert executor.answered == [count + number for count in before]

    def test_keys_are_loaded_once_and_forgotten_when_that_is_asked(self, executor, own):
        assert executor.submit(own).result(LONG_SECONDS).keys_cached is False
        # Nobody reads the file again, so it may go.
        Path(own.keys.location).unlink()
        answers = [executor.submit(own).result(LONG_SECONDS) for _ in range(3)]
        assert [(answer.keys_cached, answer.lookups) for answer in answers] == [(True, 3)] * 3
        executor.forget(own.keys.name)
        assert error_of(executor, own) is KeysNotFoundError

    def test_the_same_keys_of_two_principals_are_two_sets(self, executor, own):
        others = dataclasses.replace(own, keys=dataclasses.replace(own.keys, owner="other"))
        assert executor.submit(own).result(LONG_SECONDS).keys_cached is False
        assert executor.submit(own).result(LONG_SECONDS).keys_cached is True
        # What one has loaded does not make the other's row faster, and forgetting the one's leaves the other's.
        assert executor.submit(others).result(LONG_SECONDS).keys_cached is False
        executor.forget(others.keys.name)
        assert executor.submit(own).result(LONG_SECONDS).keys_cached is True

    def test_rows_of_one_client_spread_over_workers_where_keys_fit_twice(self, executor, own):
        with all_stopped(executor):  # or one worker might be done with all of them before the other has begun
            rows = [executor.submit(own) for _ in range(8)]
            until(lambda: sum(row.running() for row in rows) == 2)
        assert [row.result(LONG_SECONDS).keys_cached for row in rows].count(False) == 2

    def test_keys_that_fit_no_worker(self, executor, own):
        size = WorkerConfig(count=1, threads=1).key_memory_bytes + 1
        with pytest.raises(KeysTooLargeError, match="--key-memory"):
            executor.submit(dataclasses.replace(own, keys=dataclasses.replace(own.keys, memory_bytes=size)))
        assert executor.waiting == 0

    def test_what_a_worker_cannot_evaluate_costs_the_row_alone(self, executor, quick, own, tmp_path):
        pids = executor.worker_pids
        with Path(own.keys.location).open("r+b") as file:
            file.write(b"damage")
        assert error_of(executor, own) is KeysCorruptedError
        assert error_of(executor, dataclasses.replace(quick, program=str(tmp_path))) is EvaluationFailedError
        assert error_of(executor, dataclasses.replace(quick, tensor=b"garbage")) is MalformedMessageError
        executor.submit(quick).result(LONG_SECONDS)
        assert executor.worker_pids == pids

    def test_a_cancelled_row_is_not_evaluated(self, executor, quick):
        with all_stopped(executor, quick):
            *begun, waiting, last = (executor.submit(quick) for _ in range(4))
            until(lambda: all(row.running() for row in begun))
            assert waiting.cancel()
            assert not begun[0].cancel()
        last.result(LONG_SECONDS)
        with pytest.raises(CancelledError):
            waiting.result()
        until(lambda: executor.waiting == 0)

    def test_a_row_whose_deadline_passes_while_it_waits_is_not_evaluated(self, executor, quick):
        with all_stopped(executor, quick):
            begun = [executor.submit(quick) for _ in range(2)]
            until(lambda: all(row.running() for row in begun))
            late = executor.submit(dataclasses.replace(quick, deadline=CLOCK() + 1))
            last = executor.submit(dataclasses.replace(quick, deadline=CLOCK() + 100))
            CLOCK.pass_by(2)
        with pytest.raises(TooLateError, match="passed before a worker was free"):
            late.result(LONG_SECONDS)
        assert last.result(LONG_SECONDS).queue_seconds == 2
        with pytest.raises(TooLateError):
            executor.submit(dataclasses.replace(quick, deadline=CLOCK() - 1))

    def test_programs_come_and_go(self, executor, quick, own):
        executor.serve([quick.program, own.program])
        executor.submit(quick).result(LONG_SECONDS)
        executor.serve([quick.program])
        executor.submit(quick).result(LONG_SECONDS)

    def test_a_killed_worker_costs_its_row_alone(self, executor, quick):
        deaths = executor.deaths
        with all_stopped(executor, quick) as pids:
            begun = [executor.submit(quick) for _ in range(2)]
            until(lambda: all(row.running() for row in begun))
            rows = [*begun, *(executor.submit(quick) for _ in range(2))]
            os.kill(pids[0], signal.SIGKILL)
        assert Counter(type(row.exception(LONG_SECONDS)) for row in rows) == {WorkerDiedError: 1, type(None): 3}
        assert executor.deaths == deaths + 1
        # The one in its place has a process before it is up, and is up when it answers.
        before = executor.answered
        until(lambda: executor.submit(quick).result(LONG_SECONDS) and executor.answered[0] > before[0])
        assert len(executor.worker_pids) == 2
        assert pids[0] not in executor.worker_pids

    def test_parts_are_taken_by_several_workers_and_answered_in_order(self, executor, quick, parted, parted_model):
        for turn in (1, -1):
            before = executor.answered
            with all_stopped(executor, quick) as pids:
                row = executor.submit(parted)
                until(lambda row=row: all_parts_are_taken(executor, row))
                assert executor.waiting == 1
                first = pids[::turn][0]
                os.kill(first, signal.SIGCONT)  # and is done with its part, whichever, when it answers another row
                executor.submit(quick).result(LONG_SECONDS)
                assert not row.done()
            answer = row.result(LONG_SECONDS)
            assert len(answer.tensors) == 2
            assert parted_model.is_right(answer)
            assert sum(executor.answered) > sum(before)
        until(lambda: executor.waiting == 0)

    def test_rows_in_parts_count_as_rows(self, executor, quick, parted, parted_model):
        before = sum(executor.answered)
        with all_stopped(executor, quick):
            settled = sum(executor.answered)
            rows = [executor.submit(parted) for _ in range(5)]
            until(lambda: sum(row.running() for row in rows) >= 1)
            assert executor.waiting == 5
        answers = [row.result(LONG_SECONDS) for row in rows]
        assert all(map(parted_model.is_right, answers))
        assert sum(executor.answered) == settled + 5
        assert {answer.rows for answer in answers} == {1}
        # Of those that others waited behind, workers have taken all: they would have gained nothing.
        assert {len(answer.tensors) for answer in answers} == {1, 2}
        assert settled > before
        until(lambda: executor.waiting == 0)

    def test_a_killed_worker_costs_the_row_that_it_had_a_part_of(self, executor, quick, parted, parted_model):
        deaths = executor.deaths
        with all_stopped(executor, quick) as pids:
            row = executor.submit(parted)
            until(lambda: all_parts_are_taken(executor, row))
            others = [executor.submit(parted), executor.submit(quick)]
            os.kill(pids[0], signal.SIGKILL)
            with pytest.raises(WorkerDiedError, match="safe to send the same row again, once"):
                row.result(LONG_SECONDS)  # though another has the other part, and hangs
        assert executor.deaths == deaths + 1
        assert parted_model.is_right(others[0].result(LONG_SECONDS))
        others[1].result(LONG_SECONDS)
        until(lambda: executor.waiting == 0)
        before = executor.answered
        until(lambda: executor.submit(quick).result(LONG_SECONDS) and executor.answered[0] > before[0])

    def test_a_part_that_fails_fails_the_row(self, executor, parted, parted_model):
        pids = executor.worker_pids
        for _ in range(3):  # by whichever worker
            assert error_of(executor, parted_model.broken(parted)) is MalformedMessageError
        until(lambda: executor.waiting == 0)
        assert parted_model.is_right(executor.submit(parted).result(LONG_SECONDS))
        assert executor.worker_pids == pids

    def test_of_a_cancelled_row_no_further_part_is_evaluated(self, executor, quick, parted):
        with all_stopped(executor, quick):
            other, row = executor.submit(quick), executor.submit(parted)
            until(lambda: other.running() and row.running())
            before = sum(executor.answered)
            assert not row.cancel()
            assert executor.waiting == 2
        with pytest.raises(CancelledError):
            row.result(LONG_SECONDS)
        until(lambda: executor.waiting == 0)
        assert sum(executor.answered) == before + 1  # the other

    def test_a_deadline_that_passes_between_parts_ends_the_row(self, executor, quick, parted):
        with all_stopped(executor, quick):
            other = executor.submit(quick)
            row = executor.submit(dataclasses.replace(parted, deadline=CLOCK() + 50))
            until(lambda: other.running() and row.running())
            CLOCK.pass_by(60)
        with pytest.raises(TooLateError, match="free for every part of this row"):
            row.result(LONG_SECONDS)
        other.result(LONG_SECONDS)
        until(lambda: executor.waiting == 0)

    def test_close_ends_the_processes_and_refuses_what_waits(self, executor, quick):
        """The last test here: the executor does not outlive it."""
        with all_stopped(executor, quick) as pids:
            begun = [executor.submit(quick) for _ in range(2)]
            until(lambda: all(row.running() for row in begun))
            rows = [*begun, *(executor.submit(quick) for _ in range(2))]
            executor.close()
        assert [type(row.exception(LONG_SECONDS)) for row in rows] == [DrainingError] * 4
        assert executor.worker_pids == []
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
        with pytest.raises(DrainingError):
            executor.submit(quick)
        executor.forget("none")
