"""Malformed rows, headers and bytes on the Infer method and on all others."""

import grpc
import pytest
from cryptable_protocol import limits
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.service import SERVICE_NAME

pytestmark = [pytest.mark.encrypted, pytest.mark.xdist_group("malformed")]  # its server takes half a minute to make

Status = grpc.StatusCode

ROWS = {
    "no bodies": lambda p: p.row(bodies=b""),
    "one body too few": lambda p: p.row(bodies=bytes(8 * p.spec.input.size - 8)),
    "one body too many": lambda p: p.row(bodies=bytes(8 * p.spec.input.size + 8)),
    "one byte too few": lambda p: p.row(bodies=bytes(8 * p.spec.input.size - 1)),
    "one byte too many": lambda p: p.row(bodies=bytes(8 * p.spec.input.size + 1)),
    "a megabyte of bodies": lambda p: p.row(bodies=bytes(1 << 20)),
    "more bodies than any tensor has": lambda p: p.row(bodies=bytes(8 * limits.MAX_VECTOR_SIZE + 8)),
    "seed of 15 bytes": lambda p: p.row(seed=bytes(15)),
    "seed of 17 bytes": lambda p: p.row(seed=bytes(17)),
    "seed of no bytes": lambda p: p.row(seed=b""),
    "neither seed nor masks": lambda p: pb.InferRequest(row=tensor_pb.EncryptedTensor(bodies=p.row().row.bodies)),
    "explicit masks": lambda p: p.row(explicit=bytes(8 * p.spec.input.size * p.dimension)),
    "explicit masks, too few": lambda p: p.row(explicit=bytes(8)),
    "explicit masks, no words": lambda p: p.row(explicit=bytes(13)),
    "explicit masks, none": lambda p: p.row(explicit=b""),
    "an empty tensor": lambda p: pb.InferRequest(row=tensor_pb.EncryptedTensor()),
    "an empty message": lambda p: pb.InferRequest(),
    "a second header": lambda p: p.infer_header(),
    "Concrete's own form of a ciphertext": lambda p: p.row(bodies=bytes(24 * p.spec.input.size)),
    "the other model's keys as a row": lambda p: p.row(bodies=p.keys[: 1 << 16]),
}


@pytest.mark.parametrize("what", ROWS)
def test_a_malformed_row_is_refused(party, workers, what):
    before = workers()
    answers = party.stub.Infer(iter([party.infer_header(), party.row(), ROWS[what](party)]), timeout=60)
    assert next(answers).row == 0
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    assert caught.value.code() == Status.INVALID_ARGUMENT, caught.value.details()
    assert party.good_request()
    assert workers() == before


def test_a_row_beyond_the_message_limit(party):
    requests = [party.infer_header(), party.row(bodies=bytes(16 << 20))]
    assert party.status_of(party.stub.Infer, iter(requests)) == Status.RESOURCE_EXHAUSTED
    assert party.good_request()


def test_well_formed_nonsense_is_computed_on(party, workers):
    """Words cannot be told from ciphertexts: the answer is nonsense, and the worker unharmed."""
    before = workers()
    extremes = [bytes(8 * party.spec.input.size), b"\xff" * 8 * party.spec.input.size]
    rows = [party.row(seed=seed, bodies=bodies) for bodies in extremes for seed in (bytes(16), b"\xff" * 16)]
    assert len(list(party.stub.Infer(iter([party.infer_header(), *rows]), timeout=60))) == len(rows)
    assert party.good_request()
    assert workers() == before


# Headers and digests of Infer

