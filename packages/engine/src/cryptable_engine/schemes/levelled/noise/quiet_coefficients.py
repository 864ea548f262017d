"""How quiet coefficients of leaves are beside the constant one, of all leaves together: norms, computed beforehand."""

from __future__ import annotations

from cryptable_protocol.schemes.levelled.keyset import LOG2_RING_SIZE

_NORMS = {
    2: (9.46, 9.45, 7.69, 4.17, 2.68, 2.60, 1.46, 1.31, 1.31, 1.31, 1.00),
    4: (17.73, 18.01, 13.68, 8.87, 4.87, 4.72, 2.55, 2.21, 1.94, 1.94, 1.00),
    6: (20.81, 23.35, 17.18, 9.33, 6.60, 5.90, 3.20, 2.67, 2.41, 1.94, 1.00),
    8: (28.04, 24.84, 25.96, 17.18, 7.90, 6.44, 3.55, 2.77, 2.41, 1.94, 1.00),
    12: (35.61, 33.79, 29.44, 20.70, 10.35, 7.87, 4.21, 3.41, 2.50, 2.19, 1.00),
    16: (38.88, 40.33, 32.08, 21.85, 12.38, 8.82, 4.86, 3.99, 3.04, 2.19, 1.00),
    24: (53.15, 58.66, 39.73, 28.68, 13.51, 10.51, 5.91, 4.09, 3.05, 2.19, 1.00),
    32: (65.46, 67.89, 44.50, 33.84, 15.72, 12.21, 6.68, 4.87, 3.19, 2.30, 1.00),
    48: (86.79, 94.82, 62.18, 40.81, 20.40, 13.69, 8.80, 5.91, 3.46, 2.30, 1.00),
    64: (109.58, 124.91, 73.22, 42.25, 23.88, 15.10, 9.23, 5.91, 3.56, 2.30, 1.00),
    96: (156.14, 175.90, 101.66, 53.10, 29.76, 18.42, 12.39, 6.76, 3.86, 2.36, 1.00),
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
