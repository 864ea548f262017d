"""The secret: a ternary polynomial that passes the test of SPEC-LEVELLED.md, "Secret key"."""

from __future__ import annotations

import numpy as np
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE

from cryptable_client.schemes import ternary
from cryptable_client.schemes.levelled.ring import inverse, transform
from cryptable_client.schemes.ternary import Secret

_MEAN_NORM = 2 * RING_SIZE / 3
_MEAN_SQUARE_NORM = 8 * RING_SIZE**2 / 9


def generate() -> Secret:
    """A new secret from the system's randomness."""
    return ternary.generate(RING_SIZE, is_good)


def is_good(secret: Secret) -> bool:
    """Whether its norm, its square's norm and its greatest value on the unit circle are near their means."""
    spectrum = transform(secret.astype(np.float64))
    square = np.rint(inverse(spectrum**2))
    return bool(
        secret @ secret <= 1.02 * _MEAN_NORM
        and square @ square <= 1.05 * _MEAN_SQUARE_NORM
        and (np.abs(spectrum) ** 2).max() <= 10 * _MEAN_NORM
    )


def unpack(packed: bytes) -> Secret:
    """The inverse of `ternary.pack`, of secrets that pass the test; raises MalformedMessageError."""
    return ternary.unpack(packed, RING_SIZE, is_good)
