"""Masks: AES-128 in counter mode, of each word the upper 52 bits (SPEC-LEVELLED.md, "Mask stream")."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, RING_SIZE
from cryptable_protocol.schemes.ring_tensor import SEED_BYTES

_WORD_BYTES = 8
_BLOCK_BYTES = 16


def masks(seed: bytes, first: int, count: int) -> npt.NDArray[np.uint64]:
    """Torus elements, integers below 2^52, of `count` polynomials from polynomial `first` on: shape (count, N)."""
    counter = first * RING_SIZE * _WORD_BYTES // _BLOCK_BYTES
    stream = Cipher(algorithms.AES128(seed), modes.CTR(counter.to_bytes(_BLOCK_BYTES, "big"))).encryptor()
    words = np.frombuffer(stream.update(bytes(count * RING_SIZE * _WORD_BYTES)), "<u8")
    torus: npt.NDArray[np.uint64] = (words >> np.uint64(64 - GRID_BITS)).reshape(count, RING_SIZE)
    return torus


def public_pair_mask(seed: bytes) -> npt.NDArray[np.uint64]:
    """Mask of the public pair, shape (N,): of a stream whose key no client can choose."""
    key = hashlib.sha256(b"cryptable levelled public pair\0" + seed).digest()[:SEED_BYTES]
    (mask,) = masks(key, 0, 1)
    return np.asarray(mask)
