"""Lets a real server work on a mixed load for a while, and looks whether memory, open files or disk grow.

    python tools/bench/soak.py [--minutes N] [--seed N]

Clients replay encrypted rows to a model of every scheme and kind of row, and to larger trees with lookups; keys come,
are used, dropped for others and deleted; callers vanish in uploads and in evaluations, and send what no server should
accept; models are written anew and read again. Caches are filled before, and the first quarter of the time warms up.
Then what processes take is looked at every second, and the last quarter is compared with the second one. Logs are not
counted: operators rotate them.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Protocol, cast

import grpc
from cryptable_protocol import EvaluationKeysHeader
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import keys as keys_pb
from serving import Client, Figure, Running, every_kind, new_client, report, running_server, save_all, trees, upload

KEY_SETS_IN_MEMORY, KEY_SETS_ON_DISK = 3, 4
EXPANSION = 6
EXPECTED = frozenset({"INVALID_ARGUMENT", "CANCELLED", "RESOURCE_EXHAUSTED", "NOT_FOUND", "UNAVAILABLE"})
MEGABYTE = 1e6


@dataclass
class Sample:
    """What the processes take at one time."""

    front_bytes: int
    worker_bytes: int
    descriptors: int
    disk_bytes: int


class Model(Protocol):
    """What can be written into the directory of models."""

    def save(self, path: Path, /) -> object:
        """Write it."""


@dataclass
class Load:
    """Activities, each in a thread of its own, until the end."""

    server: Running
    random: Random
    pace: float = 1.0
    """What pauses are multiplied by."""
    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self, name: str, act: Callable[[], None], *, every: float) -> None:
        """Have `act` called again and again, with pauses of about `every` seconds."""

        def work() -> None:
            while not self._ended.wait(self.random.uniform(0.5, 1.5) * every * self.pace):
                try:
                    act()
                    self.done[name] += 1
                except grpc.RpcError as error:
                    status = cast(grpc.Call, error).code().name
                    self.done[f"{name}: {status}"] += 1
                    if status not in EXPECTED:
                        self.failures.append(f"{name}: {error}")
                except Exception as error:  # noqa: BLE001 - told at the end
                    self.failures.append(f"{name}: {type(error).__name__}: {error}")

        thread = threading.Thread(target=work, name=name)
        self._threads.append(thread)
        thread.start()

    def end(self) -> None:
        """Wait until all have ended."""
        self._ended.set()
        for thread in self._threads:
            thread.join()


def begin_all(load: Load, models: Mapping[str, Model], clients: list[Client], folder: Path) -> None:
    """The mix."""
    for client in clients:
        load.begin(f"rows to {client.spec.model_name}", partial(replay, client), every=1.0)
    keyed = clients[-1]
    load.begin("keys that come and go", lambda: come_and_go(load, keyed, folder), every=8.0)
    load.begin("callers that vanish in evaluations", lambda: vanish(keyed), every=2.0)
    load.begin("callers that vanish in uploads", lambda: vanish_in_upload(load, keyed), every=3.0)
    load.begin("malformed rows", lambda: malformed(load, keyed), every=0.5)
    load.begin("models read again", lambda: read_again(load, models), every=10.0)


def replay(client: Client) -> None:
    """One row."""
    client.replay(0, timeout=120)


def come_and_go(load: Load, client: Client, folder: Path) -> None:
    """New keys (of random words), used once; every other set is deleted, the rest are dropped when room is needed."""
    path = folder / "random-keys"
    data = load.random.randbytes(client.spec.keyset.evaluation_keys_bytes)
    path.write_bytes(data)
    header = EvaluationKeysHeader(client.spec.keyset.name, len(data), hashlib.sha256(data).digest())
    digest = upload(client.stub, path, header)
    names = pb.InferHeader(
        model_name=client.spec.model_name, client_spec_digest=client.spec.digest, evaluation_keys=digest
    )
    list(client.stub.Infer(iter([pb.InferRequest(header=names), client.rows[0]]), timeout=120))
    if load.random.random() < 0.5:
        client.stub.DeleteEvaluationKeys(pb.DeleteEvaluationKeysRequest(sha256=digest))


def vanish(client: Client) -> None:
    """Rows that nobody waits for."""
    call = client.stub.Infer(iter([client.header, *client.rows]))
    time.sleep(0.2)
    call.cancel()


def vanish_in_upload(load: Load, client: Client) -> None:
    """Some chunks, and then nothing."""
    data = load.random.randbytes(3 << 20)
    header = EvaluationKeysHeader(client.spec.keyset.name, len(data), hashlib.sha256(data).digest()).to_message()
    header.size = client.spec.keyset.evaluation_keys_bytes
    gone = threading.Event()

    def messages() -> Iterator[pb.UploadEvaluationKeysRequest]:
        yield pb.UploadEvaluationKeysRequest(header=header)
        for offset in range(0, len(data), 1 << 20):
            chunk = keys_pb.EvaluationKeysChunk(offset=offset, data=data[offset : offset + (1 << 20)])
            yield pb.UploadEvaluationKeysRequest(chunk=chunk)
        gone.wait(10)

    call = client.stub.UploadEvaluationKeys.future(messages())
    time.sleep(0.3)
    call.cancel()
    gone.set()


def malformed(load: Load, client: Client) -> None:
    """Bytes where a row should be."""
    method: Any = client.channel.stream_stream("/cryptable.v1.Inference/Infer")
    list(method(iter([client.header.SerializeToString(), load.random.randbytes(load.random.randrange(2000))])))


def read_again(load: Load, models: Mapping[str, Model]) -> None:
    """An artifact that is written anew, which is noticed."""
    name = load.random.choice(list(models))
    models[name].save(load.server.folder / "models" / f"{name}.cryptable")
    load.server.process.send_signal(signal.SIGHUP)


def sample(server: Running) -> Sample:
    """Look once."""
    workers = server.children()
    return Sample(
        server.resident_bytes(),
        sum(server.resident_bytes(pid) for pid in workers),
        sum(map(server.descriptors, [server.process.pid, *workers])),
        server.disk_bytes(),
    )


def watched(server: Running, seconds: float) -> list[Sample]:
    """Samples of every second."""
    samples, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(1.0)
        with contextlib.suppress(OSError):  # a file, or a child that prepares a model, that has just gone
            samples.append(sample(server))
    return samples


def figures_of(samples: list[Sample], quota_bytes: int, memory_bytes: int) -> list[Figure]:
    """What has grown."""
    quarter = max(1, len(samples) // 3)  # the first quarter of the time is not among them

    def of(name: str) -> tuple[float, float]:
        values = [float(getattr(each, name)) for each in samples]
        return statistics.median(values[:quarter]), statistics.median(values[-quarter:])

    figures = []
    for name, about in (("front_bytes", "the front's memory"), ("worker_bytes", "the workers' memory")):
        before, after = of(name)
        figures += [
            Figure(f"{about}, MB, second quarter", before / MEGABYTE),
            Figure(f"{about}, MB, last quarter", after / MEGABYTE),
            Figure(f"{about}, growth in MB", (after - before) / MEGABYTE, 0.1 * before / MEGABYTE + 8),
        ]
    before, after = of("descriptors")
    return [
        *figures,
        Figure(
            "the workers' memory, MB, most", max(s.worker_bytes for s in samples) / MEGABYTE, memory_bytes / MEGABYTE
        ),
        Figure("open files, growth", after - before, 8),
        Figure("open files, most", max(s.descriptors for s in samples)),
        Figure("disk, MB, most", max(s.disk_bytes for s in samples) / MEGABYTE, quota_bytes / MEGABYTE),
    ]


def limits_for(on_disk: int) -> list[object]:
    """A server's options by which sets of keys, of that size on disk, soon push one another out."""
    gib = 2**30
    options: list[object] = ["--workers", 2, "--key-memory", KEY_SETS_IN_MEMORY * EXPANSION * on_disk / gib]
    return [*options, "--key-quota", (KEY_SETS_ON_DISK + 0.9) * on_disk / gib]


