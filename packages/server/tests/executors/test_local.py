"""Workers that die, hang, or are too few, under a real LocalExecutor."""

import dataclasses
import gc
import hashlib
import os
import signal
import sys
import threading
import weakref
from pathlib import Path

import pytest
from cryptable_server.errors import (
    EvaluationFailedError,
    EvaluationTimedOutError,
    ExecutorError,
    OverloadedError,
    ThrottledError,
    WorkerDiedError,
)
from cryptable_server.executors.executor import KeysReference
from cryptable_server.executors.local import LocalExecutor
from cryptable_server.processes.entry_points import EntryPoints
from cryptable_server.settings.worker_config import WorkerConfig
from executor_contract import CLOCK, ExecutorContract, all_stopped
from waiting import LONG_SECONDS, until

SECONDS = LONG_SECONDS


def config(**changes):
    return WorkerConfig(**{"count": 1, "threads": 1, **changes})


class TestLocalExecutor(ExecutorContract):
    @pytest.fixture(scope="class")
    @classmethod
    def executor(cls, local_executor):
        made = local_executor(config(count=2), clock=CLOCK)
        yield made
        made.close()


@pytest.fixture(scope="module")
def executor(local_executor):
    """One worker that many tests share."""
    made = local_executor(config())
    yield made
    made.close()


@pytest.fixture(scope="module")
def short(local_executor):
    """One worker, and room for two rows that wait."""
    made = local_executor(config(queue_rows=2))
    yield made
    made.close()


def test_a_worker_that_died_while_idle_costs_no_row(executor, quick):
    (pid,) = executor.worker_pids
    os.kill(pid, signal.SIGKILL)
    until(lambda: not executor.worker_pids)
    executor.submit(quick).result(SECONDS)


def test_a_hanging_worker_is_replaced(local_executor, quick):
    executor = local_executor(config(evaluation_seconds=2.0))
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


def test_a_full_queue_refuses(short, quick):
    with all_stopped(short):
        rows = [short.submit(quick) for _ in range(3)]
        with pytest.raises(OverloadedError, match="3 rows"):
            short.submit(quick)
    for future in rows:
        future.result(SECONDS)
    short.submit(quick).result(SECONDS)


def test_concurrent_rows_share_the_loading_of_their_keys(local_executor, keyed):
    """Where a second worker has no room for a copy, keys are loaded once, however many rows ask for them at once."""
    memory = keyed.keys.memory_bytes
    executor = local_executor(config(count=2, key_memory_bytes=memory))
    other = dataclasses.replace(keyed, keys=dataclasses.replace(keyed.keys, owner="other"), principal="other")
    answers = [executor.submit(each).result(SECONDS) for each in (keyed, other)]
    rows = [executor.submit(keyed) for _ in range(6)]
    answers += [row.result(SECONDS) for row in rows]
    assert [answer.keys_cached for answer in answers] == [False, False] + [True] * 6
    executor.close()


def test_workers_that_do_not_come_up(local_executor, quick):
    before = threading.enumerate()
    broken = EntryPoints(worker=(sys.executable, "-c", "raise SystemExit(1)"))
    with pytest.raises(ExecutorError, match="did not come up"):
        local_executor(config(), programs=[quick.program], entry_points=broken)
    assert threading.enumerate() == before


@pytest.mark.encrypted
def test_memory_is_limited(encrypted, tmp_path):
    """Keys that need more memory than a worker has cost the row that names them; the next row is served."""
    keyed, quick = encrypted.keyed(tmp_path), encrypted.quick
    executor = LocalExecutor(config(memory_bytes=1400 << 20, evaluation_seconds=5.0))

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
def test_keys_take_the_memory_that_is_reckoned_with(encrypted, tmp_path):
    keyed, keyset = encrypted.keyed(tmp_path), encrypted.compiled["tables"].keyset
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


def test_principals_are_served_in_turn(executor, quick):
    order = []

    def submit(principal):
        future = executor.submit(of(quick, principal))
        future.add_done_callback(lambda _: order.append(principal))
        return future

    with all_stopped(executor):
        first = submit("token:greedy")
        until(first.running)
        rows = [submit("token:greedy") for _ in range(5)] + [submit("token:modest") for _ in range(2)]
    for future in rows:
        future.result(SECONDS)
    until(lambda: len(order) == 8)
    assert order[1:5] == ["token:greedy", "token:modest"] * 2


def test_a_principal_cannot_fill_the_queue(local_executor, quick):
    executor = local_executor(config(queue_rows=4, queue_rows_per_principal=1))
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


def test_rows_whose_callers_have_gone_make_room_at_once(short, quick):
    with all_stopped(short):
        first = short.submit(quick)
        until(first.running)
        for _ in range(10):
            waiting = [short.submit(quick) for _ in range(2)]
            assert short.waiting == 3
            assert all(future.cancel() for future in waiting)
            assert short.waiting == 1
    first.result(SECONDS)


def test_a_principal_whose_rows_end_workers_has_to_wait(local_executor, quick):
    executor = local_executor(config(crashes=2))
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
