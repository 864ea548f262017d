"""One real server for malformed requests, which must answer a good request after each, and what makes both.

CONCRETE.md's list of what crashes the native code is here in the form that the wire gives it: a client sends raw words
whose place the keyset's parameters fix, so a missing key, a wrong dimension or another circuit's keys are a wrong
length, a wrong keyset name or wrong words. A good request is made by the real client, and its answer is the circuit's.
"""

import dataclasses
import hashlib
import io
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Term, compile_circuit, interpret
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
    encode_rows,
    limits,
)
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import keys as keys_pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.service import InferenceStub

LOOKUPS = 3
EDGES = (1.0, 2.0, 3.0)


def good_circuit():
    """Two thermometers of 3 bits, packed into codes of 4 bits, looked up, summed."""
    pack = np.zeros((6, LOOKUPS), np.int64)
    pack[:3], pack[3:] = 1, 4
    tables = np.random.default_rng(2).integers(0, 4, (LOOKUPS, 16))
    return Circuit(
        (
            Input((InputGroup(GroupKind.THERMOMETER, 3), InputGroup(GroupKind.THERMOMETER, 3))),
            Linear((Term.from_dense(0, pack),), np.zeros(LOOKUPS, np.int64)),
            Lookup(1, tables, np.arange(LOOKUPS)),
            Linear((Term.from_dense(2, np.ones((LOOKUPS, 1), np.int64)),), np.zeros(1, np.int64)),
        ),
        3,
    )


def compiled_artifact(name, directory, p_error):
    circuit, options = good_circuit(), CompileOptions(p_error)
    program = compile_circuit(circuit, options, directory)
    features = tuple(ThermometerEncoder(column, EDGES) for column in ("a", "b"))
    decoder = Decoder(Link.IDENTITY, (0,), 1.0, (0.0,))
    spec = ClientSpec(name, features, program.keyset, program.input, program.output, decoder, p_error)
    return ModelArtifact("1", Provenance("by hand", (), ""), spec, circuit.to_bytes(), options)


@dataclass
class Party:
    """A server process, and a client with keys."""

    stub: InferenceStub
    channel: grpc.Channel
    log: Path
    spec: ClientSpec
    other: ClientSpec
    refused: ClientSpec
    """Of an artifact that the server found but does not serve."""
    secret_keys: SecretKeys
    keys: bytes
    """The evaluation keys' bytes."""
    sha256: bytes = b""
    other_sha256: bytes = b""

    def good_request(self):
        """Encrypt, evaluate, decrypt; the answer is what the circuit says."""
        table = np.random.default_rng().uniform(0, 4, (1, 2))
        (row,) = encode_rows(self.spec.features, table)
        tensor = encrypt(self.spec, self.secret_keys, row)
        requests = [self.infer_header(), pb.InferRequest(row=tensor.to_message())]
        (answer,) = self.stub.Infer(iter(requests), timeout=60)
        decrypted = decrypt(self.spec, self.secret_keys, EncryptedTensor.from_message(answer.result))
        return decrypted.tolist() == interpret(good_circuit(), row[None])[0].tolist()

    def infer_header(self, **changes):
        fields = {"model_name": self.spec.model_name, "client_spec_digest": self.spec.digest}
        return pb.InferRequest(header=pb.InferHeader(**{**fields, "evaluation_keys": self.sha256, **changes}))

    def row(self, **changes):
        """A well-formed row, but for `changes`."""
        fields = {"seed": os.urandom(16), "bodies": os.urandom(8 * self.spec.input.size)}
        if "explicit" in changes:
            del fields["seed"]
        return pb.InferRequest(row=tensor_pb.EncryptedTensor(**{**fields, **changes}))

    def upload(self, data, **changes):
        """The messages of an upload of `data`, whose header has `changes`."""
        fields = {"keyset_name": self.spec.keyset.name, "size": len(data), "sha256": hashlib.sha256(data).digest()}
        yield pb.UploadEvaluationKeysRequest(header=keys_pb.EvaluationKeysHeader(**{**fields, **changes}))
        for offset in range(0, len(data), limits.CHUNK_BYTES):
            yield self.chunk(offset, data[offset : offset + limits.CHUNK_BYTES])

    @property
    def dimension(self):
        return self.spec.keyset.dimensions[self.spec.input.key]

    @staticmethod
    def chunk(offset, data):
        return pb.UploadEvaluationKeysRequest(chunk=keys_pb.EvaluationKeysChunk(offset=offset, data=data))

    @staticmethod
    def evaluation_keys(secret_keys):
        """Their bytes."""
        file = io.BytesIO()
        header = write_evaluation_keys(secret_keys, file)
        assert isinstance(header, EvaluationKeysHeader)
        return file.getvalue()

    @staticmethod
    def status_of(call, *arguments):
        """Of a call that must be refused."""

        def answer():
            result = call(*arguments, timeout=60)
            return list(result) if isinstance(result, grpc.Call) else result

        with pytest.raises(grpc.RpcError) as caught:
            answer()
        return caught.value.code()


