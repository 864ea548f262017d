"""Digits of torus polynomials, and their products with rows of keys."""

from __future__ import annotations

import numpy as np
from cryptable_protocol.schemes.levelled.keyset import Gadget

from cryptable_engine.schemes.levelled.evaluation.transforms import ComplexArray, doubles, forward
from cryptable_engine.schemes.levelled.plans.digits import digits


def transformed_digits(folded: ComplexArray, gadget: Gadget, out: ComplexArray) -> ComplexArray:
    """Transforms of the digits of folded polynomials, which are overwritten.

    Args:
        folded: shape (…, N/2).
        gadget: l and b.
        out: memory of shape (l, …, N/2), overwritten.

    Returns:
        Shape (l, …, N/2), in the memory of `out` or not.
    """
    digits(doubles(folded), gadget, doubles(out))
    return forward(out)


def times_rows(transforms: ComplexArray, rows: ComplexArray, out: ComplexArray, spare: ComplexArray) -> None:
    """The sum over j of transforms[j] · rows[j], one ciphertext after the other: caches hold the rows.

    Args:
        transforms: of digits, shape (l, count, N/2).
        rows: of a key, shape (l, 2, N/2).
        out: shape (count, 2, N/2).
        spare: memory of shape (2, N/2).
    """
    for place, total in enumerate(out):
        np.multiply(transforms[0, place], rows[0], out=total)
        for level in range(1, len(rows)):
            np.multiply(transforms[level, place], rows[level], out=spare)
            np.add(total, spare, out=total)
