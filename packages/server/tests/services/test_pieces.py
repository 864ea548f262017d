"""Pieces of tensors in bulk: put together where each is what must come next, else refused."""

import asyncio

import pytest
from cryptable_protocol import MalformedMessageError, limits
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_server.services.pieces import whole_tensor
from cryptable_server.services.together import Together

PARAMETERS = BulkParameters(1, 9, 1, 65537, 2, 60_000, 28, 2.0**-128)
SEED, SIZE = bytes(16), limits.CHUNK_BYTES
REST = PARAMETERS.row_bytes - SIZE


def piece(size, seed=None):
    made = tensor_pb.EncryptedTensor(polynomials=bytes(size))
    if seed is not None:
        made.seed = seed
    return made


def gathered(first, *others):
    requests = Together(*(pb.InferRequest(row=other) for other in others))
    return asyncio.run(whole_tensor(requests, first, PARAMETERS, waits=lambda: False))


def test_pieces_are_put_together():
    assert 0 < REST < SIZE
    whole = gathered(piece(SIZE, SEED), piece(REST))
    assert (whole.seed, len(PARAMETERS.check_input(whole))) == (SEED, PARAMETERS.row_message_bytes)


def test_rows_that_are_no_tensors_in_bulk_pass():
    row = piece(3)
    assert asyncio.run(whole_tensor(Together(), row, None, waits=lambda: False)) is row


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([piece(SIZE - 1, SEED)], "a piece of 1048575 bytes after 0, expected 1048576"),
        ([piece(SIZE)], "the first piece of a tensor has the seed"),
        ([piece(SIZE, SEED)], "a tensor ends after 1048576 of"),
        ([piece(SIZE, SEED), piece(SIZE)], "a piece of 1048576 bytes after 1048576"),
        ([piece(SIZE, SEED), piece(0)], "a piece of 0 bytes after"),
        ([piece(SIZE, SEED), piece(REST, SEED)], "and no other"),
    ],
    ids=["short", "no seed", "one alone", "long", "empty", "two seeds"],
)
def test_pieces_that_are_not_what_comes_next_are_refused(pieces, why):
    with pytest.raises(MalformedMessageError, match=why):
        gathered(*pieces)


def test_a_header_in_the_midst_is_refused():
    requests = Together(pb.InferRequest(header=pb.InferHeader()))
    with pytest.raises(MalformedMessageError, match="a tensor ends after"):
        asyncio.run(whole_tensor(requests, piece(SIZE, SEED), PARAMETERS, waits=lambda: False))
