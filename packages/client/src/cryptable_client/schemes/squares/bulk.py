"""Rows in bulk: a ciphertext for each element, whose slots are the rows (protos/SPEC-SQUARES.md, "Bulk")."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from cryptable_protocol.limits import CHUNK_BYTES
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.packing import pack, packed_bytes, unpack
from cryptable_protocol.schemes.ring_tensor import SEED_BYTES, RingTensor
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.schemes.squares.lattice import points
from cryptable_protocol.schemes.squares.mask_stream import masks, residues
from cryptable_protocol.schemes.squares.transforms import from_slots, slot_positions, transform

from cryptable_client.schemes.squares.encryption import body_of, exact_times, read_phase, transformed_secret
from cryptable_client.schemes.ternary import Secret


def encrypt_rows(parameters: BulkParameters, secret: Secret, rows: npt.NDArray[np.int64]) -> RingTensor:
    """Encrypt rows of integers, shape (rows, parameters.inputs), under one fresh seed; slots beyond them hold 0."""
    seed = os.urandom(SEED_BYTES)
    return RingTensor(b"".join(_columns(parameters, secret, rows, seed)), seed)


def encrypt_in_pieces(
    parameters: BulkParameters, secret: Secret, rows: npt.NDArray[np.int64]
) -> Iterator[tensor_pb.EncryptedTensor]:
    """The same as a server takes it, piece after piece, so that it need not wait, nor anybody keep, for the whole."""
    seed, waiting = os.urandom(SEED_BYTES), bytearray()
    is_first = True
    for index, column in enumerate(_columns(parameters, secret, rows, seed)):
        waiting += column
        while len(waiting) >= CHUNK_BYTES or (waiting and index == parameters.columns - 1):
            piece = tensor_pb.EncryptedTensor(polynomials=bytes(waiting[:CHUNK_BYTES]))
            if is_first:
                piece.seed, is_first = seed, False
            yield piece
            del waiting[:CHUNK_BYTES]


def _columns(parameters: BulkParameters, secret: Secret, rows: npt.NDArray[np.int64], seed: bytes) -> Iterator[bytes]:
    """Packed bodies, one column after the other."""
    chain = parameters.fresh
    transformed = transformed_secret(chain, secret)
    try:
        for index, values in enumerate(_values(parameters, rows)):
            slots = np.zeros(chain.ring_size, np.int64)
            slots[: len(rows)] = values
            message = from_slots(slots % parameters.modulus, parameters.modulus)
            mask = masks(seed, index * len(chain.data), chain.data, chain.ring_size)
            # Up or down by chance: what rounding is off by then has the mean 0, which its bound counts on.
            chance = residues(os.urandom(SEED_BYTES), 0, parameters.modulus, chain.ring_size)
            body = body_of(chain, transformed, message, parameters.modulus, mask, added=chance)
            yield b"".join(
                pack(words.astype(np.uint64), prime.bit_length()) for words, prime in zip(body, chain.data, strict=True)
            )
    finally:
        transformed.fill(0)


def _values(parameters: BulkParameters, rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """What the slots of each column hold: an input of each row, or a coordinate of the point that a thermometer is."""
    if not parameters.thermometers:
        yield from rows.T
    start = 0
    for bits in parameters.thermometers:
        ones = rows[:, start : start + bits].sum(axis=1)
        yield from points(bits, parameters.degree)[ones].T
        start += bits


def decrypt_rows(parameters: BulkParameters, secret: Secret, tensor: RingTensor) -> npt.NDArray[np.int64]:
    """Integers in 0 … maximum, shape (rows, outputs), of any answer of the right form.

    Raises:
        MalformedMessageError: it is of another form.
    """
    parameters.check_output(tensor.to_message())
    size, bits, modulus = parameters.keyset.ring_size, parameters.answer_word_bits, parameters.modulus
    each = packed_bytes(size, bits)
    ring, places = transform(modulus, size), slot_positions(size)
    answers = np.empty((size, parameters.outputs), np.int64)
    for output in range(parameters.outputs):
        halves = [tensor.polynomials[start : start + each] for start in (2 * output * each, (2 * output + 1) * each)]
        mask, body = (unpack(half, size, bits).astype(np.int64) for half in halves)
        coefficients = read_phase((body + exact_times(mask, secret, bits)) % (1 << bits), modulus, bits)
        answers[:, output] = ring.forward(coefficients)[places]
    return np.minimum(answers, parameters.maximum)
