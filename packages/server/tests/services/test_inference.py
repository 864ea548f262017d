"""Statuses of the service's methods, against one real server."""

import hashlib
import queue

import grpc
import pytest
from cryptable_protocol import ClientSpec, EvaluationKeysHeader, ModelSignature, limits
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import keys as keys_pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.service import SERVICE_NAME

Status = grpc.StatusCode
ABSENT = bytes(32)


@pytest.fixture(scope="module")
def spec(artifacts):
    return artifacts["tables"].client_spec


@pytest.fixture(scope="module")
def linear(artifacts):
    return artifacts["linear"].client_spec


@pytest.fixture(scope="module")
def keys(server, spec):
    return server.upload(spec)


def refusal(call, *arguments, **options):
    def answer():
        result = call(*arguments, **options)
        return list(result) if isinstance(result, grpc.Call) else result

    with pytest.raises(grpc.RpcError) as caught:
        answer()
    return caught.value.code(), caught.value.details()


def infer(server, *messages):
    return refusal(server.stub.Infer, iter(messages))


def upload(server, *messages):
    return refusal(server.stub.UploadEvaluationKeys, iter(messages))


def test_models_are_listed(server, artifacts):
    models = server.stub.ListModels(pb.ListModelsRequest()).models
    assert [model.name for model in models] == ["linear", "tables"]
    for model in models:
        spec = artifacts[model.name].client_spec
        assert (model.version, model.client_spec_digest, model.keyset_name) == (
            "1",
            spec.digest,
            spec.parameters.keyset.name,
        )


def test_a_model_comes_with_its_spec(server, spec):
    answer = server.stub.GetModel(pb.GetModelRequest(name="tables"))
    assert ClientSpec.from_bytes(answer.client_spec) == spec
    assert answer.version == "1"


def test_an_unknown_model(server):
    assert refusal(server.stub.GetModel, pb.GetModelRequest(name="none"))[0] == Status.NOT_FOUND


def test_rows_are_answered_in_order(server, spec, keys):
    answers = server.infer(spec, keys, rows=3)
    assert [answer.row for answer in answers] == [0, 1, 2]
    for answer in answers:
        spec.parameters.check_output(answer.result)
        assert answer.cpu_seconds > 0
        assert answer.wall_seconds > 0


def test_the_same_row_has_the_same_answer(server, spec, keys, wire):
    rows = [wire.infer_header(spec, keys), wire.row_of(spec), wire.row_of(spec)]
    one, two = server.stub.Infer(iter(rows))
    assert one.result == two.result


def test_a_model_without_lookups_needs_no_keys(server, linear):
    assert len(server.infer(linear, rows=5)) == 5


def test_no_rows_have_no_answers(server, spec, keys):
    assert server.infer(spec, keys, rows=0) == []


def test_answers_come_before_the_stream_ends(server, linear, wire):
    """A client may wait for one answer before it sends the next row."""
    requests = queue.SimpleQueue()
    requests.put(wire.infer_header(linear))
    answers = server.stub.Infer(iter(requests.get, None))
    for number in range(3):
        requests.put(wire.row_of(linear, number))
        assert next(answers).row == number
    requests.put(None)
    assert list(answers) == []


def test_keys_of_another_length(server, spec, wire):
    data = wire.random_keys(spec)[:-8]
    status, details = upload(server, *wire.upload_messages(spec, data))
    assert status == Status.INVALID_ARGUMENT
    assert str(spec.parameters.keyset.evaluation_keys_bytes) in details


def test_keys_of_a_keyset_that_no_model_uses(server, spec):
    header = EvaluationKeysHeader(ABSENT, spec.parameters.keyset.evaluation_keys_bytes, ABSENT)
    assert upload(server, pb.UploadEvaluationKeysRequest(header=header.to_message()))[0] == Status.FAILED_PRECONDITION


def test_keys_for_a_keyset_that_has_none(server, linear):
    header = EvaluationKeysHeader(linear.parameters.keyset.name, 8, ABSENT)
    assert upload(server, pb.UploadEvaluationKeysRequest(header=header.to_message()))[0] == Status.INVALID_ARGUMENT


def test_bytes_of_another_sha256(server, spec, wire):
    messages = list(wire.upload_messages(spec, wire.random_keys(spec, 5)))
    messages[0].header.sha256 = ABSENT
    assert upload(server, *messages)[0] == Status.DATA_LOSS
    assert refusal(server.stub.GetEvaluationKeys, pb.GetEvaluationKeysRequest(sha256=ABSENT))[0] == Status.NOT_FOUND


def test_an_upload_that_ends_early(server, spec, wire):
    messages = list(wire.upload_messages(spec, wire.random_keys(spec, 6)))
    status, details = upload(server, *messages[:-1])
    assert status == Status.INVALID_ARGUMENT
    assert "ended after" in details


