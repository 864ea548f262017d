"""The Open Inference Protocol: its public client lists, checks and infers, and knows the messages that we do."""

import json
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from cryptable_protocol import open_inference
from cryptable_protocol.messages import inference as pb
from google.protobuf import descriptor_pb2

PROGRAM = Path(__file__).parent / "programs" / "open_inference_client.py"


@pytest.fixture(scope="module")
def row():
    return lambda spec, keys, wire: pb.InferRowRequest(
        header=wire.infer_header(spec, keys).header, row=wire.row_of(spec).row
    )


@pytest.fixture(scope="module")
def found(start, artifacts, row, wire, tmp_path_factory):
    """What the client printed, and what our own service answers to the same row."""
    spec = artifacts["tables"].client_spec
    file = tmp_path_factory.mktemp("row") / "row"
    with start("--open-inference") as server:
        request = row(spec, server.upload(spec), wire)
        file.write_bytes(request.SerializeToString())
        command = [sys.executable, PROGRAM, server.address, "tables", file]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert len(server.events("ModelInfer")) == 14
        return json.loads(done.stdout), server.stub.InferRow(request)


def test_it_lists_and_checks(found, artifacts):
    told, _ = found
    assert told["server"] == "cryptable-server"
    assert told["ready"] == [True] * 4
    model = told["model"]
    assert (model["name"], model["versions"], model["platform"]) == ("tables", ["1"], "cryptable")
    assert model["inputs"] == [{"name": "row", "datatype": "BYTES", "shape": ["1"]}]
    assert model["outputs"] == [{"name": "answer", "datatype": "BYTES", "shape": ["1"]}]
    assert model["properties"] == {
        "version": "1",
        "client_spec_digest": artifacts["tables"].client_spec.digest.hex(),
        "row": "cryptable.v1.InferRowRequest",
        "answer": "cryptable.v1.InferRowResponse",
    }


def test_it_infers(found):
    told, own = found
    assert (told["plain"]["model_name"], told["plain"]["model_version"], told["plain"]["id"]) == (
        "tables",
        "1",
        "first",
    )
    for form in ("plain", "raw"):
        answer = pb.InferRowResponse.FromString(bytes.fromhex(told[f"{form} answer"]))
        assert answer.result == own.result
        assert answer.wall_seconds > 0
    assert told["raw length"] == len(told["raw answer"]) // 2


def test_what_is_no_row_is_refused(found):
    said = {
        "no input": "0 inputs, expected one",
        "another name": "called 'row'",
        "another type": "expected BYTES of shape",
        "another shape": "expected BYTES of shape",
        "two elements": "2 elements",
        "another output": "'answer' alone",
        "both": "expected one of them",
        "cut": "the length of one element",
        "nonsense": "is no cryptable.v1.InferRowRequest",
        "another model": "for another model",
        "no such model": "no model 'none'",
        "no such version": "no version '9'",
    }
    refusals = found[0]["refusals"]
    assert refusals.keys() == said.keys()
    for case, (status, details) in refusals.items():
        assert status == ("NOT_FOUND" if case.startswith("no such") else "INVALID_ARGUMENT"), case
        assert said[case] in details, case


def test_messages_are_the_standards(found):
    theirs = descriptor_pb2.FileDescriptorProto.FromString(bytes.fromhex(found[0]["described"]))
    ours = descriptor_pb2.FileDescriptorProto()
    open_inference.pb.DESCRIPTOR.CopyToProto(ours)
    assert ours.package == theirs.package
    assert messages(ours.message_type) == messages(theirs.message_type)
    assert [
        (service.name, {(each.name, each.input_type, each.output_type) for each in service.method})
        for service in ours.service
    ] == [
        (service.name, {(each.name, each.input_type, each.output_type) for each in service.method})
        for service in theirs.service
    ]


def messages(described):
    """Fields of messages, by name: number, type, and whether there may be many, or none."""
    return {
        message.name: (
            {
                field.name: (field.number, field.type, field.type_name, field.label, field.proto3_optional)
                for field in message.field
            },
            messages(message.nested_type),
        )
        for message in described
    }


def test_it_is_off_unless_asked_for_and_asks_who_calls(server, start, tmp_path):
    live = {"request_serializer": bytes, "response_deserializer": bytes}
    with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
        server.channel.unary_unary("/inference.GRPCInferenceService/ServerLive", **live)(b"", timeout=60)
    with (
        start("--open-inference", "--tokens", _tokens(tmp_path)) as asking,
        pytest.raises(grpc.RpcError, match="UNAUTHENTICATED"),
    ):
        asking.channel.unary_unary("/inference.GRPCInferenceService/ServerLive", **live)(b"", timeout=60)


def _tokens(folder):
    from cryptable_server.calls.tokens import new_token
    from cryptable_server.principals import Role

    new_token(folder / "tokens.json", "alice", [Role.EVALUATE])
    return folder / "tokens.json"
