"""Tensors of rows in bulk, which travel in pieces, into a file: none of many megabytes is ever one message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from cryptable_protocol import MalformedMessageError, limits
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.ring_tensor import SEED_BYTES
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters

from cryptable_server.calls.grpc_entry import Messages
from cryptable_server.executors.executor import TensorFile
from cryptable_server.services.spool import Incoming


async def gathered(
    requests: Messages[pb.InferRequest],
    first: tensor_pb.EncryptedTensor,
    parameters: BulkParameters,
    incoming: Incoming,
    *,
    waits: Callable[[], bool],
) -> TensorFile:
    """A file of a tensor's seed and its polynomials, whose other pieces, if it has any, are read from the stream.

    Raises:
        MalformedMessageError: a piece is not of the length that the parameters fix, or is missing.
        OverloadedError: the disk is full.
    """
    _check_piece(first, 0, parameters)
    if len(first.seed) != SEED_BYTES:
        raise MalformedMessageError(f"row: a seed of {len(first.seed)} bytes, expected {SEED_BYTES}")
    await asyncio.to_thread(incoming.write, first.seed + first.polynomials)
    received = len(first.polynomials)
    while received < parameters.row_bytes:
        message = await requests.next(waits=waits)
        if message is None or message.WhichOneof("part") != "row":
            raise MalformedMessageError(f"rows in bulk: a tensor ends after {received} of {parameters.row_bytes} bytes")
        _check_piece(message.row, received, parameters)
        await asyncio.to_thread(incoming.write, message.row.polynomials)
        received += len(message.row.polynomials)
    return await asyncio.to_thread(incoming.whole)


def _check_piece(piece: tensor_pb.EncryptedTensor, received: int, parameters: BulkParameters) -> None:
    expected = min(limits.CHUNK_BYTES, parameters.row_bytes - received)
    if len(piece.polynomials) != expected:
        raise MalformedMessageError(
            f"rows in bulk: a piece of {len(piece.polynomials)} bytes after {received}, expected {expected}"
        )
    if bool(received) == (piece.WhichOneof("masks") == "seed") or piece.bodies or piece.word_bits or piece.rows:
        raise MalformedMessageError("rows in bulk: the first piece of a tensor has the seed, and no other")
