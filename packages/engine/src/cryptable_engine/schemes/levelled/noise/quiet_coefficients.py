"""How quiet coefficients of leaves are beside the constant one, of all leaves together: norms, computed beforehand."""

from __future__ import annotations

from cryptable_protocol.schemes.levelled.keyset import LOG2_RING_SIZE

_NORMS = {
    2: (9.46, 9.45, 7.69, 4.16, 2.68, 2.60, 1.46, 1.31, 1.31, 1.31, 1.0),
    4: (17.73, 18.01, 13.68, 8.86, 4.87, 4.72, 2.55, 2.21, 1.94, 1.94, 1.0),
    8: (28.04, 24.84, 25.96, 17.18, 7.90, 6.42, 3.54, 2.76, 2.40, 1.94, 1.0),
    16: (38.88, 40.33, 32.08, 21.83, 12.37, 8.80, 4.86, 3.97, 3.04, 2.18, 1.0),
    32: (65.46, 67.89, 44.50, 33.83, 15.70, 12.20, 6.64, 4.87, 3.19, 2.30, 1.0),
    64: (110.0, 125.0, 73.4, 43.0, 24.5, 15.5, 9.5, 6.0, 3.7, 2.4, 1.01),
    128: (207.0, 227.0, 134.5, 75.0, 40.0, 23.0, 17.0, 9.0, 4.2, 2.5, 1.01),
}
"""Of forms of coefficients within so many places of the constant one, which they do not read, of all leaves of a full
tree: by key v of a key switch, the greatest squared norm, over that of the weights and over 2^(10 - v), of what they
read of its noise (docs/decisions/0060-packed-answers.md; tools/bench/levelled_quiet.py computes them)."""

PLACES = tuple(_NORMS)


def quiet_norm(places: int, key: int) -> float:
    """For a weight of 1, at most what the variance of forms has of a key switch's noise, by this key, of 1.

    Args:
        places: forms read coefficients less than so many from the constant one, and not that one.
        key: number of the key.
    """
    norms = next(norms for most, norms in _NORMS.items() if most >= places)
    return norms[key] * 2.0 ** (LOG2_RING_SIZE - 1 - key)