def allowances(on_disk: int) -> tuple[int, int]:
    """Bytes that such a server may take of disk, and its two workers of memory."""
    # Programs of all models, and what an artifact's preparation leaves for a moment, are far below a set of keys.
    # Each worker: its own base, keys, and one evaluation's buffers.
    memory = 2 * (KEY_SETS_IN_MEMORY * EXPANSION * on_disk + 600 * round(MEGABYTE))
    return round((KEY_SETS_ON_DISK + 2) * on_disk), memory


def soak(folder: Path, seconds: float, random: Random, prefill: int) -> int:
    """Run, with so many sets of keys used beforehand; the number of bars missed and failures."""
    # The one whose keys come and go, which are the largest, is the last.
    models = {**every_kind(), "six": trees("six", 6, 3, scheme="bootstrapped")}
    on_disk = models["six"].artifact.client_spec.keyset.evaluation_keys_bytes
    served = save_all(list(models.values()), folder / "models")
    with running_server(served, folder, "--threads-per-worker", 1, *limits_for(on_disk)) as server:
        load = Load(server, random)
        first = new_client(server, models["six"], rows=4)
        for _ in range(prefill):
            come_and_go(load, first, folder)
        first.close()
        clients = [new_client(server, model, rows=4) for model in models.values()]
        begin_all(load, models, clients, folder)
        watched(server, seconds / 4)
        samples = watched(server, seconds * 3 / 4)
        load.end()
        missing = sum(count for what, count in load.done.items() if what.startswith("rows to") and "NOT_FOUND" in what)
        if missing:
            load.failures.append(f"{missing} rows of clients whose keys had been dropped while they were in use")
        for client in clients:
            client.replay(1)  # good requests are still served
            client.close()
        log = server.log.read_text()
    for what, count in sorted(load.done.items()):
        print(f"{count:8d}  {what}")
    failures = [*load.failures, *(line for line in log.splitlines() if '"INTERNAL"' in line or "worker died" in line)]
    for failure in failures[:20]:
        print(f"FAILURE {failure}")
    print(
        f"{seconds / 60:.1f} minutes, {len(samples)} samples, {sum(load.done.values())} calls, {len(failures)} failures"
    )
    return report(figures_of(samples, *allowances(on_disk))) + len(failures)


def main() -> int:
    """Print the report; 1 where a bar is missed or a call failed in a way that it should not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long (default: %(default)s)")
    parser.add_argument(
        "--prefill", type=int, default=4 * KEY_SETS_IN_MEMORY, help="sets of keys used before (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory() as name:
        return int(soak(Path(name), 60 * options.minutes, Random(options.seed), options.prefill) > 0)


if __name__ == "__main__":
    sys.exit(main())
