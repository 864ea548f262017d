"""A server's life: its processes, its ends, its addresses."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.service import SERVICE_NAME, InferenceStub
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from heeding_sigint import heeding_sigint
from waiting import LONG_SECONDS, until

Status = grpc.StatusCode
FRONT_FORBIDS = (
    "concrete",
    "mlir",
    "torch",
    "sklearn",
    "onnx",
    "xgboost",
    "cryptable_engine",
    "cryptable_client",
    "cryptable",
)


@pytest.fixture(scope="module")
def spec(artifacts):
    return artifacts["linear"].client_spec


@pytest.fixture(scope="module")
def struck(start):
    """A server that tests strike, one after the other, and that each of them leaves in order."""
    with start() as running:
        yield running


def health_of(channel, name=""):
    return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name)).status


def test_the_front_imports_no_native_cryptography():
    program = "import sys, cryptable_server.commands.command_line\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "cryptable_server.lifecycle.server" in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(FRONT_FORBIDS)


def test_the_worker_imports_no_network():
    program = "import sys, cryptable_server.processes.worker\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "cryptable_engine" in loaded
    assert not {name.partition(".")[0] for name in loaded} & {"grpc", "torch", "sklearn", "onnx", "cryptable_client"}


@pytest.mark.encrypted
def test_a_running_front_has_no_native_cryptography_mapped(encrypted):
    spec = encrypted.artifacts["tables"].client_spec

    def mapped(pid):
        maps = Path(f"/proc/{pid}/maps").read_text().lower()
        return any(name in maps for name in ("concretelang", "cryptable_kernel/_kernel"))

    with encrypted.start() as server:
        (answer,) = server.infer(spec, server.upload(spec))
        spec.parameters.check_output(answer.result)
        (worker,) = server.workers()
        assert mapped(worker)
        assert not mapped(server.process.pid)


def test_health_of_server_and_models(server):
    for name in ("", SERVICE_NAME, f"{SERVICE_NAME}/linear", f"{SERVICE_NAME}/tables"):
        assert health_of(server.channel, name) == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        health_of(server.channel, f"{SERVICE_NAME}/none")
    assert caught.value.code() == Status.NOT_FOUND


def test_reflection_tells_the_service(server):
    database = ProtoReflectionDescriptorDatabase(server.channel)
    assert SERVICE_NAME in database.get_services()
    assert b"UploadEvaluationKeys" in database.FindFileContainingSymbol(SERVICE_NAME).SerializeToString()


def test_development_certificate_is_accepted_by_a_client_that_trusts_it(start, tmp_path):
    with start("--development-certificate", tmp_path / "tls") as server:
        port = server.address.rpartition(":")[2]
        certificate = (tmp_path / "tls" / "certificate.pem").read_bytes()
        assert str(tmp_path / "tls" / "certificate.pem") in server.log.read_text()
        for host in ("localhost", "127.0.0.1"):
            with grpc.secure_channel(f"{host}:{port}", grpc.ssl_channel_credentials(certificate)) as channel:
                assert len(InferenceStub(channel).ListModels(pb.ListModelsRequest()).models) == 2
        with grpc.secure_channel(server.address, grpc.ssl_channel_credentials()) as channel:
            with pytest.raises(grpc.RpcError) as caught:
                InferenceStub(channel).ListModels(pb.ListModelsRequest())
            assert caught.value.code() == Status.UNAVAILABLE
        with pytest.raises(grpc.RpcError):  # no TLS
            server.stub.ListModels(pb.ListModelsRequest())


def test_a_worker_killed_in_an_evaluation_costs_that_row_alone(struck, spec, wire, process_runs):
    worker = struck.workers()[-1]
    os.kill(worker, signal.SIGSTOP)
    call = struck.stub.Infer(wire.infer_messages(spec), metadata=(("x-request-id", "the-killed-one"),))
    struck.wait_for_rows(1)
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(grpc.RpcError) as caught:
        next(call)
    assert caught.value.code() == Status.UNAVAILABLE
    assert "SIGKILL" in caught.value.details()
    assert struck.wait_for("worker died", request_id="the-killed-one", model=spec.model_name)
    assert "safe to send the same row again" in caught.value.details()
    assert int(dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"]) > 0
    assert len(struck.infer(spec)) == 1
    assert struck.workers()[-1] != worker
    until(lambda: not process_runs(worker))


def test_an_evaluation_that_hangs_is_ended(start, spec):
    with start("--evaluation-timeout", "2.5") as server:
        os.kill(server.workers()[0], signal.SIGSTOP)
        with pytest.raises(grpc.RpcError) as caught:
            server.infer(spec)
        assert caught.value.code() == Status.DEADLINE_EXCEEDED
        assert "2.5 s" in caught.value.details()
        assert len(server.infer(spec)) == 1


def test_a_deadline_is_kept_and_drops_what_waits(struck, spec):
    worker = struck.workers()[-1]
    os.kill(worker, signal.SIGSTOP)
    for _ in range(3):
        with pytest.raises(grpc.RpcError) as caught:
            struck.infer(spec, timeout=0.2)
        assert caught.value.code() == Status.DEADLINE_EXCEEDED
    os.kill(worker, signal.SIGCONT)
    assert len(struck.infer(spec)) == 1


def test_a_full_queue_is_told(start, spec, wire):
    with start("--queue", "1") as server:
        (worker,) = server.workers()
        os.kill(worker, signal.SIGSTOP)
        waiting = [server.stub.Infer(wire.infer_messages(spec)) for _ in range(2)]
        server.wait_for_rows(2)
        with pytest.raises(grpc.RpcError) as caught:
            server.infer(spec)
        assert caught.value.code() == Status.RESOURCE_EXHAUSTED
        assert int(dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"]) > 0
        os.kill(worker, signal.SIGCONT)
        assert [len(list(call)) for call in waiting] == [1, 1]


def test_rows_of_a_stream_and_calls_are_limited(start, spec, wire):
    with start("--max-rows", "2", "--max-calls", "1") as server:
        with pytest.raises(grpc.RpcError) as caught:
            server.infer(spec, rows=3)
        assert caught.value.code() == Status.RESOURCE_EXHAUSTED
        assert "2 rows" in caught.value.details()
        go_on = threading.Event()

        def messages():
            yield wire.infer_header(spec)
            yield wire.row_of(spec)
            go_on.wait()

        call = server.stub.Infer(messages())
        next(call)
        with pytest.raises(grpc.RpcError) as caught:
            server.stub.ListModels(pb.ListModelsRequest())
        assert caught.value.code() == Status.RESOURCE_EXHAUSTED
        assert dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
        # A full server is a healthy one.
        health = health_pb2_grpc.HealthStub(server.channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        go_on.set()
        assert list(call) == []


def test_a_silent_stream_is_ended(start, spec, wire):
    with start("--idle-timeout", "0.3") as server:
        release = threading.Event()

        def messages():
            yield wire.infer_header(spec)
            release.wait()

        with pytest.raises(grpc.RpcError) as caught:
            list(server.stub.Infer(messages()))
        assert caught.value.code() == Status.DEADLINE_EXCEEDED
        release.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_draining_lets_a_row_end_and_leaves_no_process(start, spec, wire, process_runs, number):
    with start(check=False) as server:
        (worker,) = server.workers()
        os.kill(worker, signal.SIGSTOP)
        call = server.stub.Infer(wire.infer_messages(spec))
        server.wait_for_rows(1)
        os.kill(server.process.pid, number)
        server.wait_for("draining")
        with pytest.raises(grpc.RpcError) as caught, grpc.insecure_channel(server.address) as channel:
            InferenceStub(channel).ListModels(pb.ListModelsRequest())
        assert caught.value.code() == Status.UNAVAILABLE
        assert server.process.poll() is None
        os.kill(worker, signal.SIGCONT)
        assert [answer.row for answer in call] == [0]
        assert server.process.wait(LONG_SECONDS) == 0
        assert not process_runs(worker)
        assert not list((server.keys / "incoming").iterdir())


def test_draining_does_not_wait_for_a_stream_between_rows(start, spec, wire):
    with start(check=False) as server:
        release = threading.Event()

        def messages():
            yield wire.infer_header(spec)
            yield wire.row_of(spec)
            release.wait()

        call = server.stub.Infer(messages())
        next(call)
        server.process.terminate()
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert caught.value.code() == Status.UNAVAILABLE
        assert "rows that have no answer" in caught.value.details()
        assert server.process.wait(LONG_SECONDS) == 0
        release.set()


def test_a_second_signal_ends_calls_at_once(start, spec, wire, process_runs):
    with start(check=False) as server:
        (worker,) = server.workers()
        os.kill(worker, signal.SIGSTOP)
        call = server.stub.Infer(wire.infer_messages(spec))
        server.wait_for_rows(1)
        server.process.terminate()
        server.wait_for("draining")
        server.process.terminate()
        with pytest.raises(grpc.RpcError):
            list(call)
        assert server.process.wait(LONG_SECONDS) == 0
        assert not process_runs(worker)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_while_models_are_compiled_leaves_nothing(encrypted, tmp_path, number):
    command = [sys.executable, "-m", "cryptable_server", "serve", "--models", encrypted.models]
    command += ["--keys", tmp_path / "keys"]
    command += ["--address", "127.0.0.1:0", "--insecure"]
    process = subprocess.Popen(heeding_sigint(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    programs = tmp_path / "programs"
    until(lambda: programs.is_dir() and list(programs.iterdir()))
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert output == b""
    assert b"Traceback" not in errors
    assert process.returncode == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    # The compiler's processes name the directory on their command lines.
    until(
        lambda: not processes_naming(tmp_path) and not any(path.name.startswith(".") for path in programs.iterdir()),
        about=lambda: (processes_naming(tmp_path), list(programs.iterdir())),
    )


def processes_naming(path):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(path).encode() in (folder / "cmdline").read_bytes():
                found.append(folder.name)
    return found


def test_workers_die_with_a_killed_front(start, spec, wire, process_runs):
    with start("--workers", "2", check=False) as server:
        workers = server.workers()
        assert len(workers) == 2
        assert server.stub.Infer(wire.infer_messages(spec)).is_active()
        server.process.kill()
        until(lambda: not any(map(process_runs, workers)))


def test_keys_survive_a_killed_front_and_half_an_upload_goes_on(start, artifacts, wire, tmp_path):
    spec = artifacts["tables"].client_spec
    with start(folder=tmp_path, check=False) as server:
        kept = server.upload(spec)
        lost = wire.random_keys(spec, 3)
        sent = threading.Event()

        def messages():
            for number, message in enumerate(wire.upload_messages(spec, lost)):
                if number == 10:
                    sent.set()
                    threading.Event().wait(5)
                yield message

        call = server.stub.UploadEvaluationKeys.future(messages())
        sent.wait()
        until(lambda: list((server.keys / "incoming").iterdir()))
        server.process.kill()
        assert call.exception().code() == Status.UNAVAILABLE
    with start(folder=tmp_path) as server:
        request = pb.GetEvaluationKeysRequest(sha256=kept)
        assert server.stub.GetEvaluationKeys(request).size == spec.parameters.keyset.evaluation_keys_bytes
        header, *chunks = wire.upload_messages(spec, lost)
        request = pb.GetEvaluationKeysRequest(sha256=header.header.sha256)
        received = server.stub.GetEvaluationKeys(request).received
        step = len(chunks[0].chunk.data)
        assert received % step == 0 < received
        rest = chunks[received // step :]
        assert server.stub.UploadEvaluationKeys(iter([header, *rest])).sha256 == header.header.sha256
        assert server.stub.GetEvaluationKeys(request).size == spec.parameters.keyset.evaluation_keys_bytes


def test_a_full_disk_is_told_and_the_server_goes_on(start, artifacts):
    """A server of its own, whose log is short: the limit is of every file."""
    spec = artifacts["tables"].client_spec
    with start() as server:
        size = spec.parameters.keyset.evaluation_keys_bytes
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size - 1, resource.RLIM_INFINITY))
        with pytest.raises(grpc.RpcError) as caught:
            server.upload(spec)
        assert caught.value.code() == Status.RESOURCE_EXHAUSTED
        assert "no room" in caught.value.details()
        assert not list((server.keys / "incoming").iterdir())
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)
        assert server.upload(spec)


def test_the_key_quota_drops_what_is_not_in_use(start, artifacts, wire):
    spec = artifacts["tables"].client_spec
    with start("--key-quota", str(1.5 * spec.parameters.keyset.evaluation_keys_bytes / 2**30)) as server:
        first = server.upload(spec)
        second = server.upload(spec, seed=1)
        request = pb.GetEvaluationKeysRequest(sha256=first)
        with pytest.raises(grpc.RpcError) as caught:
            server.stub.GetEvaluationKeys(request)
        assert caught.value.code() == Status.NOT_FOUND
        release = threading.Event()

        def messages():
            yield wire.infer_header(spec, second)
            yield wire.row_of(spec)
            release.wait()

        stream = server.stub.Infer(messages())
        next(stream)
        with pytest.raises(grpc.RpcError) as caught:
            server.upload(spec, seed=2)
        assert caught.value.code() == Status.RESOURCE_EXHAUSTED
        assert "in use" in caught.value.details()
        release.set()
        assert list(stream) == []
        assert server.upload(spec, seed=2)


def test_a_client_that_vanishes_in_an_upload_can_go_on(struck, artifacts, wire):
    spec = artifacts["tables"].client_spec
    release = threading.Event()
    header, *chunks = wire.upload_messages(spec, wire.random_keys(spec, 4))

    def messages():
        yield from (header, *chunks[:4])
        release.wait()

    call = struck.stub.UploadEvaluationKeys.future(messages(), metadata=(("x-request-id", "the-vanished-one"),))
    until(lambda: list((struck.keys / "incoming").iterdir()))
    call.cancel()
    release.set()
    # gRPC may report the end of the stream before it reports the cancellation.
    assert struck.wait_for("UploadEvaluationKeys", request_id="the-vanished-one")["status"] in (
        "CANCELLED",
        "INVALID_ARGUMENT",
    )
    request = pb.GetEvaluationKeysRequest(sha256=header.header.sha256)
    answer = struck.stub.GetEvaluationKeys(request)
    whole, answer.received = answer.received // len(chunks[0].chunk.data), 0
    assert answer == pb.GetEvaluationKeysResponse()
    assert 1 <= whole <= 4
    struck.stub.UploadEvaluationKeys(iter([header, *chunks[whole:]]))
    assert struck.stub.GetEvaluationKeys(request).size == spec.parameters.keyset.evaluation_keys_bytes
    assert not list((struck.keys / "incoming").iterdir())
