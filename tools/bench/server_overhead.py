"""Measures what the server costs beside evaluation: a lone row's CPU and wall time, CPU of many, who waits how long.

    python tools/bench/server_overhead.py [--rows N] [--rounds N]

Real server, real models (XGBoost, breast cancer data, levelled), real ciphertexts, made beforehand. First, one client
sends one row after the other; each is also evaluated by the bare engine, in a process without server, in turn. Then 8
clients, each with a token, replay rows to 4 models, each row in a call of its own, as fast as answers come. The wait
for a row is its latency less the evaluation's own wall time, which the answer tells.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from cryptable_client import SecretKeys, encrypt, write_evaluation_keys
from cryptable_protocol import encode_rows
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.service import InferenceStub
from serving import (
    Client,
    Figure,
    linear,
    new_client,
    new_token,
    report,
    requests_of,
    running_server,
    save_all,
    trees,
    upload,
)
from sklearn.datasets import load_breast_cancer

LONE = (100, 3)
MODELS = {"fifty": (50, 3), "sixty": (60, 3), "hundred": (100, 3), "deeper": (50, 4)}
"""Trees and depth."""
CLIENTS, WORKERS = 8, 2

ENGINE = """
import json, sys, time
from pathlib import Path
from cryptable_engine import Evaluator, Program
program, keys = json.loads(sys.stdin.readline())
evaluator = Evaluator(Program.load(Path(program)))
keys = evaluator.load_keys(Path(keys))
print("ready", flush=True)
for line in sys.stdin:
    row = bytes.fromhex(line)
    wall, cpu = time.perf_counter(), time.process_time()
    evaluator.evaluate_row(row, keys)
    print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)
"""


class BareEngine:
    """A process that has the engine, a program and keys, and no server."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def seconds(self, row: bytes) -> tuple[float, float]:
        """Wall and CPU seconds of one evaluation."""
        wall, cpu = self.ask(row.hex()).split()
        return float(wall), float(cpu)

    def ask(self, line: str) -> str:
        """One line for one line."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the engine's process has no pipes")
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def bare_engine(program: Path, keys: Path, threads: int) -> Iterator[BareEngine]:
    """With as many threads as the server's worker has."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-c", ENGINE]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        engine = BareEngine(process)
        engine.ask(json.dumps([str(program), str(keys)]))
        yield engine
        process.kill()


def alone(folder: Path, rows: int, threads: int) -> list[Figure]:
    """A lone row, remote and bare, in turn."""
    model = trees("alone", *LONE)
    spec = model.artifact.client_spec
    X, _ = load_breast_cancer(return_X_y=True)
    models = save_all([model], folder / "models")
    with running_server(models, folder, "--threads-per-worker", threads) as server:
        keys = folder / "evaluation-keys"
        with SecretKeys.generate(spec) as secret_keys, keys.open("wb") as file:
            header = write_evaluation_keys(secret_keys, file)
            tensors = [encrypt(spec, secret_keys, row) for row in np.asarray(encode_rows(spec.features, X[:rows]))]
        with server.channel() as channel:
            digest = upload(InferenceStub(channel), keys, header)
        names = pb.InferHeader(model_name=spec.model_name, client_spec_digest=spec.digest, evaluation_keys=digest)
        client = Client(server, spec, requests_of(tensors), pb.InferRequest(header=names))
        (program,) = (path for path in (folder / "programs").iterdir() if path.is_dir() and path.name[0] != ".")
        with bare_engine(program, keys, threads) as engine:
            client.replay(0)  # expands the keys, as the next line does
            engine.seconds(tensors[0].to_bytes())
            bare, bare_cpu, remote, beside, inside = [], [], [], [], []
            before = server.cpu_seconds()
            for number, tensor in enumerate(tensors):
                answer, seconds = client.replay(number)
                remote.append(seconds)
                beside.append(seconds - answer.wall_seconds)
                inside.append(answer.cpu_seconds)
                wall, cpu = engine.seconds(tensor.to_bytes())
                bare.append(wall)
                bare_cpu.append(cpu)
            spent = (server.cpu_seconds() - before) / len(tensors)
        client.close()
    engine_seconds, remote_seconds = statistics.median(bare), statistics.median(remote)
    return [
        Figure(f"alone: CPU ms of a row, bare engine, mean of {rows}", 1e3 * statistics.fmean(bare_cpu)),
        Figure("alone: CPU ms of a row inside the server's evaluation, mean", 1e3 * statistics.fmean(inside)),
        Figure("alone: CPU ms of a row, all the server's processes, mean", 1e3 * spent),
        Figure("alone: CPU ms of a row above the bare engine's", 1e3 * (spent - statistics.fmean(bare_cpu)), 4),
        Figure(f"alone: wall ms of a row, bare engine, median of {rows}", 1e3 * engine_seconds),
        Figure("alone: wall ms of a remote row, median", 1e3 * remote_seconds),
        Figure(
            "alone: wall ms of a remote row above the bare engine's, median of pairs",
            1e3 * statistics.median(a - b for a, b in zip(remote, bare, strict=True)),
            50 * engine_seconds + 15,
        ),
        Figure("alone: wall ms of a remote row outside its evaluation, median", 1e3 * statistics.median(beside)),
    ]