HEADERS = {
    "nothing at all": (lambda p: [], Status.INVALID_ARGUMENT),
    "a row first": (lambda p: [p.row()], Status.INVALID_ARGUMENT),
    "an empty message first": (lambda p: [pb.InferRequest()], Status.INVALID_ARGUMENT),
    "an empty header": (lambda p: [pb.InferRequest(header=pb.InferHeader())], Status.NOT_FOUND),
    "another model's name": (lambda p: [p.infer_header(model_name="none")], Status.NOT_FOUND),
    "a name of a megabyte": (lambda p: [p.infer_header(model_name="x" * (1 << 20))], Status.NOT_FOUND),
    "a refused artifact's name": (lambda p: [p.infer_header(model_name="refused")], Status.NOT_FOUND),
    "no digest": (lambda p: [p.infer_header(client_spec_digest=b"")], Status.INVALID_ARGUMENT),
    "a digest cut short": (lambda p: [p.infer_header(client_spec_digest=p.spec.digest[:31])], Status.INVALID_ARGUMENT),
    "a digest too long": (lambda p: [p.infer_header(client_spec_digest=bytes(33))], Status.INVALID_ARGUMENT),
    "another digest": (lambda p: [p.infer_header(client_spec_digest=bytes(32))], Status.FAILED_PRECONDITION),
    "the other model's digest": (
        lambda p: [p.infer_header(client_spec_digest=p.other.digest)],
        Status.FAILED_PRECONDITION,
    ),
    "no keys": (lambda p: [p.infer_header(evaluation_keys=b"")], Status.FAILED_PRECONDITION),
    "unknown keys": (lambda p: [p.infer_header(evaluation_keys=bytes(32))], Status.NOT_FOUND),
    "keys' digest cut short": (lambda p: [p.infer_header(evaluation_keys=p.sha256[:8])], Status.INVALID_ARGUMENT),
    "a path as keys": (lambda p: [p.infer_header(evaluation_keys=b"../../../etc/passwd")], Status.INVALID_ARGUMENT),
    "keys of another circuit": (
        lambda p: [p.infer_header(evaluation_keys=p.other_sha256)],
        Status.FAILED_PRECONDITION,
    ),
    "these keys with the other model": (
        lambda p: [p.infer_header(model_name="other", client_spec_digest=p.other.digest)],
        Status.FAILED_PRECONDITION,
    ),
    "header twice": (lambda p: [p.infer_header(), p.infer_header()], Status.INVALID_ARGUMENT),
}


@pytest.mark.parametrize("what", HEADERS)
def test_a_malformed_header_is_refused(party, workers, what):
    before = workers()
    make, status = HEADERS[what]
    assert party.status_of(party.stub.Infer, iter(make(party))) == status
    assert party.good_request()
    assert workers() == before


# Bytes that are no message

RAW = {
    "garbage": b"\xff" * 9,
    "a length beyond the end": b"\x0a\xff\xff\xff\xff\x0f",
    "a tag without a value": b"\x0a",
    "a wire type that there is not": b"\x0f\x00",
    "an endless varint": b"\x08" + b"\x80" * 20,
    "an unclosed group": b"\x0b" * 200,
}


@pytest.mark.parametrize("what", RAW)
def test_bytes_that_are_no_message_are_refused(party, what):
    for method in ("ListModels", "GetModel", "GetEvaluationKeys", "DeleteEvaluationKeys"):
        assert (
            party.status_of(party.channel.unary_unary(f"/{SERVICE_NAME}/{method}"), RAW[what])
            == Status.INVALID_ARGUMENT
        )
    for kind, method in (("stream_unary", "UploadEvaluationKeys"), ("stream_stream", "Infer")):
        call = getattr(party.channel, kind)(f"/{SERVICE_NAME}/{method}")
        assert party.status_of(call, iter([RAW[what]])) == Status.INVALID_ARGUMENT
    assert party.good_request()


def test_bytes_that_are_no_message_after_good_ones(party):
    call = party.channel.stream_stream(f"/{SERVICE_NAME}/Infer")
    messages = [party.infer_header().SerializeToString(), party.row().SerializeToString(), RAW["garbage"]]
    answers = call(iter(messages), timeout=60)
    next(answers)
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    assert caught.value.code() == Status.INVALID_ARGUMENT
    assert party.good_request()
