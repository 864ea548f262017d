"""Keys, rows and answers as they travel, and as rings take them (protos/SPEC-SQUARES.md, "Packing")."""

from __future__ import annotations

import threading

import numpy as np
from cryptable_protocol import MalformedMessageError
from cryptable_protocol.schemes.packing import Words, packed_bytes, unpack
from cryptable_protocol.schemes.ring_tensor import SEED_BYTES
from cryptable_protocol.schemes.squares.keyset import SquaresKeyset
from cryptable_protocol.schemes.squares.mask_stream import key_masks

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.errors import EvaluationError
from cryptable_engine.schemes.squares.rings.choice import Keys, Ring

_ALL = 0
"""Instead of a plaintext modulus: keys that all of them share."""


class ReadyKeys:
    """A client's evaluation keys, for every model of their keyset.

    SEAL wants a copy for each plaintext modulus, our kernel one for all. Thread-safe.

    Args:
        keyset: of the keys.
        data: as they travel, of the right length.

    Raises:
        MalformedMessageError: words that are no residues.
    """

    def __init__(self, keyset: SquaresKeyset, data: memoryview) -> None:
        self.keyset = keyset
        self._rows = _key_rows(keyset, data)
        self._made: dict[int, Keys] = {}
        self._mutex = threading.Lock()

    def under(self, ring: Ring) -> Keys:
        """For a ring of their chain, with a plaintext modulus; raises EvaluationError where it cannot take them."""
        self.make(ring)
        return self._made[_key(ring)]

    def make(self, ring: Ring) -> bool:
        """Have them for a ring, as `under` gives them; False where they were there already."""
        with self._mutex:
            if _key(ring) in self._made:
                return False
            try:
                self._made[_key(ring)] = ring.keys(self.keyset, self._rows)
            except (RuntimeError, ValueError) as error:
                raise EvaluationError(f"squares: native code cannot take these keys: {error}") from error
            return True


def _key(ring: Ring) -> int:
    """Rings with one number have the same keys."""
    return _ALL if ring.keys_are_of_all_moduli else ring.modulus


def _key_rows(keyset: SquaresKeyset, data: memoryview) -> list[IntArray]:
    """Of each row body and mask, shape (2, primes, N), the public pair's last."""
    primes, size, seed = keyset.chain.primes, keyset.ring_size, bytes(data[:SEED_BYTES])

    def row(index: int) -> IntArray:
        start = SEED_BYTES + index * keyset.row_bytes
        body = residues(data[start : start + keyset.row_bytes], primes, size, "evaluation keys")
        return np.stack([body, key_masks(keyset, seed, index)])

    return [row(index) for index in range(keyset.rows + 1)]


def rounded(words: IntArray, prime: int, bits: int) -> Words:
    """round(word · 2^bits / prime) modulo 2^bits, of up to 57 bits."""
    near = (words * (2.0**bits / prime)).astype(np.int64)
    # Of a double of 57 bits, off by less than 2^6: what is left is below 2^62, known modulo 2^64.
    left = words * (1 << bits) - near * prime
    scaled = near + (left + prime // 2) // prime
    found: Words = (scaled & ((1 << bits) - 1)).astype(np.uint64)
    return found


def residues(data: bytes | memoryview, primes: tuple[int, ...], size: int, what: str) -> IntArray:
    """Packed words, shape (primes, N), each below its prime; MalformedMessageError names `what` has others."""
    rows, start = [], 0
    for prime in primes:
        bits = prime.bit_length()
        end = start + packed_bytes(size, bits)
        words = unpack(data[start:end], size, bits).astype(np.int64)
        if words.max() >= prime:
            raise MalformedMessageError(f"{what}: a word of {words.max()}, expected residues modulo {prime}")
        rows.append(words)
        start = end
    return np.stack(rows)
