"""Trees as polynomials over bits: sums of coefficients times products of bits.

A product of bits is a set of them, as an integer mask. Two bits of one feature multiply to the one with the higher
edge, so a product has at most one bit a feature. Whatever the trees were, the polynomial is unique: what several trees
say about the same bits adds up, and what cancels is gone.
"""

from __future__ import annotations

Polynomial = dict[int, float]
"""Coefficient by mask; mask 0 is the constant."""


def add_to(total: Polynomial, polynomial: Polynomial) -> None:
    """Add in place."""
    for mask, coefficient in polynomial.items():
        total[mask] = total.get(mask, 0.0) + coefficient
