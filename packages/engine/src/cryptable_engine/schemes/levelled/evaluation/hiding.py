"""Hiding: an encryption of zero under the client's public pair, so that answers' masks tell nothing of the weights."""

from __future__ import annotations

import math
import os

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, LOG2_DEVIATION, RING_SIZE
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.evaluation.transforms import FloatArray, fold, forward, inverse, unfold

_WORD_BITS = 64


class _Stream:
    """Words of AES-256 in counter mode, keyed by the operating system for one answer.

    Whoever predicts them takes the hiding away, and reads a mask, which is a function of the weights: so no generator
    that is made for simulations. A key for each answer is the cheapest that needs no care with threads and forks.
    """

    def __init__(self) -> None:
        self._encryptor = Cipher(algorithms.AES256(os.urandom(32)), modes.CTR(bytes(16))).encryptor()

    def words(self, count: int) -> npt.NDArray[np.uint64]:
        return np.frombuffer(self._encryptor.update(bytes(8 * count)), np.uint64)

    def ternary(self, count: int) -> FloatArray:
        """−1, 0 or 1, each with probability 1/3: bytes below 255, modulo 3."""
        found = np.empty(0, np.uint8)
        while len(found) < count:
            drawn = self.words(count // 8 + 8).view(np.uint8)
            found = np.concatenate([found, drawn[drawn < 255]])
        return (found[:count] % 3).astype(np.float64) - 1.0

    def normal(self, count: int) -> FloatArray:
        """Of mean 0 and deviation 1, at most 8.6 of it: by Box and Muller, two of two uniform numbers of 53 bits."""
        pairs = -(-count // 2)
        uniform = (self.words(2 * pairs) >> np.uint64(_WORD_BITS - 53)).astype(np.float64)
        radius = np.sqrt(-2.0 * np.log((uniform[:pairs] + 0.5) * 2.0**-53))
        angle = uniform[pairs:] * (2.0 * math.pi * 2.0**-53)
        normal: FloatArray = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
        return normal[:count]

    def gaussian(self, count: int) -> FloatArray:
        """Fresh noise of the torus, rounded to its grid."""
        noise: FloatArray = np.rint(self.normal(count) * 2.0 ** (LOG2_DEVIATION + GRID_BITS)) * 2.0**-GRID_BITS
        return noise


def encryption_of_zero(keys: ServerKeys) -> FloatArray:
    """The sum u · pair + (e1, e2) with u ternary, under the client's public pair: shape (2, N), not centred."""
    stream = _Stream()
    ternary = stream.ternary(RING_SIZE)
    zero = stream.gaussian(2 * RING_SIZE).reshape(2, RING_SIZE)
    zero += times_pair(ternary, keys)
    return zero


def flood(deviations: FloatArray) -> FloatArray:
    """Noise for the slots of an answer, of these deviations."""
    return _Stream().normal(len(deviations)) * deviations


def times_pair(polynomial: FloatArray, keys: ServerKeys) -> FloatArray:
    """The product of a polynomial and the public pair, shape (2, N)."""
    if keys.ring is None:
        return unfold(inverse(keys.public_pair * forward(fold(polynomial))))
    from cryptable_kernel import aligned

    factor, product = aligned(RING_SIZE), aligned(2, RING_SIZE)
    factor[:] = polynomial
    keys.ring.add_multiple(factor, keys.public_pair, product, keys.ring.scratch())
    return product
