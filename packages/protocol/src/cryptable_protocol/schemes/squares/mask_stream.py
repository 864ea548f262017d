"""Masks: AES-128 in counter mode, rejected down to residues modulo a prime (SPEC-SQUARES.md, "Mask stream")."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from cryptable_protocol.schemes.ring_tensor import SEED_BYTES
from cryptable_protocol.schemes.squares.keyset import SquaresKeyset

Residues = npt.NDArray[np.int64]


def residues(seed: bytes, stream: int, prime: int, count: int) -> Residues:
    """The first `count` words of a stream that are below `prime`, each of as many bits as that has."""
    encryptor = Cipher(algorithms.AES128(seed), modes.CTR((stream << 64).to_bytes(16, "big"))).encryptor()
    found = np.empty(0, np.int64)
    shift = np.uint64(64 - prime.bit_length())
    while found.size < count:
        words = np.frombuffer(encryptor.update(bytes(8 * count)), "<u8") >> shift
        found = np.concatenate([found, words[words < np.uint64(prime)].astype(np.int64)])
    return found[:count]


def masks(seed: bytes, first: int, primes: tuple[int, ...], ring_size: int) -> Residues:
    """A polynomial modulo each prime, shape (primes, N), from stream `first` on."""
    return np.stack([residues(seed, first + index, prime, ring_size) for index, prime in enumerate(primes)])


def key_masks(keyset: SquaresKeyset, seed: bytes, row: int) -> Residues:
    """Mask of a row of keys, in transformed order, shape (primes, N); that of the public pair follows the last row's.

    The public pair's is of a stream whose key no client can choose.
    """
    primes = keyset.chain.primes
    if row == keyset.rows:
        pair = hashlib.sha256(b"cryptable squares public pair\0" + seed).digest()[:SEED_BYTES]
        return masks(pair, 0, primes, keyset.ring_size)
    return masks(seed, row * len(primes), primes, keyset.ring_size)
