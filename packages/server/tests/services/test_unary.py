"""Rows and pieces of keys in calls of their own: for callers without streams, with the statuses that streams get."""

import hashlib

import grpc
import pytest
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import keys as keys_pb

Status = grpc.StatusCode


@pytest.fixture(scope="module")
def spec(artifacts):
    return artifacts["tables"].client_spec


@pytest.fixture(scope="module")
def keys(server, spec):
    return server.upload(spec)


def pieces(wire, spec, seed):
    """The messages of an upload, each chunk with the header."""
    header, *chunks = wire.upload_messages(spec, wire.random_keys(spec, seed))
    return [pb.PutEvaluationKeysRequest(header=header.header, chunk=each.chunk) for each in chunks]


def row_request(wire, spec, keys=b"", number=0, **changes):
    header, row = wire.infer_header(spec, keys, **changes).header, wire.row_of(spec, number).row
    return pb.InferRowRequest(header=header, row=row)


def status_of(call, *arguments, **options):
    def answer():
        result = call(*arguments, **options)
        return list(result) if isinstance(result, grpc.Call) else result

    with pytest.raises(grpc.RpcError) as caught:
        answer()
    return caught.value.code(), caught.value.details().partition(" [request")[0]


def test_a_row_has_the_answer_that_a_stream_gives(server, spec, keys, wire):
    (streamed,) = server.infer(spec, keys)
    answer = server.stub.InferRow(row_request(wire, spec, keys))
    assert answer.result == streamed.result
    assert answer.cpu_seconds > 0
    assert answer.wall_seconds > 0


def test_keys_come_in_pieces(server, spec, wire):
    requests = pieces(wire, spec, 101)
    received = 0
    for request in requests:
        received += len(request.chunk.data)
        assert server.stub.PutEvaluationKeys(request).received == received
    digest = requests[0].header.sha256
    assert server.stub.GetEvaluationKeys(pb.GetEvaluationKeysRequest(sha256=digest)).size == received
    assert server.stub.InferRow(row_request(wire, spec, digest)).HasField("result")
    assert server.stub.PutEvaluationKeys(requests[0]).received == received, "what is stored is not asked for again"


def test_pieces_go_on_where_a_stream_ended_and_the_other_way_round(server, spec, wire):
    data = wire.random_keys(spec, 102)
    messages = list(wire.upload_messages(spec, data))
    status_of(server.stub.UploadEvaluationKeys, iter(messages[:4]))
    half = sum(len(message.chunk.data) for message in messages[1:4])
    chunk = keys_pb.EvaluationKeysChunk(offset=half, data=data[half:-8])
    put = pb.PutEvaluationKeysRequest(header=messages[0].header, chunk=chunk)
    assert server.stub.PutEvaluationKeys(put).received == len(data) - 8
    last = pb.UploadEvaluationKeysRequest(chunk=keys_pb.EvaluationKeysChunk(offset=len(data) - 8, data=data[-8:]))
    assert server.stub.UploadEvaluationKeys(iter([messages[0], last])).sha256 == hashlib.sha256(data).digest()


def test_a_piece_that_does_not_go_on_from_what_is_there(server, spec, wire):
    first, _, third, *_ = pieces(wire, spec, 103)
    server.stub.PutEvaluationKeys(first)
    assert status_of(server.stub.PutEvaluationKeys, third)[0] == Status.DATA_LOSS


def test_a_piece_that_comes_again_is_answered_by_where_the_next_begins(server, spec, wire):
    requests = pieces(wire, spec, 105)
    for request in requests[:3]:
        received = server.stub.PutEvaluationKeys(request).received
    assert server.stub.PutEvaluationKeys(requests[0]).received == received == requests[3].chunk.offset
    for request in requests[3:]:
        received = server.stub.PutEvaluationKeys(request).received
    assert received == requests[0].header.size


def test_pieces_of_other_bytes_than_the_header_names(server, spec, wire):
    requests = pieces(wire, spec, 104)
    requests[0].chunk.data = bytes(len(requests[0].chunk.data))
    for request in requests[:-1]:
        server.stub.PutEvaluationKeys(request)
    assert status_of(server.stub.PutEvaluationKeys, requests[-1])[0] == Status.DATA_LOSS
    asked = pb.GetEvaluationKeysRequest(sha256=requests[0].header.sha256)
    assert status_of(server.stub.GetEvaluationKeys, asked)[0] == Status.NOT_FOUND


@pytest.mark.parametrize("left_out", ["header", "chunk"])
def test_a_piece_has_both_parts(server, spec, wire, left_out):
    request = pieces(wire, spec, 105)[0]
    request.ClearField(left_out)
    assert status_of(server.stub.PutEvaluationKeys, request)[0] == Status.INVALID_ARGUMENT


@pytest.mark.parametrize("left_out", ["header", "row"])
def test_a_row_has_both_parts(server, spec, keys, wire, left_out):
    request = row_request(wire, spec, keys)
    request.ClearField(left_out)
    assert status_of(server.stub.InferRow, request)[0] == Status.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "changes",
    [
        {"model_name": "none"},
        {"client_spec_digest": bytes(32)},
        {"client_spec_digest": b"short"},
        {"evaluation_keys": b""},
        {"evaluation_keys": bytes(32)},
        {"evaluation_keys": b"short"},
    ],
    ids=lambda changes: "-".join(f"{name}={value[:5]!r}" for name, value in changes.items()),
)
def test_a_row_is_refused_as_in_a_stream(server, spec, keys, wire, changes):
    streamed = status_of(server.stub.Infer, iter([wire.infer_header(spec, keys, **changes), wire.row_of(spec)]))
    assert status_of(server.stub.InferRow, row_request(wire, spec, keys, **changes)) == streamed


def test_a_malformed_row_is_refused_as_in_a_stream(server, spec, keys, wire):
    row = wire.row_of(spec).row
    row.bodies = row.bodies[:-8]
    header = wire.infer_header(spec, keys)
    streamed = status_of(server.stub.Infer, iter([header, pb.InferRequest(row=row)]))
    assert streamed[0] == Status.INVALID_ARGUMENT
    request = pb.InferRowRequest(header=header.header, row=row)
    assert status_of(server.stub.InferRow, request) == streamed
