"""Spot checks under encryption, on a real server: an honest one passes, one that evaluates another model does not."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import grpc
import numpy as np
import pytest
from cryptable_client import KeysRetiredError, SecretKeys, SpotChecks, WrongAnswersError, connect
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Product, Term, compile_circuit, interpret
from cryptable_protocol import (
    ClientSpec,
    CompileOptions,
    Decoder,
    Link,
    ModelArtifact,
    Provenance,
    ThermometerEncoder,
    encode_rows,
)
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.model.known_answers import KnownAnswers
from cryptable_protocol.service import InferenceServicer, add_InferenceServicer_to_server
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from server_process import run_server

pytestmark = pytest.mark.encrypted

OPTIONS = CompileOptions(p_error=2.0**-128, scheme="levelled")
KEY = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
SIGNER = KEY.public_key().public_bytes_raw().hex()
ROWS = np.array([[a, b] for a in (0.5, 1.5, 2.5, 3.5) for b in (0.0, 1.0, 2.0, 3.0)])
EDGES = (1.0, 2.0, 3.0)


def circuit(first, second):
    """Two products of weighed bits: which weights, a client's specification does not tell."""
    source = Input((InputGroup(GroupKind.THERMOMETER, 3), InputGroup(GroupKind.THERMOMETER, 3)))
    weights = np.array([[0, 0], [0, 0], [0, 0], [first, 0], [0, second], [1, 1]])
    inner = Linear((Term.from_dense(0, weights),), np.zeros(2, int))
    total = Linear((Term.from_dense(2, np.ones((2, 1), int)),), np.zeros(1, int))
    return Circuit((source, inner, Product(1, np.array([0, 1]), 2), total), 3)


def artifact(made, folder):
    program = compile_circuit(made, OPTIONS, folder)
    features = tuple(ThermometerEncoder(column, EDGES) for column in "ab")
    spec = ClientSpec("m", features, program.parameters, Decoder(Link.IDENTITY, (0,), 1.0, (0.0,)))
    return ModelArtifact("1", Provenance("by hand", (), ""), spec, made.to_bytes(), OPTIONS).signed(KEY)


class Impostor(InferenceServicer):
    """Says that it serves one model, as its developer signed it, and has another one evaluated, by a server behind."""

    def __init__(self, stub, artifact):
        self._stub, self._artifact = stub, artifact

    def GetModel(self, request, context):
        claimed = self._artifact
        return pb.GetModelResponse(
            version="1",
            client_spec=claimed.client_spec.to_bytes(),
            artifact_digest=claimed.digest,
            signature=claimed.signature.to_message(),
        )

    def GetEvaluationKeys(self, request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "send them")

    def UploadEvaluationKeys(self, requests, context):
        return self._stub.UploadEvaluationKeys(requests)

    def Infer(self, requests, context):
        yield from self._stub.Infer(requests)


@contextmanager
def serving(servicer):
    server = grpc.server(ThreadPoolExecutor(2))
    add_InferenceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def checks_of(made, signed, path):
    rows = encode_rows(signed.client_spec.features, ROWS)
    known = KnownAnswers("m", signed.client_spec.digest.hex(), signed.digest.hex(), rows, interpret(made, rows), 0)
    path.write_bytes(known.signed_bytes(KEY))
    return SpotChecks.load(path, share=0.5)


def test_a_server_that_evaluates_another_model_is_caught(tmp_path):
    meant, other = circuit(1, 2), circuit(2, 1)
    claimed, served = artifact(meant, tmp_path / "meant"), artifact(other, tmp_path / "other")
    assert claimed.client_spec == served.client_spec
    assert claimed.digest != served.digest
    models = tmp_path / "models"
    models.mkdir()
    served.save(models / "m.cryptable")
    expected = interpret(other, encode_rows(served.client_spec.features, ROWS))
    options = {"model": "m", "insecure": True, "signer": SIGNER}
    with run_server(models, tmp_path / "server") as server:
        honest = checks_of(other, served, tmp_path / "honest")
        with connect(server.address, spot_checks=honest, **options) as remote:
            np.testing.assert_array_equal(remote.predict(ROWS), expected[:, 0])
            assert remote.spot_checks_answered == len(ROWS)
        keys = SecretKeys.generate(claimed.client_spec)
        keys.save(tmp_path / "keys", insecure_plaintext=True)
        with serving(Impostor(server.stub, replace(claimed))) as address:
            with connect(address, **options) as remote:  # without checks nobody notices
                np.testing.assert_array_equal(remote.predict(ROWS), expected[:, 0])
            checks = checks_of(meant, claimed, tmp_path / "checks")
            remote = connect(address, spot_checks=checks, secret_keys=keys, **options)
            remote.predict(ROWS)
            with pytest.raises(WrongAnswersError):
                remote.close()
    with pytest.raises(KeysRetiredError):
        SecretKeys.load(tmp_path / "keys", insecure_plaintext=True)
