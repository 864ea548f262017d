"""One real server for malformed requests, which must answer a good request after each, and what makes both.

CONCRETE.md's list of what crashes the native code is here in the form that the wire gives it: a client sends raw words
whose place the keyset's parameters fix, so a missing key, a wrong dimension or another circuit's keys are a wrong
length, a wrong keyset name or wrong words. A good request is made by the real client, and its answer is the circuit's.
"""

import dataclasses
import hashlib
import io
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_engine import interpret
from cryptable_protocol import ClientSpec, EncryptedTensor, EvaluationKeysHeader, encode_rows, limits
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import keys as keys_pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.service import InferenceStub
from server_process import events_of, make_artifact, run_server, tables_circuit


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
        return decrypted.tolist() == interpret(tables_circuit(), row[None])[0].tolist()

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


@pytest.fixture(scope="session")
def events():
    return events_of


@contextmanager
def running(models, folder):
    """A server of a folder of models: its address and its log."""
    with run_server(models, folder) as server:
        yield server.address, server.log


@pytest.fixture(scope="session")
def serve():
    return running


@pytest.fixture(scope="session")
def expected():
    """What `tables_circuit` makes of encoded rows."""
    return lambda encoded: interpret(tables_circuit(), encoded)


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """The artifact of `tables_circuit`, with keys of every kind."""
    return make_artifact("good", tables_circuit(), tmp_path_factory.mktemp("compiled") / "good", native=True)


@pytest.fixture(scope="session")
def good_one_level(tmp_path_factory):
    """The same as a one-level circuit."""
    return make_artifact("one-level", tables_circuit(), tmp_path_factory.mktemp("compiled") / "one-level")


@pytest.fixture(scope="session")
def party(good, tmp_path_factory):
    folder = tmp_path_factory.mktemp("malformed")
    models = folder / "models"
    models.mkdir()
    other = make_artifact("other", tables_circuit(), folder / "other", 2.0**-60, native=True)
    (key,) = good.client_spec.keyset.bootstrap_keys
    keyset = dataclasses.replace(
        good.client_spec.keyset, bootstrap_keys=(dataclasses.replace(key, variance=key.variance / 4),)
    )
    refused = dataclasses.replace(
        good.client_spec,
        parameters=dataclasses.replace(good.client_spec.parameters, keyset=keyset),
        model_name="refused",
    )
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
