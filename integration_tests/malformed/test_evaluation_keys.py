"""Malformed uploads of evaluation keys, and well-formed ones of wrong words."""

import os

import grpc
import pytest
from cryptable_client import SecretKeys
from cryptable_protocol import limits
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import keys as keys_pb

pytestmark = [pytest.mark.encrypted, pytest.mark.xdist_group("malformed")]  # its server takes half a minute to make

Status = grpc.StatusCode

CAPNP_LIST_BOMB = bytes.fromhex(
    "00000000050000000000000000000300090000000f0000000000000000000000000000000000000000000000fcffff7f00000000"
)
"""52 bytes that made Concrete's own reader hang for minutes and take gigabytes."""


def split(p):
    """The bootstrap key's and the keyswitch key's bytes."""
    keyset = p.spec.keyset
    cut = sum(map(keyset.bootstrap_key_bytes, keyset.bootstrap_keys))
    return p.keys[:cut], p.keys[cut:]


def reordered(p):
    header, first, second, third, *rest = p.upload(p.keys)
    return [header, first, third, second, *rest]


def overlapping(p):
    header, *chunks = p.upload(p.keys)
    return [header, *chunks[:3], p.chunk(chunks[3].chunk.offset - 8, chunks[3].chunk.data), *chunks[4:]]


def with_gap(p):
    header, *chunks = p.upload(p.keys)
    return [header, *chunks[:3], *chunks[4:]]


def with_chunk(position, message):
    def make(p):
        messages = list(p.upload(p.keys))
        messages.insert(position, message(p))
        return messages

    return make


def with_oversized_chunk(p):
    header, *_ = p.upload(p.keys)
    return [header, p.chunk(0, p.keys[: limits.CHUNK_BYTES + 8])]


