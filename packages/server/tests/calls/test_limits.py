"""What one caller, or one stranger, can hold of a server, and what the audit log tells of it."""

import json
import os
import queue
import time
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from cryptable_protocol import EvaluationKeysHeader, limits
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import keys as keys_pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.service import SERVICE_NAME, InferenceStub
from cryptable_server.calls.tokens import new_token
from cryptable_server.principals import USUAL_ROLES
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

Status = grpc.StatusCode


def bearer(token):
    return (("authorization", f"Bearer {token}"),)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "tokens.json"
    return path, {name: bearer(new_token(path, name, USUAL_ROLES)[1]) for name in ("alice", "bob")}


@pytest.fixture(scope="module")
def audit_log(tmp_path_factory):
    return tmp_path_factory.mktemp("audit") / "audit.jsonl"


@pytest.fixture(scope="module")
def strict(start, people, audit_log):
    options = ["--tokens", people[0], "--audit-log", audit_log, "--reflection", "everyone", "--max-calls", 16]
    options += ["--max-calls-per-principal", 2, "--max-stream", 6, "--idle-timeout", 3]
    with start(*options) as server:
        yield server


class Held:
    """A stream that stays open until it is let go; a request that never comes, if it is said so."""

    def __init__(self, channel, method, *messages, metadata=None, kind="stream_stream"):
        self.answered = 0
        self._messages = queue.SimpleQueue()
        for message in messages:
            self._messages.put(message.SerializeToString())
        call = getattr(channel, kind)(f"/{SERVICE_NAME}/{method}")
        self.call = call(iter(self._messages.get, None), metadata=metadata, timeout=60)

    def send(self, message):
        self._messages.put(message.SerializeToString())

    def end(self):
        self._messages.put(None)

    def refusal(self, *, again=None):
        """How it ends; `again` is sent after each answer."""
        try:
            for _ in self.call:
                self.answered += 1
                self.send(again)
        except grpc.RpcError as error:
            return error
        finally:
            self.end()
        return None


@pytest.mark.parametrize("method", ["ListModels", "GetModel", "DeleteEvaluationKeys", "Infer"])
def test_a_stranger_is_refused_before_a_request_is_waited_for(strict, method):
    refusal = Held(strict.channel, method).refusal()
    assert refusal.code() == Status.UNAUTHENTICATED
    assert refusal.details().startswith("this server asks for a token")


def test_a_request_that_does_not_come_is_not_waited_for_without_end(strict, people):
    """Of both methods at once, since each takes as long as a stream may be silent."""
    held = [Held(strict.channel, method, metadata=people[1]["alice"]) for method in ("ListModels", "GetModel")]
    assert [each.refusal().code() for each in held] == [Status.DEADLINE_EXCEEDED] * 2


def test_an_empty_stream_is_no_request(strict, people):
    with pytest.raises(grpc.RpcError) as caught:
        strict.channel.stream_unary(f"/{SERVICE_NAME}/ListModels")(iter([]), metadata=people[1]["alice"], timeout=20)
    assert caught.value.code() == Status.INVALID_ARGUMENT


def test_one_caller_leaves_room_for_others(strict, people, artifacts, wire):
    spec = artifacts["linear"].client_spec
    alice, bob = people[1]["alice"], people[1]["bob"]
    held = [Held(strict.channel, "Infer", wire.infer_header(spec), wire.row_of(spec), metadata=alice) for _ in range(2)]
    for stream in held:
        next(stream.call)
    with pytest.raises(grpc.RpcError) as caught:
        strict.stub.ListModels(pb.ListModelsRequest(), metadata=alice)
    assert caught.value.code() == Status.RESOURCE_EXHAUSTED
    assert dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
    assert strict.stub.ListModels(pb.ListModelsRequest(), metadata=bob).models
    for stream in held:
        stream.end()
        assert list(stream.call) == []
    assert strict.stub.ListModels(pb.ListModelsRequest(), metadata=alice).models


def test_a_stream_that_goes_on_and_on_is_ended_and_may_go_on_in_another(strict, people, artifacts, wire):
    spec = artifacts["linear"].client_spec
    stream = Held(strict.channel, "Infer", wire.infer_header(spec), metadata=people[1]["bob"])
    stream.send(wire.row_of(spec))
    refusal = stream.refusal(again=wire.row_of(spec))
    assert stream.answered > 0
    assert refusal.code() == Status.UNAVAILABLE
    assert "open for at most 6 s" in refusal.details()
    assert dict(refusal.trailing_metadata())["grpc-retry-pushback-ms"] == "0"


