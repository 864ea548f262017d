"""Tensors of rows in bulk, which travel in pieces: none of many megabytes is ever one message."""

from __future__ import annotations

from collections.abc import Callable

from cryptable_protocol import MalformedMessageError, limits
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.scheme import SchemeParameters
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters

from cryptable_server.calls.grpc_entry import Messages


async def whole_tensor(
    requests: Messages[pb.InferRequest],
    first: tensor_pb.EncryptedTensor,
    parameters: SchemeParameters,
    *,
    waits: Callable[[], bool],
) -> tensor_pb.EncryptedTensor:
    """A row as one tensor, whose other pieces, if it has any, are read from the stream.

    Raises:
        MalformedMessageError: a piece is not of the length that the parameters fix, or is missing.
    """
    if not isinstance(parameters, BulkParameters):
        return first
    _check_piece(first, 0, parameters)
    gathered = bytearray(first.polynomials)
    while len(gathered) < parameters.row_bytes:
        message = await requests.next(waits=waits)
        if message is None or message.WhichOneof("part") != "row":
            raise MalformedMessageError(
                f"rows in bulk: a tensor ends after {len(gathered)} of {parameters.row_bytes} bytes"
            )
        _check_piece(message.row, len(gathered), parameters)
        gathered += message.row.polynomials
    return tensor_pb.EncryptedTensor(seed=first.seed, polynomials=bytes(gathered))


def _check_piece(piece: tensor_pb.EncryptedTensor, received: int, parameters: BulkParameters) -> None:
    expected = min(limits.CHUNK_BYTES, parameters.row_bytes - received)
    if len(piece.polynomials) != expected:
        raise MalformedMessageError(
            f"rows in bulk: a piece of {len(piece.polynomials)} bytes after {received}, expected {expected}"
        )
    if bool(received) == (piece.WhichOneof("masks") == "seed"):
        raise MalformedMessageError("rows in bulk: the first piece of a tensor has the seed, and no other")
