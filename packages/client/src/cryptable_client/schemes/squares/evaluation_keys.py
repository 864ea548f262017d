"""Evaluation keys: for s², for each rotation, and the public pair (protos/SPEC-SQUARES.md, "Evaluation keys").

A public seed stands for one byte string, ever: every call draws a new one, and none can be passed in.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import BinaryIO

import numpy as np
from cryptable_protocol.schemes.packing import pack, packed_bytes, unpack
from cryptable_protocol.schemes.ring_tensor import SEED_BYTES
from cryptable_protocol.schemes.squares.keyset import ERROR_BITS, SquaresKeyset
from cryptable_protocol.schemes.squares.mask_stream import key_masks
from cryptable_protocol.schemes.squares.transforms import times, transform

from cryptable_client.schemes.squares.secret import Integers, errors
from cryptable_client.schemes.ternary import Secret


def automorphism(polynomial: Integers, exponent: int) -> Integers:
    """The polynomial in X^exponent, for an odd exponent."""
    size = polynomial.size
    target = np.arange(size) * exponent % (2 * size)
    result = np.empty_like(polynomial)
    result[target % size] = np.where(target < size, polynomial, -polynomial)
    return result


def _transformed(keyset: SquaresKeyset, polynomial: Integers) -> Integers:
    """Small coefficients in transformed order modulo each prime, shape (primes, N)."""
    size = keyset.ring_size
    return np.stack([transform(prime, size).forward(polynomial % prime) for prime in keyset.chain.primes])


def messages(keyset: SquaresKeyset, secret: Secret) -> Generator[Integers]:
    """What the rows encrypt, in transformed order modulo each prime, the public pair's zero last.

    An array is overwritten when the next one is asked for, and wiped at the end, or when the iterator is closed.
    """
    chain = keyset.chain
    own = _transformed(keyset, secret)
    square = np.stack([times(values, values, prime) for values, prime in zip(own, chain.primes, strict=True)])
    message = np.zeros_like(own)
    try:
        for element in (None, *keyset.elements):
            values = square if element is None else _transformed(keyset, automorphism(secret, element))
            try:
                for index, prime in enumerate(chain.data):
                    message[index] = times(values[index], chain.primes[-1] % prime, prime)
                    yield message
                    message[index] = 0
            finally:
                values.fill(0)
        yield message
    finally:  # whoever reads the first row alone leaves off here
        for each in (own, square, message):
            each.fill(0)


def chunks(keyset: SquaresKeyset, secret: Secret) -> Iterator[bytes]:
    """New evaluation keys, `keyset.evaluation_keys_bytes` in all, under a fresh seed: a row at a time."""
    seed = os.urandom(SEED_BYTES)
    yield seed
    own = _transformed(keyset, secret)
    try:
        with closing(messages(keyset, secret)) as rows:
            for row, message in enumerate(rows):
                yield _row(keyset, own, key_masks(keyset, seed, row), message)
    finally:
        own.fill(0)


def _row(keyset: SquaresKeyset, own: Integers, mask: Integers, message: Integers) -> bytes:
    drawn = errors(keyset.ring_size)
    noise = _transformed(keyset, drawn)
    packed = b"".join(
        pack(
            ((message[index] + noise[index] - times(mask[index], own[index], prime)) % prime).astype(np.uint64),
            prime.bit_length(),
        )
        for index, prime in enumerate(keyset.chain.primes)
    )
    for each in (drawn, noise):
        each.fill(0)
    return packed


def are_of(keyset: SquaresKeyset, secret: Secret, file: BinaryIO, *, first_row_alone: bool) -> bool:
    """Whether the rows of evaluation keys, or the first alone, encrypt under `secret` what they should."""
    seed = file.read(SEED_BYTES)
    if len(seed) != SEED_BYTES:
        return False
    own = _transformed(keyset, secret)
    try:
        with closing(messages(keyset, secret)) as rows:
            for row, message in enumerate(rows):
                data = file.read(keyset.row_bytes)
                mask = key_masks(keyset, seed, row)
                if len(data) != keyset.row_bytes or not _is_row(keyset, own, mask, message, data):
                    return False
                if first_row_alone:
                    break
        return True
    finally:
        own.fill(0)


def _is_row(keyset: SquaresKeyset, own: Integers, mask: Integers, message: Integers, data: bytes) -> bool:
    """Whether what is left of a row modulo each prime is the same noise, within what noise can be."""
    size, start, left = keyset.ring_size, 0, []
    for index, prime in enumerate(keyset.chain.primes):
        end = start + packed_bytes(size, prime.bit_length())
        body = unpack(data[start:end], size, prime.bit_length()).astype(np.int64)
        if (body >= prime).any():
            return False
        phase = (body + times(mask[index], own[index], prime) - message[index]) % prime
        noise = transform(prime, size).inverse(phase)
        left.append(np.where(noise > prime // 2, noise - prime, noise))
        start = end
    return bool(np.abs(left[0]).max() <= ERROR_BITS and all((other == left[0]).all() for other in left[1:]))