def test_strangers_cannot_hold_all_calls_by_watching_health(strict):
    stub = health_pb2_grpc.HealthStub(strict.channel)
    watching = [stub.Watch(health_pb2.HealthCheckRequest(), timeout=60) for _ in range(2)]
    for stream in watching:
        assert next(stream).status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        next(stub.Watch(health_pb2.HealthCheckRequest(), timeout=60))
    assert caught.value.code() == Status.RESOURCE_EXHAUSTED
    for stream in watching:
        stream.cancel()


def uploaded(channel, spec, wire):
    header = EvaluationKeysHeader(
        spec.parameters.keyset.name, spec.parameters.keyset.evaluation_keys_bytes, bytes(32)
    ).to_message()
    chunk = keys_pb.EvaluationKeysChunk(offset=1, data=bytes(limits.CHUNK_BYTES))
    messages = [pb.UploadEvaluationKeysRequest(header=header), pb.UploadEvaluationKeysRequest(chunk=chunk)]
    InferenceStub(channel).UploadEvaluationKeys(iter(messages))


def inferred(channel, spec, wire):
    row = pb.InferRequest(row=tensor_pb.EncryptedTensor(seed=bytes(16), bodies=bytes(limits.CHUNK_BYTES)))
    list(InferenceStub(channel).Infer(iter([wire.infer_header(spec), row])))


@pytest.mark.parametrize(("model", "send"), [("tables", uploaded), ("linear", inferred)])
def test_refused_calls_leave_nothing_behind(server, artifacts, wire, model, send):
    """Else whoever may call could take all of the front's memory, a megabyte at a time."""
    spec = artifacts[model].client_spec

    def refused(calls):
        for _ in range(calls):
            with pytest.raises(grpc.RpcError):
                send(server.channel, spec, wire)
        return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = refused(10)
    assert refused(100) - before < 40 * limits.CHUNK_BYTES


def services(channel):
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]), timeout=20)
    return [service.name for service in answer.list_services_response.service]


def test_reflection_for_everyone(strict):
    assert SERVICE_NAME in services(strict.channel)


def test_no_reflection_at_all(start):
    with start("--reflection", "off") as server, pytest.raises(grpc.RpcError) as caught:
        services(server.channel)
    assert caught.value.code() == Status.UNIMPLEMENTED


def test_the_audit_log_tells_who_did_what_without_any_content(strict, people, artifacts, audit_log, wire):
    spec = artifacts["tables"].client_spec
    alice, bob = people[1]["alice"], people[1]["bob"]
    data = wire.random_keys(spec, seed=77)
    keys = strict.upload(spec, data, metadata=(*alice, ("x-request-id", "upload-1")))
    request = pb.DeleteEvaluationKeysRequest(sha256=keys)
    for metadata in (bob, alice, ()):
        with suppress(grpc.RpcError):
            strict.stub.DeleteEvaluationKeys(request, metadata=(*metadata, ("x-request-id", "delete-1")))
    strict.wait_for("DeleteEvaluationKeys", status="UNAUTHENTICATED", request_id="delete-1")
    lines = [json.loads(line) for line in audit_log.read_text().splitlines()]
    (uploaded,) = [line for line in lines if line["request_id"] == "upload-1"]
    name = keys.hex()[:16]
    assert (uploaded["who"], uploaded["what"], uploaded["outcome"]) == ("token:alice", "UploadEvaluationKeys", "OK")
    assert (uploaded["keys"], uploaded["bytes"]) == (name, len(data))
    assert uploaded["from"].startswith("ipv4:127.0.0.1:")
    deleted = [(line["who"], line["outcome"], line.get("keys")) for line in lines if line["request_id"] == "delete-1"]
    assert deleted == [
        ("token:bob", "NOT_FOUND", name),
        ("token:alice", "OK", name),
        ("unknown", "UNAUTHENTICATED", None),
    ]
    assert not [line for line in lines if line["what"] == "ListModels" and line["outcome"] == "OK"]
    text = audit_log.read_text()
    for metadata in people[1].values():
        assert metadata[0][1].split("_", 2)[2] not in text
    assert max(map(len, text.splitlines())) < 600


def test_a_stranger_fills_no_log(strict, people):
    """Of refusals a hundred are written, and ten a second; how many were not is told by the line after them."""
    stranger, known = (("x-request-id", "stranger"),), (("x-request-id", "known"), *people[1]["alice"])
    began = time.monotonic()
    for _ in range(600):
        with pytest.raises(grpc.RpcError):
            strict.stub.ListModels(pb.ListModelsRequest(), metadata=stranger)
    seconds = time.monotonic() - began
    strict.stub.ListModels(pb.ListModelsRequest(), metadata=known)
    strict.wait_for("ListModels", request_id="known")
    lines = [line for line in strict.events("ListModels") if line["request_id"] in ("stranger", "known")]
    written, left_out = len(lines) - 1, sum(line.get("refusals_left_out", 0) for line in lines)
    assert written <= 101 + 10 * seconds
    assert written + left_out >= 600
