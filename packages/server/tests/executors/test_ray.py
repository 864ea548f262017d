"""Workers on a real Ray cluster, of several machines as far as Ray is concerned: each with a raylet of its own."""

import dataclasses
import time
from contextlib import closing

import pytest
from cryptable_server.errors import ExecutorError
from cryptable_server.settings.worker_config import WorkerConfig
from executor_contract import CLOCK, ExecutorContract
from waiting import until

ray = pytest.importorskip("ray", reason="the extra cryptable-server[ray] is not installed")

from cryptable_server.executors.ray import RayExecutor  # noqa: E402 - which imports ray
from ray.cluster_utils import Cluster  # noqa: E402

# Ray leaves sockets and processes to the end of the interpreter.
pytestmark = [pytest.mark.cluster, pytest.mark.encrypted, pytest.mark.filterwarnings("ignore")]
SECONDS = 240
STORE_BYTES = 80 << 20
"""The least that Ray accepts; rows do not go through it."""


@pytest.fixture(scope="session")
def compiled(encrypted):
    """Actors are ordinary workers."""
    return encrypted.compiled


@pytest.fixture
def quick(encrypted):
    return encrypted.quick


@pytest.fixture
def keyed(encrypted, tmp_path):
    return encrypted.keyed(tmp_path)


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


def start(cluster, compiled):
    config = WorkerConfig(count=2, threads=1, start_seconds=float(SECONDS))
    programs = [str(compiled["linear"].directory)]
    return RayExecutor(config, address=cluster.address, programs=programs, clock=CLOCK)


class TestRayExecutor(ExecutorContract):
    @pytest.fixture(scope="class")
    @classmethod
    def executor(cls, cluster, compiled):
        made = start(cluster, compiled)
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


def test_no_row_is_lost_with_a_machine(cluster, compiled, keyed, parted_model):
    """The last test here: the cluster has a machine less after it."""
    with closing(start(cluster, compiled)) as executor:
        loses_no_row(executor, cluster, keyed, parted_model)


def loses_no_row(executor, cluster, keyed, parted_model):
    first, second = executor.nodes
    assert first != second  # workers are spread over machines
    rows = [executor.submit(dataclasses.replace(keyed, call=str(number))) for number in range(30)]
    last = executor.submit(parted_model.evaluation())
    rows[2].result(SECONDS)
    until(lambda: sum(row.running() for row in rows) >= 1)
    # All are on this host, and Ray may have joined this process to any of them: it would end with that one.
    joined = ray.get_runtime_context().get_node_id()
    lost = next(machine for machine in cluster.machines if machine.node_id != joined)
    cluster.remove_node(lost, allow_graceful=False)
    assert all(row.result(SECONDS).tensors for row in rows)
    assert parted_model.is_right(last.result(SECONDS))  # its parts by whoever is there

    def noticed():
        """That a worker is lost is noticed when a row is sent to it: those above may all have been done before."""
        further = [executor.submit(dataclasses.replace(keyed, call=f"further {number}")) for number in range(4)]
        assert all(row.result(SECONDS).tensors for row in further)
        return len(executor.worker_pids) == 1

    until(noticed)
