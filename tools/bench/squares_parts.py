"""What a row in parts gains: networks of squares modulo two moduli, by two workers, each of which may take one.

    python tools/bench/squares_parts.py [--rows 12] [--rounds 3] [--clients 8] [--only NAME]

Two real servers, of the same artifacts, each with two workers of one thread: one hands rows to workers in parts, the
other whole. They take turns, row by row and round by round, so that what else the machine does falls on both. Lone rows
are of one client, which sends the next when it has an answer; then as many clients as are asked for send rows at once,
first with keys of one, then each with its own. Latencies are medians, CPU is of the front and its workers. All answers
are decrypted, and compared with the circuit's own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import numpy as np
from cryptable.compiled.compiled_model import CompiledModel
from cryptable.compiling.compile import compile as compile_model
from cryptable.neural import QuantNeuralNetClassifier
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_client.schemes.scheme import read_tensor
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.schemes.parts import parts_of
from cryptable_protocol.service import InferenceStub
from cryptable_server.commands import command_line
from cryptable_server.services import inference
from serving import PROGRAM, Client, Running, requests_of, running_server, save_all, upload
from sklearn.datasets import load_digits

WORKERS = 2
SERVERS = ("whole", "parts")
WHOLE = (str(Path(__file__).resolve()),)
NETWORKS = {"one-square": ((32,), 6), "two-squares": ((32, 32), 3)}
"""Neurons that are squared, layer by layer, and bits of inputs and weights: of both, outputs need two moduli."""


def network(name: str) -> CompiledModel:
    """On the digits data; hardly trained, which costs nothing here."""
    hidden, bits = NETWORKS[name]
    X, y = load_digits(return_X_y=True)
    classifier = QuantNeuralNetClassifier(
        hidden,
        activation="square",
        input_bits=bits,
        weight_bits=bits,
        output_weight_bits=bits,
        max_epochs=3,
        random_state=0,
    )
    model = compile_model(classifier.fit(X, y), X, name=name, scheme="squares")
    if parts_of(model.artifact.client_spec.parameters) != WORKERS:
        raise SystemExit(f"{name}: in {parts_of(model.artifact.client_spec.parameters)} parts, expected {WORKERS}")
    return model


class Party:
    """A client's keys and rows, with a connection to each server."""

    def __init__(self, model: CompiledModel, servers: dict[str, Running], rows: int) -> None:
        spec = model.artifact.client_spec
        self._spec, self._secret_keys = spec, SecretKeys.generate(spec)
        encoded = np.asarray(encode_rows(spec.features, load_digits(return_X_y=True)[0][:rows]))
        self._wanted = interpret(model.circuit, encoded)
        requests = requests_of([encrypt(spec, self._secret_keys, row) for row in encoded])
        self._clients: dict[str, Client] = {}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "keys"
            with path.open("wb") as file:
                header = write_evaluation_keys(self._secret_keys, file)
            for how, server in servers.items():
                with server.channel() as channel:
                    digest = upload(InferenceStub(channel), path, header)
                names = pb.InferHeader(
                    model_name=spec.model_name, client_spec_digest=spec.digest, evaluation_keys=digest
                )
                self._clients[how] = Client(server, spec, requests, pb.InferRequest(header=names))

    def send(self, how: str, row: int) -> tuple[pb.InferRowResponse, float]:
        """One row to one of the servers: its answer, and how long that took."""
        return self._clients[how].replay(row)

    def check(self, how: str, row: int, answer: pb.InferRowResponse) -> None:
        """End the program where an answer is not the circuit's own."""
        got = decrypt(self._spec, self._secret_keys, read_tensor(self._spec, answer.result))
        if (got != self._wanted[row % len(self._wanted)]).any():
            raise SystemExit(f"{how}: row {row} is not the circuit's own")

    def close(self) -> None:
        """End its connections, and forget its keys."""
        for client in self._clients.values():
            client.close()
        self._secret_keys.close()


Figures: TypeAlias = dict[str, list[float]]
"""By server."""


