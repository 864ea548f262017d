"""The secret: a ternary polynomial that passes the test of SPEC-SQUARES.md, "Secret key"."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.squares.keyset import ERROR_BITS, NORM_FACTOR, SPECTRUM_FACTOR

from cryptable_client.schemes import ternary
from cryptable_client.schemes.randomness import SecretStream
from cryptable_client.schemes.ternary import Secret

Integers = npt.NDArray[np.int64]


def generate(ring_size: int) -> Secret:
    """A new secret from the system's randomness: more than nine of ten pass the test."""
    return ternary.generate(ring_size, is_good)


def is_good(secret: Secret) -> bool:
    """Whether its norm and its greatest value at a root of X^N + 1 are near their means."""
    size = secret.size
    half = size // 2
    folded = (secret[:half] + 1j * secret[half:]) * np.exp(1j * np.pi * np.arange(half) / size)
    mean = 2 * size / 3
    return bool(
        secret @ secret <= NORM_FACTOR * mean and (np.abs(np.fft.fft(folded)) ** 2).max() <= SPECTRUM_FACTOR * mean
    )


def errors(count: int) -> Integers:
    """Differences of the numbers of ones among two draws of 21 bits."""
    bits = SecretStream().bits(2 * ERROR_BITS * count).reshape(count, 2, ERROR_BITS)
    ones = bits.sum(axis=2, dtype=np.int64)
    bits.fill(0)
    differences: Integers = ones[:, 0] - ones[:, 1]
    return differences


def unpack(packed: bytes, ring_size: int) -> Secret:
    """The inverse of `ternary.pack`, of secrets that pass the test; raises MalformedMessageError."""
    return ternary.unpack(packed, ring_size, is_good)