def events_of(log, event):
    """Lines of a server's log."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


@pytest.fixture(scope="session")
def events():
    return events_of


@contextmanager
def running(models, folder):
    """A server of a folder of models: its address and its log."""
    command = [sys.executable, "-m", "cryptable_server", "serve", "--models", models, "--keys", folder / "keys"]
    command += ["--insecure", "--address", "127.0.0.1:0"]
    log = folder / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        ready = process.stdout.readline()
        assert ready.startswith("cryptable-server ready on"), log.read_text()
        yield ready.split()[-1], log
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def serve():
    return running


@pytest.fixture(scope="session")
def expected():
    """What `good_circuit` makes of encoded rows."""
    return lambda encoded: interpret(good_circuit(), encoded)


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """The artifact of `good_circuit`."""
    return compiled_artifact("good", tmp_path_factory.mktemp("compiled") / "good", 2.0**-40)


@pytest.fixture(scope="session")
def party(good, tmp_path_factory):
    folder = tmp_path_factory.mktemp("malformed")
    models = folder / "models"
    models.mkdir()
    other = compiled_artifact("other", folder / "other", 2.0**-60)
    (key,) = good.client_spec.keyset.bootstrap_keys
    keyset = dataclasses.replace(
        good.client_spec.keyset, bootstrap_keys=(dataclasses.replace(key, variance=key.variance / 4),)
    )
    refused = dataclasses.replace(good.client_spec, model_name="refused", keyset=keyset)
    for artifact in (good, other, dataclasses.replace(good, client_spec=refused)):
        artifact.save(models / f"{artifact.model_name}.cryptable")
    with running(models, folder) as (address, log):
        spec = good.client_spec
        with grpc.insecure_channel(address) as channel, SecretKeys.generate(spec) as secret_keys:
            keys = Party.evaluation_keys(secret_keys)
            made = Party(InferenceStub(channel), channel, log, spec, other.client_spec, refused, secret_keys, keys)
            made.sha256 = made.stub.UploadEvaluationKeys(made.upload(keys)).sha256
            foreign = os.urandom(other.client_spec.keyset.evaluation_keys_bytes)
            messages = made.upload(foreign, keyset_name=other.client_spec.keyset.name)
            made.other_sha256 = made.stub.UploadEvaluationKeys(messages).sha256
            assert made.good_request()
            yield made
    # Every refusal was meant: none was an exception that nobody expected, and no worker died.
    text = log.read_text()
    assert "INTERNAL" not in text
    assert "traceback" not in text
    assert "worker died" not in text
    assert len(events_of(log, "worker up")) == 1


@pytest.fixture
def workers(party):
    """Process ids of the workers that came up: a malformed request must not cost one."""
    return lambda: [line["pid"] for line in events_of(party.log, "worker up")]
