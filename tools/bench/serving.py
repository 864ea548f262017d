"""What the server's benchmarks share: real models, a real server, what its processes take, clients with ciphertexts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np
from cryptable.compiled.compiled_model import CompiledModel
from cryptable.compiling.compile import compile as compile_model
from cryptable.planner.settings import Scheme
from cryptable_client import SecretKeys, encrypt, write_evaluation_keys
from cryptable_protocol import ClientSpec, EvaluationKeysHeader, encode_rows, limits
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import keys as keys_pb
from cryptable_protocol.schemes.scheme import Tensor
from cryptable_protocol.service import InferenceStub
from sklearn.datasets import load_breast_cancer
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

PROGRAM = ("-m", "cryptable_server")
_READY = "cryptable-server ready on "
_TICKS = os.sysconf("SC_CLK_TCK")
Metadata = tuple[tuple[str, str | bytes], ...]
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Figure(NamedTuple):
    """One line of a report; `bar` is the most that is accepted."""

    what: str
    measured: float
    bar: float = float("inf")


def report(figures: Sequence[Figure]) -> int:
    """Print figures beside their bars; the number of those that miss them."""
    missed = 0
    for what, measured, bar in figures:
        verdict = "" if bar == float("inf") else f"   at most {bar:.6g}   {'ok' if measured <= bar else 'MISSED'}"
        missed += measured > bar
        print(f"{what:<72} {measured:>10.4g}{verdict}", flush=True)
    return missed


def trees(name: str, count: int, depth: int, *, scheme: Scheme = "auto") -> CompiledModel:
    """XGBoost on the breast cancer data."""
    X, y = load_breast_cancer(return_X_y=True)
    return compile_model(XGBClassifier(n_estimators=count, max_depth=depth).fit(X, y), X, name=name, scheme=scheme)


def linear(name: str) -> CompiledModel:
    """Logistic regression on the same: no lookups, no evaluation keys."""
    X, y = load_breast_cancer(return_X_y=True)
    return compile_model(LogisticRegression(max_iter=10_000).fit(X, y), X, name=name, hide_weights=False)


def hidden(name: str) -> CompiledModel:
    """Logistic regression on the same, whose weights its answers hide."""
    X, y = load_breast_cancer(return_X_y=True)
    return compile_model(LogisticRegression(max_iter=10_000).fit(X, y), X, name=name, hide_weights=True)


def labels(name: str) -> CompiledModel:
    """Trees on the same that answer with labels alone: bits turn a table."""
    X, y = load_breast_cancer(return_X_y=True)
    return compile_model(XGBClassifier(n_estimators=6, max_depth=2).fit(X, y), X, name=name, answer="label")


def squares(name: str) -> CompiledModel:
    """Quadratic discriminant analysis on the same, by squares."""
    X, y = load_breast_cancer(return_X_y=True)
    estimator = QuadraticDiscriminantAnalysis(reg_param=0.1).fit(X, y)
    return compile_model(estimator, X, name=name, scheme="squares")


def every_kind() -> dict[str, CompiledModel]:
    """A small model of every scheme and kind of row, by its name."""
    made = (
        linear("linear"),
        trees("keyed", 2, 2, scheme="bootstrapped"),
        trees("levelled", 3, 2, scheme="levelled"),
        hidden("hidden"),
        labels("labels"),
        squares("squares"),
    )
    return {model.name: model for model in made}


def save_all(models: Sequence[CompiledModel], folder: Path) -> Path:
    """Artifacts of models in a folder."""
    folder.mkdir(exist_ok=True)
    for model in models:
        model.save(folder / f"{model.name}.cryptable")
    return folder


@dataclass
class Running:
    """A server process."""

    process: subprocess.Popen[str]
    address: str
    log: Path
    folder: Path

    def children(self) -> list[int]:
        """Process ids of its direct children: the workers."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]

    def cpu_seconds(self) -> float:
        """Of the front and its workers, those that have ended included."""
        total = 0
        for pid in (self.process.pid, *self.children()):
            total += sum(map(int, _statistics(pid)[11:15]))
        return total / _TICKS

    def resident_bytes(self, pid: int | None = None) -> int:
        """Memory of the front, or of another process."""
        return int(Path(f"/proc/{pid or self.process.pid}/statm").read_text().split()[1]) * _PAGE

    def descriptors(self, pid: int | None = None) -> int:
        """Open files of the front, or of another process."""
        return len(list(Path(f"/proc/{pid or self.process.pid}/fd").iterdir()))

    def disk_bytes(self) -> int:
        """All that it keeps, but its log."""
        kept = (self.folder / "keys", self.folder / "programs")
        return sum(path.lstat().st_size for place in kept for path in place.rglob("*") if path.is_file())

    def channel(self) -> grpc.Channel:
        """A connection of its own, over loopback."""
        return grpc.insecure_channel(self.address, options=[("grpc.use_local_subchannel_pool", 1)])


