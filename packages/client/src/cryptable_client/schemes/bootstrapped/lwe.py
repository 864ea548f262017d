"""The arithmetic of LWE ciphertexts: inner products with a binary key, phases, the native integer encoding, gadgets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

_TORUS_BITS = 64


def inner_products(masks: Words, key: npt.NDArray[np.uint8]) -> Words:
    """Masks of shape (rows, n) times a binary key of shape (n,), modulo 2^64: shape (rows,)."""
    weights = key.astype(np.uint64)
    products: Words = masks @ weights
    weights.fill(0)
    return products


def phases(ciphertexts: Words, key: npt.NDArray[np.uint8]) -> Words:
    """Message plus noise of ciphertexts of shape (rows, n + 1), the body last: shape (rows,)."""
    products = inner_products(ciphertexts[:, :-1], key)
    result: Words = ciphertexts[:, -1] - products
    return result


def encode(values: npt.NDArray[np.int64], width: int) -> Words:
    """Native encoding: v · 2^(63 - width), one bit of padding above the integer's `width` bits."""
    return values.astype(np.uint64) << np.uint64(_TORUS_BITS - 1 - width)


def decode(phase: Words, width: int) -> npt.NDArray[np.int64]:
    """The nearest encoded unsigned integer; the padding bit, which honest results leave 0, is kept as bit `width`."""
    scaled = phase >> np.uint64(_TORUS_BITS - 2 - width)
    rounded = (scaled >> np.uint64(1)) + (scaled & np.uint64(1))
    rounded &= np.uint64((1 << (width + 1)) - 1)
    return rounded.astype(np.int64)


def decode_scores(phase: Words, width: int, further_bits: int) -> npt.NDArray[np.int64]:
    """As `decode`, with bits below the exact ones: noise may lead below 0 there, so the highest quarter is negative."""
    values = decode(phase, width + further_bits)
    if further_bits:
        values[values >= 3 << (width + further_bits - 1)] -= 2 << (width + further_bits)
    return values


def gadget(level_count: int, base_log: int) -> Words:
    """2^(64 - base_log · level) for levels `level_count` down to 1: the weights of a decomposition, in key order."""
    return np.array([1 << (_TORUS_BITS - base_log * level) for level in range(level_count, 0, -1)], np.uint64)
