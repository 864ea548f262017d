"""What an operator does with a running server: models changed, metrics read, client certificates asked for."""

import dataclasses
import datetime
import ipaddress
import queue
import shutil
import signal
import time
import urllib.request

import grpc
import pytest
from cryptable_protocol import ClientSpec
from cryptable_protocol.messages import admin as admin_pb
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.service import SERVICE_NAME, AdminStub, InferenceStub
from cryptable_server import __version__
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2, health_pb2_grpc

Status = grpc.StatusCode


def refusal(call, *arguments, **options):
    with pytest.raises(grpc.RpcError) as caught:
        list(call(*arguments, **options))
    return caught.value.code()


@pytest.fixture
def linear(artifacts):
    return artifacts["linear"].client_spec


@pytest.fixture
def folder(models, tmp_path):
    copied = tmp_path / "models"
    shutil.copytree(models, copied)
    return copied


def replace_linear(folder, artifacts):
    """A version that is encoded and decoded in another way."""
    spec = artifacts["linear"].client_spec
    changed = dataclasses.replace(spec, decoder=dataclasses.replace(spec.decoder, step=2.0))
    dataclasses.replace(artifacts["linear"], model_version="2", client_spec=changed).save(folder / "linear.cryptable")
    return changed


def test_models_change_under_a_running_stream(start, folder, artifacts, linear, wire):
    with start("--watch", "0", models=folder) as server:
        requests = queue.SimpleQueue()
        requests.put(wire.infer_header(linear))
        requests.put(wire.row_of(linear))
        stream = server.stub.Infer(iter(requests.get, None))
        assert next(stream).row == 0
        changed = replace_linear(folder, artifacts)
        (folder / "tables.cryptable").unlink()
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("models read")

        # Those who come now get the new one; the old digest is refused.
        answer = server.stub.GetModel(pb.GetModelRequest(name="linear", version="latest"))
        assert (answer.version, ClientSpec.from_bytes(answer.client_spec)) == ("2", changed)
        assert len(server.infer(changed)) == 1
        assert refusal(server.infer, linear) == Status.FAILED_PRECONDITION
        assert refusal(server.stub.GetModel, pb.GetModelRequest(name="linear", version="1")) == Status.NOT_FOUND
        assert refusal(server.stub.GetModel, pb.GetModelRequest(name="tables")) == Status.NOT_FOUND
        health = health_pb2_grpc.HealthStub(server.channel)
        asked = health_pb2.HealthCheckRequest(service=f"{SERVICE_NAME}/tables")
        assert refusal(health.Check, asked) == Status.NOT_FOUND

        # The stream that began before goes on with what it began with, also in a worker that replaced its own.
        requests.put(wire.row_of(linear, 1))
        assert next(stream).row == 1
        requests.put(None)
        assert list(stream) == []
        assert len(server.workers()) == 1


def test_a_changed_directory_is_noticed(start, folder, artifacts, linear):
    with start("--watch", "0.1", models=folder) as server:
        changed = replace_linear(folder, artifacts)
        server.wait_for("models read")
        assert len(server.infer(changed)) == 1
        for path in folder.glob("*.cryptable"):
            path.unlink()
        assert "no *.cryptable file" in server.wait_for("models not read")["reason"]
        assert len(server.infer(changed)) == 1


