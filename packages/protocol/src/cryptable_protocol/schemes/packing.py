"""Words of 8 to 57 bits, packed (SPEC-LEVELLED.md, "Packing")."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]


def packed_bytes(count: int, bits: int) -> int:
    """Bytes that `count` words of `bits` bits take."""
    return (count * bits + 7) // 8


def pack(words: Words, bits: int) -> bytes:
    """Words below 2^bits as one string of bits, least significant first."""
    flat = np.ascontiguousarray(words, "<u8").ravel()
    expanded = np.unpackbits(flat.view(np.uint8).reshape(flat.size, 8), axis=1, count=bits, bitorder="little")
    return np.packbits(expanded, axis=None, bitorder="little").tobytes()


def unpack(data: bytes | memoryview, count: int, bits: int) -> Words:
    """The inverse of `pack`, of exactly `packed_bytes(count, bits)` bytes; bits beyond the last word are ignored."""
    period = 8 // math.gcd(8, bits)  # words after which one begins at the start of a byte again
    size = period * bits // 8
    runs = -(-count // period)
    string = np.zeros(runs * size + 8, np.uint8)
    string[: len(data)] = np.frombuffer(data, np.uint8)
    words = np.empty((runs, period), np.uint64)
    for place in range(period):
        start = place * bits
        # The eight bytes from the word's first on, of every run: they hold up to 57 bits, whatever its first bit.
        eight: Words = np.ndarray((runs,), "<u8", string.data, offset=start // 8, strides=(size,))
        words[:, place] = eight >> np.uint64(start % 8)
    words &= np.uint64((1 << bits) - 1)
    return words.ravel()[:count]


def rounded(torus: Words, grid_bits: int, bits: int) -> Words:
    """Torus elements below 2^grid_bits as words of fewer bits, modulo 2^bits; halves upwards."""
    half = np.uint64(1 << (grid_bits - bits - 1))
    return ((torus + half) >> np.uint64(grid_bits - bits)) & np.uint64((1 << bits) - 1)
