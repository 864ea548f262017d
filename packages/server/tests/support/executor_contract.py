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


class ExecutorContract:
    """See above."""

    @pytest.fixture
    def own(self, keyed, request):
        """An evaluation with keys that no other test has had loaded."""
        return dataclasses.replace(keyed, keys=dataclasses.replace(keyed.keys, owner=request.node.name))

    def test_a_row_is_evaluated(self, executor, quick, compiled):
        assert executor.parallel_rows == len(executor.worker_pids) == 2
        answer = executor.submit(quick).result(LONG_SECONDS)
        tensor = EncryptedTensor.from_bytes(answer.tensor)
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
            assert all(row.result(LONG_SECONDS).tensor for row in rows)
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