def test_metrics_tell_what_was_done(start, artifacts):
    spec = artifacts["tables"].client_spec
    with start("--metrics", "0.0.0.0:0") as server:  # the operator's choice, of which they are warned
        warned = server.wait_for("metrics for whoever reaches the address")
        assert (warned["level"], "firewall" in warned["advice"]) == ("warning", True)
        keys = server.upload(spec)
        server.infer(spec, keys, rows=3)
        # Deleted keys are gone from the worker's memory too: the same ones, stored anew, are loaded anew.
        server.stub.DeleteEvaluationKeys(pb.DeleteEvaluationKeysRequest(sha256=keys))
        assert server.upload(spec) == keys
        server.infer(spec, keys)
        assert refusal(server.stub.GetModel, pb.GetModelRequest(name="none")) == Status.NOT_FOUND
        server.wait_for("GetModel")
        server.wait_for("Infer")
        address = server.wait_for("metrics")["address"].replace("0.0.0.0", "127.0.0.1")
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    expected = {
        'cryptable_calls_total{method="UploadEvaluationKeys",status="OK"}': 2,
        'cryptable_calls_total{method="Infer",status="OK"}': 2,
        'cryptable_calls_total{method="GetModel",status="NOT_FOUND"}': 1,
        'cryptable_rows_total{model="tables"}': 4,
        "cryptable_lookups_total": 12,
        'cryptable_key_cache_total{outcome="miss"}': 2,
        'cryptable_key_cache_total{outcome="hit"}': 2,
        "cryptable_key_bytes": spec.parameters.keyset.evaluation_keys_bytes,
        "cryptable_keys": 1,
        "cryptable_queue_rows": 0,
        "cryptable_worker_deaths": 0,
        "cryptable_models": 2,
        "cryptable_workers": 1,
        "cryptable_queue_limit_rows": 256,
        "cryptable_calls_in_progress": 0,
        "cryptable_uploaded_bytes_total": 2 * spec.parameters.keyset.evaluation_keys_bytes,
        "cryptable_queue_seconds_count": 4,
        'cryptable_model_versions{state="served"}': 2,
        'cryptable_model_versions{state="refused"}': 0,
        'cryptable_model_serving{model="tables"}': 1,
        f'cryptable_build{{version="{__version__}"}}': 1,
    }
    assert {name: float(found[name]) for name in expected} == expected
    assert float(found["process_resident_memory_bytes"]) > 0
    for phase in ("queue", "keys", "evaluation"):
        assert float(found[f'cryptable_row_seconds_total{{phase="{phase}"}}']) > 0


def certificate(common_name, issuer=None):
    """A certificate, its key, and both in PEM; signed by `issuer`, or a certificate authority by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])
    now = datetime.datetime.now(datetime.timezone.utc)
    signer, signing_key = issuer if issuer else (None, key)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(signer.subject if signer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(signing_key, hashes.SHA256())
    )
    return made, key


def pem(made):
    return made[0].public_bytes(serialization.Encoding.PEM), made[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_client_certificates_name_principals(start, artifacts, tmp_path):
    spec = artifacts["tables"].client_spec
    authority = certificate("authority")
    (tmp_path / "ca.pem").write_bytes(pem(authority)[0])
    options = ["--development-certificate", tmp_path / "tls", "--client-ca", tmp_path / "ca.pem"]
    options += ["--admins", "carol,alice"]
    with start(*options) as server:
        root = (tmp_path / "tls" / "certificate.pem").read_bytes()

        def channel(shown):
            chain, key = (None, None) if shown is None else pem(shown)
            credentials = grpc.ssl_channel_credentials(root, key, chain)
            return grpc.secure_channel(server.address, credentials)

        channels = {name: channel(certificate(name, authority)) for name in ("alice", "bob")}
        alice, bob = map(InferenceStub, channels.values())
        server.stub = alice
        keys = server.upload(spec)
        request = pb.GetEvaluationKeysRequest(sha256=keys)
        assert alice.GetEvaluationKeys(request).size
        assert refusal(bob.GetEvaluationKeys, request) == Status.NOT_FOUND
        assert len(server.infer(spec, keys)) == 1
        server.wait_for("GetEvaluationKeys", principal="mtls:bob", status="NOT_FOUND")
        # Of those who are known, the operator says who administers.
        assert AdminStub(channels["alice"]).GetStatus(admin_pb.GetStatusRequest()).stored_keys == 1
        asked = AdminStub(channels["bob"]).GetStatus
        assert refusal(asked, admin_pb.GetStatusRequest()) == Status.PERMISSION_DENIED
        # TLS keeps out who has no certificate, or another authority's; a name is needed as well.
        for stranger in (None, certificate("alice"), certificate("alice", certificate("authority"))):
            assert (
                refusal(InferenceStub(channel(stranger)).ListModels, pb.ListModelsRequest(), timeout=20)
                == Status.UNAVAILABLE
            )
        nameless = InferenceStub(channel(certificate("", authority)))
        assert refusal(nameless.ListModels, pb.ListModelsRequest()) == Status.UNAUTHENTICATED


def test_an_upload_that_trickles_in_is_ended(start, artifacts, wire):
    """A stream that sends a little, and then nothing, does not hold a call for longer than is allowed."""
    spec = artifacts["tables"].client_spec
    with start("--idle-timeout", "0.5") as server:
        release = queue.SimpleQueue()

        def messages():
            whole = wire.upload_messages(spec, wire.random_keys(spec))
            for _ in range(3):
                yield next(whole)
                time.sleep(0.1)
            release.get()

        assert refusal(server.stub.UploadEvaluationKeys, messages()) == Status.DEADLINE_EXCEEDED
        release.put(None)