def _statistics(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on; user and system time, own and waited for, are 11 to 15 of these."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


@contextmanager
def running_server(models: Path, folder: Path, *options: object, program: Sequence[str] = PROGRAM) -> Iterator[Running]:
    """A server over plain loopback, drained at the end; `program` is Python's arguments before the server's own."""
    folder.mkdir(exist_ok=True)
    log = folder / "log"
    places = ["--models", models, "--keys", folder / "keys", "--programs", folder / "programs"]
    command = [sys.executable, *program, "serve", *places, "--insecure", "--address", "127.0.0.1:0"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*map(str, command), *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        if not line.startswith(_READY):
            raise RuntimeError(f"the server did not come up:\n{log.read_text()[-3000:]}")
        yield Running(process, line.removeprefix(_READY).strip(), log, folder)
        process.terminate()
        process.wait(60)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def new_token(file: Path, name: str, *options: str) -> str:
    """A bearer token, as the operator's command makes it."""
    command = [sys.executable, "-m", "cryptable_server", "tokens", "new", "--file", str(file), *options, name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@dataclass
class Client:
    """A principal with keys on the server, and rows that were encrypted beforehand."""

    server: Running
    spec: ClientSpec
    rows: list[pb.InferRequest]
    header: pb.InferRequest
    token: str = ""
    channel: grpc.Channel = field(init=False)

    def __post_init__(self) -> None:
        self.channel = self.server.channel()
        self.stub = InferenceStub(self.channel)
        self.metadata: Metadata = (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def replay(self, row: int, *, timeout: float = 600.0) -> tuple[pb.InferRowResponse, float]:
        """One prepared row in a call of its own, as clients send one: the answer, and seconds until it was there."""
        request = pb.InferRowRequest(header=self.header.header, row=self.rows[row % len(self.rows)].row)
        began = time.perf_counter()
        answer = self.stub.InferRow(request, timeout=timeout, metadata=self.metadata)
        return answer, time.perf_counter() - began

    def close(self) -> None:
        """End the connection."""
        self.channel.close()


def upload(stub: InferenceStub, path: Path, header: EvaluationKeysHeader, metadata: Metadata = ()) -> bytes:
    """Send a file of evaluation keys; its digest."""

    def messages() -> Iterator[pb.UploadEvaluationKeysRequest]:
        yield pb.UploadEvaluationKeysRequest(header=header.to_message())
        with path.open("rb") as file:
            for offset in range(0, header.size, limits.CHUNK_BYTES):
                chunk = keys_pb.EvaluationKeysChunk(offset=offset, data=file.read(limits.CHUNK_BYTES))
                yield pb.UploadEvaluationKeysRequest(chunk=chunk)

    return bytes(stub.UploadEvaluationKeys(messages(), metadata=metadata).sha256)


def new_client(server: Running, model: CompiledModel, *, rows: int, token: str = "") -> Client:
    """Make keys, upload them, and encrypt rows of the data."""
    spec = model.artifact.client_spec
    X, _ = load_breast_cancer(return_X_y=True)
    path = server.folder / f"evaluation-keys-{os.urandom(4).hex()}"
    with SecretKeys.generate(spec) as secret_keys:
        encoded = encode_rows(spec.features, X[:rows])
        tensors = [encrypt(spec, secret_keys, row) for row in np.asarray(encoded)]
        digest = b""
        if spec.parameters.keyset.evaluation_keys_bytes:
            with path.open("wb") as file:
                header = write_evaluation_keys(secret_keys, file)
            client = Client(server, spec, [], pb.InferRequest(), token)
            digest = upload(client.stub, path, header, client.metadata)
            client.close()
            path.unlink()
    names = pb.InferHeader(model_name=spec.model_name, client_spec_digest=spec.digest, evaluation_keys=digest)
    return Client(server, spec, requests_of(tensors), pb.InferRequest(header=names), token)


def requests_of(tensors: Sequence[Tensor]) -> list[pb.InferRequest]:
    """Messages of rows."""
    return [pb.InferRequest(row=tensor.to_message()) for tensor in tensors]
