"""Compares a Ray cluster's workers with a local one: CPU of a row, how evenly rows are spread, and a lost machine.

    python tools/bench/ray_cluster.py [--rows N]

A real cluster on this machine, of three nodes: one for the front, without cores for workers, and two of one core. Rows
are real: encrypted by the client's code, decrypted and compared with the circuit's answers in the clear. The bars are
those for two single-core workers on Ray against one worker of the local executor; then a node is killed in the midst
of as many rows again, none of which may be lost.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import sys
import tempfile
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from cryptable.compiled.compiled_model import CompiledModel
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_engine import Circuit, compile_circuit, interpret
from cryptable_protocol import EncryptedTensor, encode_rows
from cryptable_server.executors.executor import Evaluated, Evaluation, KeysReference
from cryptable_server.executors.local import LocalExecutor
from cryptable_server.executors.pool import WorkerPool
from cryptable_server.executors.ray import RayExecutor
from cryptable_server.settings.worker_config import WorkerConfig
from ray.cluster_utils import Cluster
from serving import Figure, report, trees
from sklearn.datasets import load_breast_cancer

STORE_BYTES = 80 << 20
START_SECONDS, SECONDS = 240.0, 1800.0


class Client:
    """Rows of a model, encrypted, and what their answers should be."""

    def __init__(self, model: CompiledModel, folder: Path) -> None:
        artifact = model.artifact
        self.spec = artifact.client_spec
        circuit = Circuit.from_bytes(artifact.circuit)
        self.program = compile_circuit(circuit, artifact.compile_options, folder / "program")
        self._secret_keys = SecretKeys.generate(self.spec)
        path = folder / "evaluation-keys"
        with path.open("wb") as file:
            write_evaluation_keys(self._secret_keys, file)
        digest = hashlib.sha256(path.read_bytes()).digest()
        self._keys = KeysReference(digest, "owner", str(path), self.spec.parameters.key_memory_bytes)
        X, _ = load_breast_cancer(return_X_y=True)
        encoded = np.asarray(encode_rows(self.spec.features, X[:8]))
        self._expected = interpret(circuit, encoded)
        self._tensors = [encrypt(self.spec, self._secret_keys, row).to_bytes() for row in encoded]

    def submit(self, executor: WorkerPool, rows: int) -> list[Future[Evaluated]]:
        """Rows on their way."""
        program = str(self.program.directory)
        return [
            executor.submit(Evaluation(program, self._tensors[number % len(self._tensors)], self._keys))
            for number in range(rows)
        ]

    def wrong(self, futures: list[Future[Evaluated]]) -> int:
        """How many rows failed, or have another answer than the circuit's."""
        wrong = 0
        for number, future in enumerate(futures):
            if future.exception(SECONDS) is not None:
                wrong += 1
                continue
            answer = decrypt(self.spec, self._secret_keys, EncryptedTensor.from_bytes(*future.result().tensors))
            wrong += not np.array_equal(answer, self._expected[number % len(self._tensors)])
        return wrong


def cpu_seconds(futures: list[Future[Evaluated]]) -> float:
    """Of a row whose keys were in memory, the median."""
    return statistics.median(each.result().cpu_seconds for each in futures if each.result().keys_cached)


def measured(folder: Path, rows: int) -> list[Figure]:
    """All figures."""
    client = Client(trees("model", 4, 3), folder)
    config: dict[str, Any] = {"threads": 1, "start_seconds": START_SECONDS, "queue_rows": 2 * rows}
    local = LocalExecutor(WorkerConfig(count=1, **config))
    alone = client.submit(local, max(5, rows // 4))
    wrong = client.wrong(alone)
    local.close()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE_BYTES})
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES) for _ in range(2)]
    executor = RayExecutor(WorkerConfig(count=2, **config), address=cluster.address)
    try:
        spread = client.submit(executor, rows)
        wrong += client.wrong(spread)
        shares = executor.answered
        survived = client.submit(executor, rows)
        survived[rows // 4].result(SECONDS)
        cluster.remove_node(nodes[0], allow_graceful=False)
        lost = client.wrong(survived)
    finally:
        executor.close()
        cluster.shutdown()  # type: ignore[no-untyped-call]
    bare, on_ray = cpu_seconds(alone), cpu_seconds(spread)
    return [
        Figure("CPU seconds of a row, one local worker, median", bare),
        Figure("CPU seconds of a row, two single-core workers on Ray, median", on_ray),
        Figure("difference, %", 100 * abs(on_ray / bare - 1), 10),
        Figure(f"rows of {rows} that the busier of two workers has evaluated, %", 100 * max(shares) / sum(shares), 60),
        Figure("answers that differ from the circuit's", wrong, 0),
        Figure(f"rows of {rows} lost when a node was killed in the midst of them", lost, 0),
    ]


def main() -> int:
    """Print the report; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200, help="of each of the two runs (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        return int(report(measured(Path(name), options.rows)) > 0)


if __name__ == "__main__":
    sys.exit(main())
