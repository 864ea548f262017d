"""e^x as one sequence of operations on doubles: every language has the same bits of it (SPEC.md, "Decoder")."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

LOWEST, HIGHEST = -746.0, 710.0
"""Below and above, doubles have 0 and infinity."""
LOG2_E = float.fromhex("0x1.71547652b82fep+0")
LN2_HIGH = float.fromhex("0x1.62e42fefa38p-1")
"""ln 2 down to 2^-42: its product with an integer of eleven bits is exact."""
LN2_LOW = float.fromhex("0x1.ef35793c7673p-45")
"""What is left of ln 2."""
COEFFICIENTS = tuple(1.0 / math.factorial(n) for n in range(14, 1, -1))
"""Of r^12, r^11, …, 1 in (e^r - 1 - r) / r^2; the next is below 2^-57 of e^r for |r| <= ln(2)/2."""


def exponential(x: FloatArray) -> FloatArray:
    """Powers of e, each less than one unit in the last place from the real number; of subnormal ones, two.

    x = k ln 2 + r, and e^x = 2^k e^r, with e^r by its series. Rounding 1 + (r + …) is half a unit; r + …, at most 0.42,
    a quarter; and the series beyond r, which is at most 0.07, less than a quarter.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # infinite, 0, and NaN of NaN
        x = np.clip(x, LOWEST, HIGHEST)
        k = np.rint(x * LOG2_E)
        high = x - k * LN2_HIGH  # exact
        low = k * LN2_LOW
        r = high - low
        lost = (high - r) - low
        series = np.full_like(r, COEFFICIENTS[0])
        for coefficient in COEFFICIENTS[1:]:
            series *= r
            series += coefficient
        power = 1.0 + (r + (r * r * series + lost))
        half = np.floor(k * 0.5)  # 2^k itself may be no double
        return np.asarray(np.ldexp(np.ldexp(power, half.astype(np.int32)), (k - half).astype(np.int32)))
