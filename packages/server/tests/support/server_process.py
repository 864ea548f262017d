"""Tiny real models, and real servers as processes, for the tests of the server and those of several packages."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Term, compile_circuit
from cryptable_protocol import (
    ClientSpec,
    CompileOptions,
    Decoder,
    EncryptedTensor,
    EvaluationKeysHeader,
    Link,
    ModelArtifact,
    Provenance,
    ThermometerEncoder,
    limits,
)
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import keys as keys_pb
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED
from cryptable_protocol.service import InferenceStub
from waiting import until

COMMAND = (sys.executable, "-m", "cryptable_server")


def tables_circuit(lookups=3):
    """Two thermometers of 3 bits, packed into codes of 4 bits, looked up, summed."""
    rng = np.random.default_rng(0)
    source = Input((InputGroup(GroupKind.THERMOMETER, 3), InputGroup(GroupKind.THERMOMETER, 3)))
    pack = np.zeros((6, lookups), np.int64)
    pack[:3], pack[3:] = 1, 4
    codes = Linear((Term.from_dense(0, pack),), np.zeros(lookups, np.int64))
    tables = Lookup(1, rng.integers(0, 4, (lookups, 16)), np.arange(lookups))
    total = Linear((Term.from_dense(2, np.ones((lookups, 1), np.int64)),), np.zeros(1, np.int64))
    return Circuit((source, codes, tables, total), 3)


def linear_circuit():
    """The count of two thermometers' bits: no lookup, so no evaluation keys."""
    source = Input((InputGroup(GroupKind.THERMOMETER, 3), InputGroup(GroupKind.THERMOMETER, 3)))
    return Circuit((source, Linear((Term.from_dense(0, np.ones((6, 1), np.int64)),), np.zeros(1, np.int64))), 1)


def make_artifact(name, circuit, directory, p_error=2.0**-40, *, native=False, scheme=BOOTSTRAPPED):
    """A compiled model of two features, whose parameters are those that the circuit compiles to."""
    options = CompileOptions(p_error, scheme=scheme)
    program = compile_circuit(circuit, options, directory, native=native)
    features = tuple(ThermometerEncoder(column, (1.0, 2.0, 3.0)) for column in ("a", "b"))
    decoder = Decoder(Link.IDENTITY, (0,), 1.0, (0.0,))
    spec = ClientSpec(
        model_name=name,
        features=features,
        parameters=program.parameters,
        decoder=decoder,
    )
    return ModelArtifact("1", Provenance("by hand", (), ""), spec, circuit.to_bytes(), options)


@dataclass
class Server:
    """A `cryptable-server serve` process."""

    process: subprocess.Popen
    address: str
    stub: InferenceStub
    channel: grpc.Channel
    log: Path
    keys: Path

    def events(self, event):
        """Log lines of that event."""
        return events_of(self.log, event)

    def workers(self):
        """Process ids of the workers that came up, in order."""
        return [line["pid"] for line in self.events("worker up")]

    def wait_for(self, event, **facts):
        """The last log line of that event with these facts; a call's line may be written after its answer."""

        def found():
            return [line for line in self.events(event) if facts.items() <= line.items()]

        until(found, about=self.log.read_text)
        return found()[-1]

    def rows(self):
        """How many rows wait or are evaluated, by the server's own metrics."""
        (metrics,) = self.events("metrics")
        with urllib.request.urlopen(f"http://{metrics['address']}/metrics", timeout=60) as page:
            return int(float(re.search(r"^cryptable_queue_rows (.*)", page.read().decode(), re.MULTILINE)[1]))

    def wait_for_rows(self, count):
        """Until that many are there: a call that has begun may reach the server later than the next one does."""
        until(lambda: self.rows() == count, about=self.rows)

    def upload(self, spec, data=None, seed=0, **options):
        """Keys of the right length (random, so that results are wrong); returns their digest."""
        if data is None:
            data = random_keys(spec, seed)
        return self.stub.UploadEvaluationKeys(iter(upload_messages(spec, data)), **options).sha256

    def infer(self, spec, keys=b"", rows=1, **options):
        """The answers to `rows` rows of encrypted nonsense."""
        return list(self.stub.Infer(iter(infer_messages(spec, keys, rows)), **options))


def events_of(log, event):
    """Lines of a server's log."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def random_keys(spec, seed=0):
    return np.random.default_rng(seed).bytes(spec.parameters.keyset.evaluation_keys_bytes)


def upload_messages(spec, data):
    header = EvaluationKeysHeader(spec.parameters.keyset.name, len(data), hashlib.sha256(data).digest())
    yield pb.UploadEvaluationKeysRequest(header=header.to_message())
    # A dozen at least, of however few bytes: tests break off in the midst.
    step = min(limits.CHUNK_BYTES, max(1, len(data) // 12))
    for offset in range(0, len(data), step):
        chunk = keys_pb.EvaluationKeysChunk(offset=offset, data=data[offset : offset + step])
        yield pb.UploadEvaluationKeysRequest(chunk=chunk)


def infer_header(spec, keys=b"", **changes):
    fields = {"model_name": spec.model_name, "client_spec_digest": spec.digest, "evaluation_keys": keys}
    return pb.InferRequest(header=pb.InferHeader(**{**fields, **changes}))


def row_of(spec, number=0):
    tensor = EncryptedTensor(np.arange(spec.parameters.inputs, dtype=np.uint64), seed=number.to_bytes(16, "little"))
    return pb.InferRequest(row=tensor.to_message())


def infer_messages(spec, keys=b"", rows=1):
    yield infer_header(spec, keys)
    for number in range(rows):
        yield row_of(spec, number)


@contextmanager
def run_server(models, folder, *options, programs=None, check=True, command=COMMAND):
    """A server over plain loopback, on a free port, ended with the block."""
    folder.mkdir(exist_ok=True)
    log = folder / "log"
    command = [*command, "serve", "--models", models, "--keys", folder / "keys"]
    command += ["--programs", programs or folder / "programs", "--address", "127.0.0.1:0", "--threads-per-worker", "2"]
    options = list(map(str, options))
    if "--metrics" not in options:
        command += ["--metrics", "127.0.0.1:0"]
    if not {"--development-certificate", "--tls-certificate"} & set(options):
        command += ["--insecure"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*map(str, command), *options], stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        )
    try:
        ready = process.stdout.readline()
        assert ready.startswith("cryptable-server ready on "), log.read_text()
        address = ready.split()[-1]
        with grpc.insecure_channel(address) as channel:
            yield Server(process, address, InferenceStub(channel), channel, log, folder / "keys")
        if check:
            process.terminate()
            assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def recovered(began):
    """Whether it took no longer than it may since then: three times what a machine at rest needs, times its load."""
    share = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    return time.monotonic() - began < 15.0 * share


def zero_row(program):
    """A well-formed row of that program, of trivial ciphertexts' bodies."""
    return EncryptedTensor(np.zeros(program.parameters.inputs, np.uint64), seed=bytes(16)).to_bytes()
