"""Evaluation keys: the universal keyset's rows and the public pair (protos/SPEC-LEVELLED.md, "Evaluation keys").

A public seed stands for one byte string, ever: every call draws a new one, and none can be passed in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from cryptable_protocol.schemes.levelled.keyset import (
    GRID_BITS,
    LOG2_DEVIATION,
    PUBLIC_PAIR,
    RING_SIZE,
    Gadget,
    LevelledKeyset,
)
from cryptable_protocol.schemes.levelled.mask_stream import masks, public_pair_mask
from cryptable_protocol.schemes.packing import pack, packed_bytes, unpack
from cryptable_protocol.schemes.ring_tensor import SEED_BYTES

from cryptable_client.schemes.levelled.encryption import encrypt_bodies
from cryptable_client.schemes.levelled.ring import (
    GRID_MASK,
    Integers,
    Words,
    automorphism,
    inverse,
    torus_times,
    transform,
)
from cryptable_client.schemes.ternary import Secret

_CHUNK_ROWS = 8
_BODY_BYTES = packed_bytes(RING_SIZE, GRID_BITS)
_NOISE_DEVIATIONS = 12
"""Noise of one's own keys is beyond this many standard deviations with probability below 2^-90 a word."""


def messages(keyset: LevelledKeyset, secret: Secret) -> Words:
    """What the rows encrypt, torus elements of shape (rows, N), the public pair's zero last."""
    if keyset == PUBLIC_PAIR:
        return np.zeros((1, RING_SIZE), np.uint64)
    rows = []
    for index, gadget in enumerate(keyset.automorphisms):
        rows += _scaled(automorphism(secret, (RING_SIZE >> index) + 1), gadget)
    square: Integers = np.rint(inverse(transform(secret.astype(np.float64)) ** 2)).astype(np.int64)
    rows += _scaled(square, keyset.switch)
    rows.append(np.zeros(RING_SIZE, np.uint64))
    return np.array(rows)


def _scaled(polynomial: Integers, gadget: Gadget) -> list[Words]:
    """The polynomial times 2^-b, 2^-2b, … of the torus."""
    shifts = (GRID_BITS - gadget.base_log * level for level in range(1, gadget.levels + 1))
    return [(polynomial << shift).view(np.uint64) & GRID_MASK for shift in shifts]


def chunks(keyset: LevelledKeyset, secret: Secret) -> Iterator[bytes]:
    """New evaluation keys, `keyset.evaluation_keys_bytes` in all, under a fresh seed."""
    seed = os.urandom(SEED_BYTES)
    yield seed
    message = messages(keyset, secret)
    mask = _all_masks(keyset, seed)
    for first in range(0, keyset.rows, _CHUNK_ROWS):
        part = slice(first, first + _CHUNK_ROWS)
        yield b"".join(pack(body, GRID_BITS) for body in encrypt_bodies(secret, mask[part], message[part]))
    message.fill(0)


def _all_masks(keyset: LevelledKeyset, seed: bytes) -> Words:
    pair = public_pair_mask(seed)[None]
    return pair if keyset == PUBLIC_PAIR else np.concatenate([masks(seed, 0, keyset.rows - 1), pair])


def are_of(keyset: LevelledKeyset, secret: Secret, file: BinaryIO, *, first_row_alone: bool) -> bool:
    """Whether the rows of evaluation keys, or the first alone, encrypt under `secret` what they should."""
    rows = 1 if first_row_alone else keyset.rows
    seed = file.read(SEED_BYTES)
    data = file.read(rows * _BODY_BYTES)
    if len(seed) != SEED_BYTES or len(data) != rows * _BODY_BYTES:
        return False
    bodies = unpack(data, rows * RING_SIZE, GRID_BITS).reshape(rows, RING_SIZE)
    mask = _all_masks(keyset, seed)[:rows]
    noise = bodies - torus_times(mask, transform(secret.astype(np.float64))) - messages(keyset, secret)[:rows]
    centred = (noise << np.uint64(64 - GRID_BITS)).view(np.int64) >> (64 - GRID_BITS)
    return bool(np.abs(centred).max() <= _NOISE_DEVIATIONS * 2.0 ** (LOG2_DEVIATION + GRID_BITS))