def together(folder: Path, rounds: int, names: dict[str, tuple[int, int]]) -> list[Figure]:
    """Eight clients, four models."""
    compiled = [trees(name, *shape) for name, shape in names.items()]
    tokens = folder / "tokens.json"
    folder.mkdir()
    given = [new_token(tokens, f"client{number}") for number in range(CLIENTS)]
    options = ["--workers", WORKERS, "--threads-per-worker", 1, "--tokens", tokens, "--key-memory", 8]
    with running_server(save_all(compiled, folder / "models"), folder, *options) as server:
        clients = [
            new_client(server, compiled[number % len(compiled)], rows=4, token=given[number])
            for number in range(CLIENTS)
        ]
        for _ in range(WORKERS):  # so that workers have the keys
            in_parallel(clients, 3)
        before = server.cpu_seconds()
        waits, inside = in_parallel(clients, rounds)
        outside = server.cpu_seconds() - before - inside
        for client in clients:
            client.close()
    worst = [float(np.percentile(each, 99)) for each in waits]
    return [
        Figure(f"together: CPU seconds inside evaluation, {CLIENTS * rounds} rows", inside),
        Figure("together: CPU of all the server's processes, of that inside evaluation", 1 + outside / inside, 1.15),
        Figure("together: CPU ms of a row outside evaluation", 1e3 * outside / (CLIENTS * rounds)),
        Figure("together: seconds that rows wait, median", statistics.median(itertools.chain.from_iterable(waits))),
        Figure("together: 99th percentile of a client's waits, largest", max(worst)),
        Figure("together: 99th percentile, largest of a client by smallest", max(worst) / min(worst), 1.5),
    ]


def in_parallel(clients: list[Client], rounds: int) -> tuple[list[list[float]], float]:
    """All clients replay `rounds` rows each, one after the other: each one's waits, and the CPU of all evaluations."""
    waits: list[list[float]] = [[] for _ in clients]
    inside = [0.0] * len(clients)
    failures: list[BaseException] = []
    begin = threading.Barrier(len(clients))

    def work(number: int) -> None:
        try:
            begin.wait()
            for row in range(rounds):
                answer, seconds = clients[number].replay(row)
                waits[number].append(seconds - answer.wall_seconds)
                inside[number] += answer.cpu_seconds
        except BaseException as error:  # noqa: BLE001 - raised below, in the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return waits, sum(inside)


def sums(folder: Path, rows: int) -> list[Figure]:
    """Rows of a model without lookups: nearly all of their cost is the server's own."""
    model = linear("linear")
    folder.mkdir()
    with running_server(save_all([model], folder / "models"), folder, "--threads-per-worker", 1) as server:
        client = new_client(server, model, rows=4)
        for row in range(20):
            client.replay(row)
        before = server.cpu_seconds()
        answers = [client.replay(row)[0] for row in range(rows)]
        inside = sum(answer.cpu_seconds for answer in answers)
        outside = server.cpu_seconds() - before - inside
        client.close()
    return [
        Figure("without lookups: CPU ms of a row inside evaluation", 1e3 * inside / rows),
        Figure("without lookups: CPU ms of a row and call outside evaluation", 1e3 * outside / rows),
    ]


def main() -> int:
    """Print the report; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100, help="rows of the lone client (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=40, help="rows of each of the eight (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of the lone client's worker (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "alone").mkdir()
        figures = alone(folder / "alone", options.rows, options.threads)
        figures += together(folder / "together", options.rounds, MODELS)
        figures += sums(folder / "sums", 10 * options.rows)
    return int(report(figures) > 0)


if __name__ == "__main__":
    sys.exit(main())