UPLOADS = {
    "nothing at all": (lambda p: [], Status.INVALID_ARGUMENT),
    "a header alone": (lambda p: list(p.upload(p.keys))[:1], Status.INVALID_ARGUMENT),
    "a chunk first": (lambda p: list(p.upload(p.keys))[1:], Status.INVALID_ARGUMENT),
    "an empty header": (
        lambda p: [pb.UploadEvaluationKeysRequest(header=keys_pb.EvaluationKeysHeader())],
        Status.INVALID_ARGUMENT,
    ),
    "header twice": (with_chunk(1, lambda p: next(p.upload(p.keys))), Status.INVALID_ARGUMENT),
    "an empty message": (with_chunk(5, lambda p: pb.UploadEvaluationKeysRequest()), Status.INVALID_ARGUMENT),
    "an empty chunk": (with_chunk(1, lambda p: p.chunk(0, b"")), Status.INVALID_ARGUMENT),
    "a chunk twice": (with_chunk(2, lambda p: list(p.upload(p.keys))[1]), Status.INVALID_ARGUMENT),
    "a chunk beyond the end": (with_chunk(1 << 20, lambda p: p.chunk(len(p.keys), bytes(8))), Status.INVALID_ARGUMENT),
    "a chunk at 2^64 - 8": (with_chunk(1, lambda p: p.chunk((1 << 64) - 8, bytes(8))), Status.INVALID_ARGUMENT),
    "reordered chunks": (reordered, Status.INVALID_ARGUMENT),
    "chunks of an upload that was never begun": (
        lambda p: [*p.upload(os.urandom(len(p.keys)))][:1] + [*p.upload(p.keys)][2:],
        Status.DATA_LOSS,
    ),
    "overlapping chunks": (overlapping, Status.INVALID_ARGUMENT),
    "a gap": (with_gap, Status.INVALID_ARGUMENT),
    "an oversized chunk": (with_oversized_chunk, Status.INVALID_ARGUMENT),
    "truncated": (lambda p: list(p.upload(p.keys))[:-1], Status.INVALID_ARGUMENT),
    "wrong sha256": (lambda p: p.upload(p.keys, sha256=bytes(32)), Status.DATA_LOSS),
    "sha256 cut short": (lambda p: p.upload(p.keys, sha256=bytes(31)), Status.INVALID_ARGUMENT),
    "changed on the way": (
        lambda p: p.upload(bytes(8) + p.keys[8:], sha256=p.sha256),
        Status.DATA_LOSS,
    ),
    "keyset that no model uses": (lambda p: p.upload(p.keys, keyset_name=bytes(32)), Status.FAILED_PRECONDITION),
    "keyset name cut short": (lambda p: p.upload(p.keys, keyset_name=b"x"), Status.INVALID_ARGUMENT),
    "the other circuit's keyset name": (
        lambda p: p.upload(p.keys, keyset_name=p.other.keyset.name),
        Status.INVALID_ARGUMENT,
    ),
    "a refused artifact's keyset": (
        lambda p: p.upload(p.keys, keyset_name=p.refused.keyset.name),
        Status.FAILED_PRECONDITION,
    ),
    "size 0": (lambda p: p.upload(p.keys, size=0), Status.INVALID_ARGUMENT),
    "size 2^63": (lambda p: p.upload(p.keys, size=1 << 63), Status.INVALID_ARGUMENT),
    "size one word less": (lambda p: p.upload(p.keys, size=len(p.keys) - 8), Status.INVALID_ARGUMENT),
    "one word less": (lambda p: p.upload(p.keys[:-8]), Status.INVALID_ARGUMENT),
    "one word more": (lambda p: p.upload(p.keys + bytes(8)), Status.INVALID_ARGUMENT),
    "no whole words": (lambda p: p.upload(p.keys[:-3]), Status.INVALID_ARGUMENT),
    "no bootstrap key": (lambda p: p.upload(split(p)[1]), Status.INVALID_ARGUMENT),
    "no keyswitch key": (lambda p: p.upload(split(p)[0]), Status.INVALID_ARGUMENT),
    "half a bootstrap key": (
        lambda p: p.upload(split(p)[0][: len(split(p)[0]) // 2] + split(p)[1]),
        Status.INVALID_ARGUMENT,
    ),
    "half a keyswitch key": (
        lambda p: p.upload(split(p)[0] + split(p)[1][: len(split(p)[1]) // 2]),
        Status.INVALID_ARGUMENT,
    ),
    "bootstrap key twice": (lambda p: p.upload(split(p)[0] * 2), Status.INVALID_ARGUMENT),
    "Cap'n Proto list bomb": (lambda p: p.upload(CAPNP_LIST_BOMB), Status.INVALID_ARGUMENT),
}


@pytest.mark.parametrize("what", UPLOADS)
def test_malformed_keys_are_refused(party, workers, what):
    before = workers()
    make, status = UPLOADS[what]
    messages = list(make(party))
    assert party.status_of(party.stub.UploadEvaluationKeys, iter(messages)) == status
    assert stored_digests(party) == {party.sha256.hex(), party.other_sha256.hex()}
    assert party.good_request()
    assert workers() == before


def stored_digests(party):
    files = [path for path in (party.log.parent / "keys").glob("*/*.*") if path.is_file()]
    return {path.name.partition(".")[0] for path in files if path.parent.name != "incoming"}


WELL_FORMED_KEYS = {
    "random": lambda p: os.urandom(len(p.keys)),
    "zeros": lambda p: bytes(len(p.keys)),
    "ones": lambda p: b"\xff" * len(p.keys),
    "another user's": lambda p: p.evaluation_keys(SecretKeys.generate(p.spec)),
    "keyswitch key first": lambda p: split(p)[1] + split(p)[0],
    "Cap'n Proto list bomb, filled up": lambda p: CAPNP_LIST_BOMB + bytes(len(p.keys) - len(CAPNP_LIST_BOMB)),
}


@pytest.mark.parametrize("what", WELL_FORMED_KEYS)
def test_keys_of_wrong_words_harm_nobody_else(party, workers, what):
    """Words cannot be told from keys: their owner's answers are nonsense, and nobody else's."""
    before = workers()
    sha256 = party.stub.UploadEvaluationKeys(party.upload(WELL_FORMED_KEYS[what](party))).sha256
    requests = [party.infer_header(evaluation_keys=sha256), party.row()]
    assert len(list(party.stub.Infer(iter(requests), timeout=60))) == 1
    assert party.good_request()
    party.stub.DeleteEvaluationKeys(pb.DeleteEvaluationKeysRequest(sha256=sha256))
    assert party.status_of(party.stub.Infer, iter(requests)) == Status.NOT_FOUND
    assert party.good_request()
    assert workers() == before
