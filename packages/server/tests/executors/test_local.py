"""Workers that die, hang, or are too few, under a real LocalExecutor and real programs."""

import contextlib
import dataclasses
import gc
import hashlib
import os
import signal
import threading
import time
import weakref
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
from cryptable_protocol import EncryptedTensor
from cryptable_server.errors import (
    DrainingError,
    EvaluationFailedError,
    EvaluationTimedOutError,
    ExecutorError,
    KeysCorruptedError,
    KeysNotFoundError,
    KeysTooLargeError,
    OverloadedError,
    ThrottledError,
    TooLateError,
    WorkerDiedError,
)
from cryptable_server.executors.executor import Evaluation, KeysReference
from cryptable_server.executors.local import LocalExecutor
from cryptable_server.settings.config import WorkerConfig

SECONDS = 60


def config(**changes):
    return WorkerConfig(**{"count": 1, "threads": 1, **changes})


@pytest.fixture
def executor():
    made = LocalExecutor(config(evaluation_seconds=20.0))
    yield made
    made.close()


@pytest.fixture
def stopped(executor):
    """The pid of the one worker, which does not run: it hangs until it is told to go on."""
    (pid,) = executor.worker_pids
    os.kill(pid, signal.SIGSTOP)
    yield pid
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_row_is_evaluated(executor, quick, compiled):
    answer = executor.submit(quick).result(SECONDS)
    program = compiled["linear"]
    words = EncryptedTensor.from_bytes(answer.tensor).ciphertexts(1, program.keyset.dimensions[program.output.key])
    assert words[0, -1] == 0  # the sum of trivial bodies of zero
    assert answer.wall_seconds > 0


def test_a_killed_worker_costs_its_row_alone(executor, quick, stopped):
    first, second = executor.submit(quick), executor.submit(quick)
    until(first.running)
    os.kill(stopped, signal.SIGKILL)
    with pytest.raises(WorkerDiedError, match="SIGKILL"):
        first.result(SECONDS)
    second.result(SECONDS)
    (pid,) = executor.worker_pids
    assert pid != stopped


def test_a_worker_that_died_while_idle_costs_no_row(executor, quick):
    (pid,) = executor.worker_pids
    os.kill(pid, signal.SIGKILL)
    until(lambda: not executor.worker_pids)
    executor.submit(quick).result(SECONDS)


def test_a_hanging_worker_is_replaced(quick):
    executor = LocalExecutor(config(evaluation_seconds=2.0))
    (pid,) = executor.worker_pids
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(EvaluationTimedOutError, match="2 s"):
        executor.submit(quick).result(SECONDS)
    executor.submit(quick).result(SECONDS)
    executor.close()
    assert executor.worker_pids == []


@pytest.mark.parametrize("program", [None, "/nowhere"])
def test_a_row_is_kept_no_longer_than_its_caller_needs_it(executor, quick, program):
    """Rows can be large, and Python looks for cycles late."""
    evaluation = dataclasses.replace(quick, program=program or quick.program)
    kept = weakref.ref(evaluation)
    gc.disable()
    try:
        row = executor.submit(evaluation)
        assert bool(row.exception(SECONDS)) is bool(program)
        del evaluation, row
        until(lambda: kept() is None)
    finally:
        gc.enable()


def test_a_full_queue_refuses(quick):
    executor = LocalExecutor(config(queue_rows=2))
    (pid,) = executor.worker_pids
    os.kill(pid, signal.SIGSTOP)
    rows = [executor.submit(quick) for _ in range(3)]
    with pytest.raises(OverloadedError, match="3 rows"):
        executor.submit(quick)
    os.kill(pid, signal.SIGCONT)
    for future in rows:
        future.result(SECONDS)
    executor.submit(quick).result(SECONDS)
    executor.close()


def test_a_cancelled_row_is_not_evaluated(executor, quick, stopped):
    first, second, third = (executor.submit(quick) for _ in range(3))
    until(first.running)
    assert second.cancel()
    assert not first.cancel()
    os.kill(stopped, signal.SIGCONT)
    third.result(SECONDS)
    with pytest.raises(CancelledError):
        second.result()


def test_close_ends_the_processes_and_refuses_what_waits(quick):
    executor = LocalExecutor(config(count=2))
    pids = executor.worker_pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    rows = [executor.submit(quick) for _ in range(4)]
    until(lambda: sum(future.running() for future in rows) == 2)
    executor.close()
    for future in rows:
        with pytest.raises(DrainingError):
            future.result(SECONDS)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(DrainingError):
        executor.submit(quick)
    executor.forget("none")


