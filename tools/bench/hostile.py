"""What is left for others while a server is treated badly: silent connections, callers who never read, a FIFO.

    python tools/bench/hostile.py [--silent N] [--readers N] [--sources FOLDERS]

One real server for each, as a process with the usual soft limit of 1024 open files. Told of each: how many of ten
callers, each on a connection of its own, are answered within 15 s, and how long that took; and how long the server
takes to end after SIGTERM. With --sources, the server is another version's: the folders of its packages' sources, with
colons between them.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cryptable as ct
import grpc
import numpy as np
from cryptable_protocol import EncryptedTensor, ModelArtifact
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.service import InferenceStub
from sklearn.linear_model import LinearRegression

CALLERS, CALL_SECONDS, END_SECONDS = 10, 15.0, 60.0
USUAL_FILES = 1024
SERVER_ENVIRONMENT = dict(os.environ)
OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)
SMALLEST_WINDOW = [OWN_CONNECTION, ("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 0)]


@dataclass
class Running:
    """A server, and where its models are."""

    process: subprocess.Popen[str]
    address: str
    models: Path


def save_models(folder: Path) -> ModelArtifact:
    """A model in `folder`/served, and one beside it that is not there yet; neither needs keys."""
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(200, 3))
    estimator = LinearRegression().fit(rows, rows @ [1.0, 2.0, 3.0])
    (folder / "served").mkdir()
    for name, place in (("first", folder / "served"), ("second", folder)):
        ct.compile(estimator, rows, name=name, hide_weights=False, show_progress=False).save(
            place / f"{name}.cryptable"
        )
    return ModelArtifact.load(folder / "served" / "first.cryptable")


@contextmanager
def running(models: Path, *options: str) -> Iterator[Running]:
    """A server on a copy of `models`, killed with the block."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(models, folder / "models")
        command = [sys.executable, "-m", "cryptable_server", "serve", "--models", str(folder / "models"), "--insecure"]
        command += ["--keys", str(folder / "keys"), "--address", "127.0.0.1:0", "--threads-per-worker", "1", *options]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                ["sh", "-c", f'ulimit -S -n {USUAL_FILES}; exec "$@"', "sh", *command],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=SERVER_ENVIRONMENT,
            )
        try:
            ready = process.stdout.readline() if process.stdout else ""
            if not ready.startswith("cryptable-server ready on "):
                raise SystemExit((folder / "log").read_text())
            yield Running(process, ready.split()[-1], folder / "models")
        finally:
            process.kill()
            process.wait()


def answered(address: str, request: Callable[[InferenceStub, float], object]) -> list[float]:
    """Seconds that each caller waited who was answered, one after the other, each on a connection of its own."""
    seconds = []
    for _ in range(CALLERS):
        began = time.monotonic()
        with grpc.insecure_channel(address, [OWN_CONNECTION]) as channel:
            try:
                request(InferenceStub(channel), CALL_SECONDS)
            except grpc.RpcError:
                continue
        seconds.append(time.monotonic() - began)
    return seconds


def tell(what: str, seconds: list[float], extra: str = "") -> None:
    """One line."""
    waited = f"median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s" if seconds else "nobody"
    print(f"{what:<34} {len(seconds):>2} of {CALLERS} answered: {waited}{extra}", flush=True)


def end_of(server: Running) -> str:
    """How long the server takes to end, a second signal being sent after half of the time it may take."""
    began = time.monotonic()
    for _ in range(2):
        server.process.send_signal(signal.SIGTERM)
        try:
            server.process.wait(END_SECONDS / 2)
        except subprocess.TimeoutExpired:
            continue
        return f"ended {time.monotonic() - began:.1f} s after SIGTERM"
    return f"still there {END_SECONDS:.0f} s after SIGTERM, sent twice"


def list_models(stub: InferenceStub, seconds: float) -> object:
    """What a caller asks who only wants an answer."""
    return stub.ListModels(pb.ListModelsRequest(), timeout=seconds, wait_for_ready=True)


def silent(models: Path, count: int) -> None:
    """So many connections that never send a byte."""
    with running(models) as server, ExitStack() as connections:
        host, _, port = server.address.rpartition(":")
        for _ in range(count):
            connections.enter_context(socket.create_connection((host, int(port)), timeout=60))
        seconds = answered(server.address, list_models)
        tell(f"{count} silent connections", seconds)
        print(f"{'':<34} {end_of(server)}")


def never_reading(models: Path, artifact: ModelArtifact, count: int) -> None:
    """So many streams whose answers nobody takes, on a server that answers as many calls at once."""
    spec = artifact.client_spec
    header = pb.InferHeader(model_name=spec.model_name, client_spec_digest=spec.digest)
    row = EncryptedTensor(np.zeros(spec.input.size, np.uint64), seed=bytes(16)).to_message()
    messages = [pb.InferRequest(header=header), *[pb.InferRequest(row=row)] * 50]
    options = ("--idle-timeout", "5", "--max-calls", str(count))
    with running(models, *options) as server, ExitStack() as held:
        began = time.monotonic()
        calls = []
        for _ in range(count):
            channel = held.enter_context(grpc.insecure_channel(server.address, SMALLEST_WINDOW))
            calls.append(InferenceStub(channel).Infer(iter(messages)))
        time.sleep(6)
        seconds = answered(server.address, list_models)
        tell(f"{count} callers who never read", seconds, f" ({time.monotonic() - began:.0f} s in all)")
        print(f"{'':<34} {end_of(server)}")
        for call in calls:
            call.cancel()


def fifo(models: Path, second: Path) -> None:
    """A FIFO among the models, and then a model that is to be served."""
    with running(models, "--watch", "0.5") as server:
        os.mkfifo(server.models / "strange.cryptable")
        time.sleep(3)
        shutil.copy(second, server.models)
        began = time.monotonic()
        served = False
        with grpc.insecure_channel(server.address) as channel:
            while not served and time.monotonic() - began < END_SECONDS:
                answer = InferenceStub(channel).ListModels(pb.ListModelsRequest(), timeout=CALL_SECONDS)
                served = "second" in [model.name for model in answer.models]
                time.sleep(0.1)
        told = f"a new model is served after {time.monotonic() - began:.1f} s" if served else "no new model is served"
        print(f"{'a FIFO among the models':<34} {told}", flush=True)
        tell("", answered(server.address, list_models))
        print(f"{'':<34} {end_of(server)}")


def main() -> None:
    """Measure all three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--silent", type=int, default=2000, metavar="N", help="connections (default: %(default)s)")
    parser.add_argument("--readers", type=int, default=60, metavar="N", help="callers (default: %(default)s)")
    parser.add_argument("--sources", metavar="FOLDERS", help="of the server's packages (default: as installed)")
    given = parser.parse_args()
    if given.sources:
        SERVER_ENVIRONMENT["PYTHONPATH"] = given.sources
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        artifact = save_models(folder)
        silent(folder / "served", given.silent)
        never_reading(folder / "served", artifact, given.readers)
        fifo(folder / "served", folder / "second.cryptable")


if __name__ == "__main__":
    main()