@pytest.mark.parametrize(
    "first",
    [
        pb.UploadEvaluationKeysRequest(),
        pb.UploadEvaluationKeysRequest(chunk=keys_pb.EvaluationKeysChunk(offset=0, data=b"x")),
    ],
    ids=["nothing", "chunk"],
)
def test_an_upload_begins_with_its_header(server, first):
    assert upload(server, first)[0] == Status.INVALID_ARGUMENT
    assert upload(server)[0] == Status.INVALID_ARGUMENT


def test_stored_keys_are_told(server, spec, keys):
    answer = server.stub.GetEvaluationKeys(pb.GetEvaluationKeysRequest(sha256=keys))
    assert (answer.keyset_name, answer.size) == (
        spec.parameters.keyset.name,
        spec.parameters.keyset.evaluation_keys_bytes,
    )


def test_deleted_keys_cannot_be_used(server, spec):
    keys = server.upload(spec, seed=7)
    server.infer(spec, keys)
    server.stub.DeleteEvaluationKeys(pb.DeleteEvaluationKeysRequest(sha256=keys))
    for call, request in [
        (server.stub.GetEvaluationKeys, pb.GetEvaluationKeysRequest(sha256=keys)),
        (server.stub.DeleteEvaluationKeys, pb.DeleteEvaluationKeysRequest(sha256=keys)),
    ]:
        assert refusal(call, request)[0] == Status.NOT_FOUND
    with pytest.raises(grpc.RpcError) as caught:
        server.infer(spec, keys)
    assert caught.value.code() == Status.NOT_FOUND
    assert not list(server.keys.rglob(f"{keys.hex()}*"))


def test_damaged_keys_are_told_and_can_be_uploaded_again(server, spec):
    keys = server.upload(spec, seed=8)
    (path,) = server.keys.rglob(f"{keys.hex()}*")
    with path.open("r+b") as file:
        file.write(b"damage")
    with pytest.raises(grpc.RpcError) as caught:
        server.infer(spec, keys)
    assert caught.value.code() == Status.DATA_LOSS
    request = pb.GetEvaluationKeysRequest(sha256=keys)
    assert refusal(server.stub.GetEvaluationKeys, request)[0] == Status.NOT_FOUND
    server.upload(spec, seed=8)
    assert len(server.infer(spec, keys)) == 1


def test_keys_whose_file_is_gone_are_not_there(server, spec):
    keys = server.upload(spec, seed=9)
    (path,) = server.keys.rglob(f"{keys.hex()}*")
    path.unlink()
    request = pb.GetEvaluationKeysRequest(sha256=keys)
    assert refusal(server.stub.GetEvaluationKeys, request)[0] == Status.NOT_FOUND
    assert server.upload(spec, seed=9) == keys
    assert server.stub.GetEvaluationKeys(request).size


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_digest_has_32_bytes(server, length):
    for call, request in [
        (server.stub.GetEvaluationKeys, pb.GetEvaluationKeysRequest(sha256=bytes(length))),
        (server.stub.DeleteEvaluationKeys, pb.DeleteEvaluationKeysRequest(sha256=bytes(length))),
    ]:
        assert refusal(call, request)[0] == Status.INVALID_ARGUMENT


def test_headers_of_infer(server, spec, linear, keys, wire):
    header = wire.infer_header
    assert infer(server)[0] == Status.INVALID_ARGUMENT
    assert infer(server, wire.row_of(spec))[0] == Status.INVALID_ARGUMENT
    assert infer(server, header(spec, keys, model_name="none"))[0] == Status.NOT_FOUND
    assert infer(server, header(spec, keys, client_spec_digest=b"short"))[0] == Status.INVALID_ARGUMENT
    assert infer(server, header(spec, keys, client_spec_digest=linear.digest))[0] == Status.FAILED_PRECONDITION
    assert infer(server, header(spec, b""))[0] == Status.FAILED_PRECONDITION
    assert infer(server, header(spec, b"short"))[0] == Status.INVALID_ARGUMENT
    assert infer(server, header(spec, ABSENT))[0] == Status.NOT_FOUND
    assert infer(server, header(linear, keys))[0] == Status.INVALID_ARGUMENT
    assert infer(server, header(spec, keys), header(spec, keys))[0] == Status.INVALID_ARGUMENT
    assert infer(server, header(spec, keys), pb.InferRequest())[0] == Status.INVALID_ARGUMENT


