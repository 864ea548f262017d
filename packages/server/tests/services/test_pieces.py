"""Pieces of tensors in bulk: put together where each is what must come next, else refused."""

import asyncio
from pathlib import Path

import pytest
from cryptable_protocol import MalformedMessageError, limits
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_server.services.pieces import gathered
from cryptable_server.services.spool import Spool
from cryptable_server.services.together import Together

PARAMETERS = BulkParameters(1, 9, 1, 65537, 2, 60_000, 28, 2.0**-128)
SEED, SIZE = bytes(16), limits.CHUNK_BYTES
REST = PARAMETERS.row_bytes - SIZE


def piece(size, seed=None):
    made = tensor_pb.EncryptedTensor(polynomials=bytes(size))
    if seed is not None:
        made.seed = seed
    return made


def received(folder, first, *others):
    """The file's bytes; nothing is left of it where it is refused."""
    requests = Together(*(pb.InferRequest(row=other) for other in others))
    spool = Spool(folder, 1 << 30)
    try:
        with spool.begin("somebody", PARAMETERS.row_bytes) as incoming:
            file = asyncio.run(gathered(requests, first, PARAMETERS, incoming, waits=lambda: False))
        return Path(file.location).read_bytes()
    except MalformedMessageError:
        assert spool.bytes == 0
        raise
    finally:
        spool.close()


def test_pieces_are_put_together(tmp_path):
    assert 0 < REST < SIZE
    first, rest = piece(SIZE, SEED), piece(REST)
    first.polynomials, rest.polynomials = b"a" * SIZE, b"b" * REST
    assert received(tmp_path, first, rest) == SEED + b"a" * SIZE + b"b" * REST
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([piece(SIZE - 1, SEED)], "a piece of 1048575 bytes after 0, expected 1048576"),
        ([piece(SIZE)], "the first piece of a tensor has the seed"),
        ([piece(SIZE, SEED)], "a tensor ends after 1048576 of"),
        ([piece(SIZE, SEED), piece(SIZE)], "a piece of 1048576 bytes after 1048576"),
        ([piece(SIZE, SEED), piece(0)], "a piece of 0 bytes after"),
        ([piece(SIZE, SEED), piece(REST, SEED)], "and no other"),
        ([piece(SIZE, b"short")], "a seed of 5 bytes, expected 16"),
        ([piece(SIZE, SEED), tensor_pb.EncryptedTensor(polynomials=bytes(REST), rows=2)], "and no other"),
    ],
    ids=["short", "no seed", "one alone", "long", "empty", "two seeds", "a short seed", "rows together"],
)
def test_pieces_that_are_not_what_comes_next_are_refused(tmp_path, pieces, why):
    with pytest.raises(MalformedMessageError, match=why):
        received(tmp_path, *pieces)


def test_a_header_in_the_midst_is_refused(tmp_path):
    requests = Together(pb.InferRequest(header=pb.InferHeader()))
    spool = Spool(tmp_path, 1 << 30)
    with spool.begin("somebody", 9) as incoming, pytest.raises(MalformedMessageError, match="a tensor ends after"):
        asyncio.run(gathered(requests, piece(SIZE, SEED), PARAMETERS, incoming, waits=lambda: False))
    spool.close()