@pytest.mark.encrypted
def test_keys_stay_with_their_worker(executor_of_two, keyed):
    executor = executor_of_two
    executor.submit(keyed).result(SECONDS)
    # No worker reads the file again, so it may go.
    Path(keyed.keys.location).unlink()
    for _ in range(3):
        executor.submit(keyed).result(SECONDS)
    executor.forget(keyed.keys.name)
    with pytest.raises(KeysNotFoundError):
        executor.submit(keyed).result(SECONDS)


@pytest.mark.encrypted
def test_concurrent_rows_share_the_loading_of_their_keys(keyed):
    """Where a second worker has no room for a copy, keys are loaded once, however many rows ask for them at once."""
    memory = keyed.keys.memory_bytes
    executor = LocalExecutor(config(count=2, key_memory_bytes=memory))
    other = dataclasses.replace(keyed, keys=dataclasses.replace(keyed.keys, owner="other"), principal="other")
    answers = [executor.submit(each).result(SECONDS) for each in (keyed, other)]
    rows = [executor.submit(keyed) for _ in range(6)]
    answers += [row.result(SECONDS) for row in rows]
    assert [answer.keys_cached for answer in answers] == [False, False] + [True] * 6
    executor.close()


@pytest.mark.encrypted
def test_rows_of_one_client_spread_over_workers_where_keys_fit_twice(executor_of_two, keyed):
    rows = [executor_of_two.submit(keyed) for _ in range(8)]
    loaded = [row.result(SECONDS).keys_cached for row in rows].count(False)
    assert loaded == 2


def test_keys_that_fit_no_worker(keyed):
    executor = LocalExecutor(config(key_memory_bytes=keyed.keys.memory_bytes - 1))
    with pytest.raises(KeysTooLargeError, match="--key-memory"):
        executor.submit(keyed)
    assert executor.waiting == 0
    executor.close()


def test_a_row_whose_deadline_passes_while_it_waits_is_not_evaluated(executor, quick, stopped):
    first = executor.submit(quick)
    until(first.running)
    late = executor.submit(dataclasses.replace(quick, deadline=time.monotonic() + 1.0))
    last = executor.submit(quick)
    time.sleep(1.1)
    os.kill(stopped, signal.SIGCONT)
    with pytest.raises(TooLateError, match="passed before a worker was free"):
        late.result(SECONDS)
    last.result(SECONDS)


@pytest.fixture
def executor_of_two():
    made = LocalExecutor(config(count=2))
    yield made
    made.close()


def test_damaged_keys_are_not_used(executor, keyed):
    with Path(keyed.keys.location).open("r+b") as file:
        file.write(b"damage")
    with pytest.raises(KeysCorruptedError):
        executor.submit(keyed).result(SECONDS)


def test_a_program_that_is_gone(executor, quick, tmp_path):
    pids = executor.worker_pids
    with pytest.raises(EvaluationFailedError):
        executor.submit(Evaluation(str(tmp_path), quick.tensor, None)).result(SECONDS)
    executor.submit(quick).result(SECONDS)
    assert executor.worker_pids == pids


def test_a_tensor_that_is_none_is_refused_by_the_worker_too(executor, quick):
    with pytest.raises(EvaluationFailedError):
        executor.submit(Evaluation(quick.program, b"garbage", None)).result(SECONDS)


def test_workers_that_do_not_come_up(quick):
    with pytest.raises(ExecutorError, match="did not come up"):
        LocalExecutor(config(memory_bytes=1 << 20), programs=[quick.program])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("worker-")]


@pytest.mark.encrypted
def test_memory_is_limited(keyed, quick, tmp_path):
    """Keys that need more memory than a worker has cost the row that names them; the next row is served."""
    executor = LocalExecutor(config(memory_bytes=2400 << 20, evaluation_seconds=5.0))

    def load_more_and_more():
        for number in range(80):
            executor.submit(with_other_keys(keyed, tmp_path, number)).result(SECONDS)

    with pytest.raises((EvaluationFailedError, WorkerDiedError, EvaluationTimedOutError)):
        load_more_and_more()
    executor.submit(quick).result(SECONDS)
    executor.close()