def test_rows_are_checked_against_the_input_type(server, linear, wire):
    size, dimension = linear.parameters.inputs, 1
    bodies, seed = bytes(8 * size), bytes(16)
    for tensor, words in [
        (tensor_pb.EncryptedTensor(seed=seed, bodies=bodies[:-8]), f"{size - 1} ciphertexts, expected {size}"),
        (tensor_pb.EncryptedTensor(seed=seed, bodies=bodies + bytes(8)), f"{size + 1} ciphertexts"),
        (tensor_pb.EncryptedTensor(seed=seed, bodies=bodies[:-1]), "64-bit words"),
        (tensor_pb.EncryptedTensor(seed=seed[:-1], bodies=bodies), "15 bytes, expected 16"),
        (tensor_pb.EncryptedTensor(bodies=bodies), "neither"),
        (tensor_pb.EncryptedTensor(explicit=bytes(8 * size * dimension), bodies=bodies), "expected a seed"),
        (tensor_pb.EncryptedTensor(), "neither"),
    ]:
        status, details = infer(server, wire.infer_header(linear), wire.row_of(linear), pb.InferRequest(row=tensor))
        assert status == Status.INVALID_ARGUMENT
        assert words in details
        assert "row 1" in details


@pytest.mark.parametrize("method", ["GetModel", "GetEvaluationKeys", "DeleteEvaluationKeys", "ListModels"])
def test_bytes_that_are_no_message(server, method):
    call = server.channel.unary_unary(f"/{SERVICE_NAME}/{method}")
    status, details = refusal(call, b"\xff\xff\xff")
    assert status == Status.INVALID_ARGUMENT
    assert f"{method}Request" in details


def test_bytes_that_are_no_message_in_a_stream(server):
    assert (
        refusal(server.channel.stream_stream(f"/{SERVICE_NAME}/Infer"), iter([b"\xff"]))[0] == Status.INVALID_ARGUMENT
    )
    call = server.channel.stream_unary(f"/{SERVICE_NAME}/UploadEvaluationKeys")
    assert refusal(call, iter([b"\xff"]))[0] == Status.INVALID_ARGUMENT


def test_a_health_check_of_bytes_that_are_no_message(server):
    for method in ("Check", "Watch"):
        call = server.channel.unary_stream(f"/grpc.health.v1.Health/{method}")
        with pytest.raises(grpc.RpcError) as caught:
            list(call(b"\xff", timeout=20))
        assert caught.value.code() == Status.INVALID_ARGUMENT


def test_a_name_that_is_no_text(server):
    # Field 1 (a string) with bytes that are not UTF-8.
    assert (
        refusal(server.channel.unary_unary(f"/{SERVICE_NAME}/GetModel"), b"\x0a\x01\xff")[0] == Status.INVALID_ARGUMENT
    )


def test_a_message_that_is_too_large(server, spec, keys, wire):
    bodies = bytes(limits.MAX_MESSAGE_BYTES // 2)
    row = pb.InferRequest(row=tensor_pb.EncryptedTensor(seed=bytes(16), bodies=bodies))
    assert infer(server, wire.infer_header(spec, keys), row)[0] == Status.RESOURCE_EXHAUSTED


def test_an_unknown_method(server):
    call = server.channel.unary_unary(f"/{SERVICE_NAME}/Nothing")
    assert refusal(call, b"")[0] == Status.UNIMPLEMENTED


def test_refusals_name_the_request(server):
    with pytest.raises(grpc.RpcError) as caught:
        server.stub.GetModel(pb.GetModelRequest(name="none"), metadata=[("x-request-id", "my-request.1")])
    trailers = dict(caught.value.trailing_metadata())
    assert trailers["x-request-id"] == "my-request.1"
    assert trailers["grpc-retry-pushback-ms"] == "-1"
    assert "my-request.1" in caught.value.details()
    line = server.wait_for("GetModel", request_id="my-request.1")
    assert (line["status"], line["level"]) == ("NOT_FOUND", "info")


def test_a_models_signature_is_passed_on(server, artifacts):
    signed, unsigned = (server.stub.GetModel(pb.GetModelRequest(name=name)) for name in ("linear", "tables"))
    assert signed.artifact_digest == artifacts["linear"].digest
    signature = ModelSignature.from_message(signed.signature)
    signature.verify(client_spec=artifacts["linear"].client_spec.digest, artifact=signed.artifact_digest)
    assert unsigned.artifact_digest == artifacts["tables"].digest
    assert not unsigned.HasField("signature")


def test_request_ids_that_could_forge_a_log_are_replaced(server):
    with pytest.raises(grpc.RpcError) as caught:
        server.stub.GetModel(pb.GetModelRequest(name="x"), metadata=[("x-request-id", '", "status": "OK')])
    assert len(dict(caught.value.trailing_metadata())["x-request-id"]) == 32


@pytest.mark.encrypted
def test_logs_hold_no_content(encrypted, wire):
    spec = encrypted.artifacts["tables"].client_spec
    data = wire.random_keys(spec, 11)
    with encrypted.start() as server:
        keys = server.upload(spec, data)
        (answer,) = server.infer(spec, keys)
    log = server.log.read_bytes()
    for content in (data[:8], answer.result.bodies, answer.result.trimmed[:8]):
        assert content
        assert content not in log
        assert content.hex().encode() not in log
    assert hashlib.sha256(data).digest() == keys
    assert keys.hex().encode() not in log
