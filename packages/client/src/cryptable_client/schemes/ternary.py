"""Ternary secrets, of every ring: drawn until one passes its scheme's test, and packed for key files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InternalError, MalformedMessageError

from cryptable_client.schemes.randomness import SecretStream

Secret: TypeAlias = npt.NDArray[np.int64]
"""Coefficients −1, 0, 1, shape (N,)."""

MOST_TRIES = 64
"""79 % pass the strictest test: the generator is broken where none of so many does (2^-144)."""
_TRITS_A_BYTE = 5


def generate(ring_size: int, is_good: Callable[[Secret], bool]) -> Secret:
    """A new secret from the system's randomness that passes the test."""
    stream = SecretStream()
    for _ in range(MOST_TRIES):
        secret = drawn(stream, ring_size)
        if is_good(secret):
            return secret
        secret.fill(0)
    raise InternalError(f"none of {MOST_TRIES} secrets passes the test: the generator of random numbers is broken")


def drawn(stream: SecretStream, ring_size: int) -> Secret:
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


def pack(secret: Secret) -> npt.NDArray[np.uint8]:
    """Five coefficients a byte, the first in the lowest digit to base 3."""
    padded = np.zeros(-(-secret.size // _TRITS_A_BYTE) * _TRITS_A_BYTE, np.int64)
    padded[: secret.size] = secret + 1
    packed: npt.NDArray[np.uint8] = (padded.reshape(-1, _TRITS_A_BYTE) @ 3 ** np.arange(_TRITS_A_BYTE)).astype(np.uint8)
    padded.fill(0)
    return packed


def unpack(packed: bytes, ring_size: int, is_good: Callable[[Secret], bool]) -> Secret:
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
