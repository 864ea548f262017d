"""Workers on a real Ray cluster, of several machines as far as Ray is concerned: each with a raylet of its own."""

import collections
import dataclasses
import os
import signal
import time

import pytest
from cryptable_server.errors import ExecutorError, KeysNotFoundError, WorkerDiedError
from cryptable_server.settings.config import WorkerConfig

ray = pytest.importorskip("ray", reason="the extra cryptable-server[ray] is not installed")

from cryptable_server.executors.ray import RayExecutor  # noqa: E402 - which imports ray
from ray.cluster_utils import Cluster  # noqa: E402

# Ray leaves sockets and processes to the end of the interpreter.
pytestmark = [pytest.mark.cluster, pytest.mark.encrypted, pytest.mark.filterwarnings("ignore")]
SECONDS = 240
STORE_BYTES = 80 << 20
"""The least that Ray accepts; rows do not go through it."""


def until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def cluster():
    """A machine without cores for workers, where the front is, and two of one core each."""
    made = Cluster()
    attempt(lambda: made.add_node(num_cpus=0, object_store_memory=STORE_BYTES))
    made.machines = [attempt(lambda: made.add_node(num_cpus=1, object_store_memory=STORE_BYTES)) for _ in range(2)]
    yield made
    made.shutdown()


def attempt(start):
    """Ray gives its processes half a minute to come up, which a busy machine may exceed."""
    for _ in range(4):
        try:
            return start()
        except Exception as error:  # noqa: BLE001 - that is the class which Ray raises
            last = error
    raise last


@pytest.fixture
def executor(cluster, compiled):
    config = WorkerConfig(count=2, threads=1, start_seconds=float(SECONDS))
    made = RayExecutor(config, address=cluster.address, programs=[str(compiled["linear"].directory)])
    yield made
    made.close()


@pytest.mark.parametrize(
    ("address", "message"),
    [("127.0.0.1:1", "nothing can be reached there .*refused.*ray start --head"), ("somewhere", "is not HOST:PORT")],
)
def test_a_wrong_address_is_told_at_once(address, message):
    """By itself, Ray goes on trying for minutes."""
    began = time.monotonic()
    with pytest.raises(ExecutorError, match=message):
        RayExecutor(WorkerConfig(count=1, threads=1), address=address)
    assert time.monotonic() - began < 60


def test_rows_are_spread_over_machines_and_none_is_lost_with_one(cluster, executor, quick, keyed):
    """One test, since a cluster takes long to come up: spread, keys, a killed worker, a lost machine."""
    first, second = executor.nodes
    assert first != second

    # Work is spread: whoever has a row takes no other, while a worker is free. Stopped workers have theirs long enough
    # for that to be seen, however busy the machine.
    for number in range(1, 6):
        for pid in executor.worker_pids:
            os.kill(pid, signal.SIGSTOP)
        rows = [executor.submit(quick) for _ in range(2)]
        until(lambda rows=rows: all(row.running() for row in rows))
        for pid in executor.worker_pids:
            os.kill(pid, signal.SIGCONT)
        assert all(row.result(SECONDS).tensor for row in rows)
        assert executor.answered == [number, number]

    # Keys are read from the shared directory, and stay with who has them.
    assert executor.submit(keyed).result(SECONDS).keys_cached is False
    assert executor.submit(keyed).result(SECONDS).keys_cached is True
    executor.forget(keyed.keys.name)
    missing = dataclasses.replace(keyed.keys, location="/nowhere", owner="nobody")
    with pytest.raises(KeysNotFoundError):
        executor.submit(dataclasses.replace(keyed, keys=missing)).result(SECONDS)

    # A killed worker costs the row that it had, and is replaced.
    pids = executor.worker_pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    rows = [executor.submit(quick) for _ in range(4)]
    until(lambda: sum(row.running() for row in rows) == 2)
    os.kill(pids[0], signal.SIGKILL)
    os.kill(pids[1], signal.SIGCONT)
    ends = collections.Counter(type(row.exception(SECONDS)) for row in rows)
    assert ends == {WorkerDiedError: 1, type(None): 3}
    until(lambda: len(executor.worker_pids) == 2)

    # A lost machine costs none: its row goes to another.
    rows = [executor.submit(dataclasses.replace(keyed, call=str(number))) for number in range(30)]
    rows[2].result(SECONDS)
    until(lambda: sum(row.running() for row in rows) >= 1)
    cluster.remove_node(cluster.machines[0], allow_graceful=False)
    assert all(row.result(SECONDS).tensor for row in rows)
    assert len(executor.worker_pids) == 1