def lone_rows(parties: Sequence[Party], rows: int) -> Figures:
    """Seconds of rows one after the other, of each client in turn."""
    found: Figures = {}
    for row in range(rows):
        for party in parties:
            for how in SERVERS if row % 2 else SERVERS[::-1]:
                answer, seconds = party.send(how, row)
                party.check(how, row, answer)
                found.setdefault(how, []).append(seconds)
    return found


def together(server: Running, how: str, parties: Sequence[Party], rows: int) -> tuple[float, float, float]:
    """Each client sends so many rows, one after the other: rows a second, median latency, CPU seconds of a row."""
    gate = threading.Barrier(len(parties))

    def all_of(party: Party) -> list[tuple[pb.InferRowResponse, float]]:
        gate.wait()
        return [party.send(how, row) for row in range(rows)]

    before, began = server.cpu_seconds(), time.perf_counter()
    with ThreadPoolExecutor(len(parties)) as pool:
        answers = list(pool.map(all_of, parties))
    wall, cpu = time.perf_counter() - began, server.cpu_seconds() - before
    for party, got in zip(parties, answers, strict=True):
        for row, (answer, _) in enumerate(got):
            party.check(how, row, answer)
    count = rows * len(parties)
    return count / wall, statistics.median(seconds for got in answers for _, seconds in got), cpu / count


def show(what: str, found: Figures, scale: float, unit: str) -> None:
    """Medians of both servers, and the second's beside the first's."""
    whole, parts = (scale * statistics.median(found[how]) for how in SERVERS)
    print(f"  {what:<52} whole {whole:8.4g}   parts {parts:8.4g} {unit:<8} x {parts / whole:.3f}", flush=True)


def measure(name: str, asked: argparse.Namespace, folder: Path) -> None:
    """All figures of one network."""
    model = network(name)
    parameters, clients = model.artifact.client_spec.parameters, asked.clients
    print(f"{name}: {parameters.pinned_facts()['moduli']}, keys {parameters.keyset.evaluation_keys_bytes / 1e6:.1f} MB")
    options = ("--workers", WORKERS, "--threads-per-worker", 1)
    models = save_all([model], folder / "models")
    with ExitStack() as stack:
        servers = {
            how: stack.enter_context(running_server(models, folder / how, *options, program=program))
            for how, program in zip(SERVERS, (WHOLE, PROGRAM), strict=True)
        }
        parties = [Party(model, servers, asked.rows) for _ in range(clients)]
        for party in parties:
            stack.callback(party.close)
        show("a client's first row, ms", lone_rows(parties[:2], 1), 1e3, "ms")
        lone_rows(parties[:1], 2)
        show("a lone row, ms", lone_rows(parties[:1], asked.rows), 1e3, "ms")
        for keys, taking in (("keys of one", parties[:1] * clients), ("keys of their own", parties)):
            found: list[Figures] = [{}, {}, {}]
            for number in range(1 + asked.rounds):
                for how in SERVERS if number % 2 else SERVERS[::-1]:
                    figures = together(servers[how], how, taking, asked.each)
                    for into, figure in zip(found, figures, strict=True) if number else ():  # the first loads keys
                        into.setdefault(how, []).append(figure)
            show(f"{clients} rows at once, {keys}: throughput", found[0], 1, "rows/s")
            show(f"{clients} rows at once, {keys}: latency", found[1], 1e3, "ms")
            show(f"{clients} rows at once, {keys}: CPU of a row", found[2], 1e3, "ms")


def serve_whole() -> int:
    """A server that hands no row to workers in parts."""
    vars(inference)["parts_of"] = lambda _: 1
    return command_line.main(sys.argv[1:])


def main() -> int:
    """Run the command line."""
    if sys.argv[1:2] == ["serve"]:
        return serve_whole()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20, help="lone ones")
    parser.add_argument("--rounds", type=int, default=5, help="of rows at once")
    parser.add_argument("--each", type=int, default=3, help="rows of each client in a round")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--only", choices=NETWORKS)
    asked = parser.parse_args()
    for name in [asked.only] if asked.only else NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, asked, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
