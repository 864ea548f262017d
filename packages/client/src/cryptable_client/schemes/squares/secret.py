"""The secret: a ternary polynomial that passes the test of SPEC-SQUARES.md, "Secret key"."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InternalError, MalformedMessageError
from cryptable_protocol.schemes.squares.keyset import ERROR_BITS, NORM_FACTOR, SPECTRUM_FACTOR

from cryptable_client.schemes.randomness import SecretStream

Integers = npt.NDArray[np.int64]
Secret = Integers
"""Coefficients −1, 0, 1, shape (N,)."""

MOST_TRIES = 64
"""More than nine of ten pass: the generator is broken where none of so many does."""
_TRITS_A_BYTE = 5


def generate(ring_size: int) -> Secret:
    """A new secret from the system's randomness."""
    stream = SecretStream()
    for _ in range(MOST_TRIES):
        secret = _ternary(stream, ring_size)
        if is_good(secret):
            return secret
        secret.fill(0)
    raise InternalError(f"none of {MOST_TRIES} secrets passes the test: the generator of random numbers is broken")


def _ternary(stream: SecretStream, ring_size: int) -> Secret:
    """Uniform: pairs of bits, of which 3 is left out."""
    secret, filled = np.empty(ring_size, np.int64), 0
    while filled < ring_size:
        pairs = stream.bits(4 * ring_size).reshape(-1, 2)
        drawn = 2 * pairs[:, 0].astype(np.int64) + pairs[:, 1]
        kept = drawn[drawn < 3] - 1
        end = min(filled + kept.size, ring_size)
        secret[filled:end] = kept[: end - filled]
        filled = end
        for each in (pairs, drawn, kept):
            each.fill(0)
    return secret


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


def pack(secret: Secret) -> npt.NDArray[np.uint8]:
    """Five coefficients a byte, the first in the lowest digit to base 3."""
    padded = np.zeros(-(-secret.size // _TRITS_A_BYTE) * _TRITS_A_BYTE, np.int64)
    padded[: secret.size] = secret + 1
    packed: npt.NDArray[np.uint8] = (padded.reshape(-1, _TRITS_A_BYTE) @ 3 ** np.arange(_TRITS_A_BYTE)).astype(np.uint8)
    padded.fill(0)
    return packed


def unpack(packed: bytes, ring_size: int) -> Secret:
    """The inverse of `pack`.

    Raises:
        MalformedMessageError: on all bytes that it does not give, and secrets that do not pass the test.
    """
    expected = -(-ring_size // _TRITS_A_BYTE)
    if len(packed) != expected:
        raise MalformedMessageError(f"{len(packed)} bytes of keys, expected {expected}")
    digits = np.frombuffer(packed, np.uint8).astype(np.int64)[:, None] // 3 ** np.arange(_TRITS_A_BYTE)
    trits = np.where(np.arange(_TRITS_A_BYTE) < _TRITS_A_BYTE - 1, digits % 3, digits).ravel()
    if (trits > 2).any() or (trits[ring_size:] != 0).any():
        raise MalformedMessageError("bytes of keys that are no ternary polynomial")
    secret = trits[:ring_size] - 1
    if not is_good(secret):
        raise MalformedMessageError("a secret that does not pass the scheme's test")
    return secret
