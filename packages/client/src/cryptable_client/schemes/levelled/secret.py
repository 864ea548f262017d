"""The secret: a ternary polynomial that passes the test of SPEC-LEVELLED.md, "Secret key"."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InternalError, MalformedMessageError
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE

from cryptable_client.schemes.levelled.ring import inverse, transform
from cryptable_client.schemes.randomness import SecretStream

Secret = npt.NDArray[np.int64]
"""Coefficients −1, 0, 1, shape (N,)."""

MOST_TRIES = 64
"""79 % pass: the generator is broken where none of so many does (2^-144)."""
_MEAN_NORM = 2 * RING_SIZE / 3
_MEAN_SQUARE_NORM = 8 * RING_SIZE**2 / 9
_TRITS_A_BYTE = 5


def generate() -> Secret:
    """A new secret from the system's randomness."""
    stream = SecretStream()
    for _ in range(MOST_TRIES):
        secret = _ternary(stream)
        if is_good(secret):
            return secret
        secret.fill(0)
    raise InternalError(f"none of {MOST_TRIES} secrets passes the test: the generator of random numbers is broken")


def _ternary(stream: SecretStream) -> Secret:
    """Uniform: pairs of bits, of which 3 is left out."""
    secret = np.empty(0, np.int64)
    while secret.size < RING_SIZE:
        pairs = stream.bits(4 * RING_SIZE).reshape(-1, 2)
        drawn = 2 * pairs[:, 0].astype(np.int64) + pairs[:, 1]
        secret = np.concatenate([secret, drawn[drawn < 3] - 1])
    return secret[:RING_SIZE].copy()


def is_good(secret: Secret) -> bool:
    """Whether its norm, its square's norm and its greatest value on the unit circle are near their means."""
    spectrum = transform(secret.astype(np.float64))
    square = np.rint(inverse(spectrum**2))
    return bool(
        secret @ secret <= 1.02 * _MEAN_NORM
        and square @ square <= 1.05 * _MEAN_SQUARE_NORM
        and (np.abs(spectrum) ** 2).max() <= 10 * _MEAN_NORM
    )


def pack(secret: Secret) -> npt.NDArray[np.uint8]:
    """Five coefficients a byte, the first in the lowest digit to base 3."""
    padded = np.zeros(-(-RING_SIZE // _TRITS_A_BYTE) * _TRITS_A_BYTE, np.int64)
    padded[:RING_SIZE] = secret + 1
    packed: npt.NDArray[np.uint8] = (padded.reshape(-1, _TRITS_A_BYTE) @ 3 ** np.arange(_TRITS_A_BYTE)).astype(np.uint8)
    padded.fill(0)
    return packed


def unpack(packed: bytes) -> Secret:
    """The inverse of `pack`.

    Raises:
        MalformedMessageError: on all bytes that it does not give, and secrets that do not pass the test.
    """
    expected = -(-RING_SIZE // _TRITS_A_BYTE)
    if len(packed) != expected:
        raise MalformedMessageError(f"{len(packed)} bytes of keys, expected {expected}")
    digits = np.frombuffer(packed, np.uint8).astype(np.int64)[:, None] // 3 ** np.arange(_TRITS_A_BYTE)
    trits = np.where(np.arange(_TRITS_A_BYTE) < _TRITS_A_BYTE - 1, digits % 3, digits).ravel()
    if (trits > 2).any() or trits[RING_SIZE:].any():
        raise MalformedMessageError("bytes of keys that are no ternary polynomial")
    secret = trits[:RING_SIZE] - 1
    if not is_good(secret):
        raise MalformedMessageError("a secret that does not pass the scheme's test")
    return secret