def with_other_keys(evaluation, directory, number):
    """The same row, with keys of another name."""
    data = bytearray(Path(evaluation.keys.location).read_bytes())
    data[0] = number + 1
    path = directory / str(number)
    path.write_bytes(data)
    return dataclasses.replace(
        evaluation, keys=KeysReference(hashlib.sha256(data).digest(), "owner", str(path), evaluation.keys.memory_bytes)
    )


@pytest.mark.encrypted
def test_keys_take_the_memory_that_is_reckoned_with(compiled, keyed, tmp_path):
    keyset = compiled["tables"].keyset
    executor = LocalExecutor(config(), programs=[keyed.program])
    (pid,) = executor.worker_pids

    def resident():
        return 1024 * int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])

    executor.submit(keyed).result(SECONDS)
    before = resident()
    for number in range(2):
        executor.submit(with_other_keys(keyed, tmp_path, number)).result(SECONDS)
    assert resident() - before == pytest.approx(2 * keyset.memory_bytes, rel=0.2)
    executor.close()


def of(evaluation, principal):
    return dataclasses.replace(evaluation, principal=principal)


def test_principals_are_served_in_turn(executor, quick, stopped):
    order = []

    def submit(principal):
        future = executor.submit(of(quick, principal))
        future.add_done_callback(lambda _: order.append(principal))
        return future

    first = submit("token:greedy")
    until(first.running)
    rows = [submit("token:greedy") for _ in range(5)] + [submit("token:modest") for _ in range(2)]
    os.kill(stopped, signal.SIGCONT)
    for future in rows:
        future.result(SECONDS)
    until(lambda: len(order) == 8)
    assert order[1:5] == ["token:greedy", "token:modest"] * 2


def test_a_principal_cannot_fill_the_queue(quick):
    executor = LocalExecutor(config(queue_rows=4, queue_rows_per_principal=1))
    (pid,) = executor.worker_pids
    os.kill(pid, signal.SIGSTOP)
    rows = [executor.submit(of(quick, "token:greedy")) for _ in range(2)]
    with pytest.raises(OverloadedError, match="2 rows of yours"):
        executor.submit(of(quick, "token:greedy"))
    rows.append(executor.submit(of(quick, "token:modest")))
    os.kill(pid, signal.SIGCONT)
    for future in rows:
        future.result(SECONDS)
    executor.submit(of(quick, "token:greedy")).result(SECONDS)
    executor.close()


def test_rows_whose_callers_have_gone_make_room_at_once(quick):
    executor = LocalExecutor(config(queue_rows=2))
    (pid,) = executor.worker_pids
    os.kill(pid, signal.SIGSTOP)
    first = executor.submit(quick)
    until(first.running)
    for _ in range(10):
        waiting = [executor.submit(quick) for _ in range(2)]
        assert executor.waiting == 3
        assert all(future.cancel() for future in waiting)
        assert executor.waiting == 1
    os.kill(pid, signal.SIGCONT)
    first.result(SECONDS)
    executor.close()


def test_a_principal_whose_rows_end_workers_has_to_wait(quick):
    executor = LocalExecutor(config(crashes=2))
    for principal in ("token:bad", "token:bad", "anonymous", "anonymous"):
        (pid,) = executor.worker_pids
        os.kill(pid, signal.SIGSTOP)
        future = executor.submit(of(quick, principal))
        until(future.running)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerDiedError):
            future.result(SECONDS)
        executor.submit(of(quick, "token:good")).result(SECONDS)
    assert executor.deaths == 4
    with pytest.raises(ThrottledError, match="2 evaluation workers"):
        executor.submit(of(quick, "token:bad"))
    executor.submit(of(quick, "anonymous")).result(SECONDS)
    executor.close()


def test_the_same_keys_of_two_principals_are_two_sets_in_a_worker(executor, keyed):
    others = dataclasses.replace(keyed, keys=dataclasses.replace(keyed.keys, owner="other"))
    assert executor.submit(keyed).result(SECONDS).keys_cached is False
    assert executor.submit(keyed).result(SECONDS).keys_cached is True
    # What one has loaded does not make the other's row faster, and forgetting the one's leaves the other's.
    assert executor.submit(others).result(SECONDS).keys_cached is False
    executor.forget(others.keys.name)
    answer = executor.submit(keyed).result(SECONDS)
    assert answer.keys_cached is True
    assert answer.lookups == 3


def test_programs_come_and_go(executor, quick, keyed):
    executor.serve([quick.program, keyed.program])
    executor.submit(quick).result(SECONDS)
    executor.serve([quick.program])
    executor.submit(quick).result(SECONDS)
