"""Balanced digits of fractions of the torus."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.levelled.keyset import Gadget

FloatArray = npt.NDArray[np.float64]


def digits(values: FloatArray, gadget: Gadget, out: FloatArray) -> None:
    """Balanced digits of fractions in −1/2 … 1/2, most significant first: the sum of out[j − 1] · 2^(−b·j) is nearest.

    A digit is the integer nearest to what the digits before it leave over, times 2^b: of uniform fractions, uniform in
    −2^b/2 … 2^b/2 but for the ends, which are half as frequent.

    Args:
        values: shape (…, N); overwritten by what is left over, times 2^(b·l).
        gadget: l and b.
        out: shape (l, …, N).
    """
    base = 2.0**gadget.base_log
    for level in range(gadget.levels):
        np.multiply(values, base, out=values)
        np.rint(values, out=out[level])
        np.subtract(values, out[level], out=values)
