"""Thermometers as points of a lattice: few numbers that tell which of many bits are ones (SPEC-SQUARES.md, "Bulk")."""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt

DEGREES = (2, 4, 8)
"""Of polynomials in a point's coordinates, of which every function of a thermometer is one."""


def dimension(bits: int, degree: int) -> int:
    """Coordinates of a point for so many bits: as few as have more points of that degree."""
    found = 1
    while math.comb(degree + found, found) <= bits:
        found += 1
    return found


@cache
def points(bits: int, degree: int) -> npt.NDArray[np.int64]:
    """The point for each number of ones among so many bits, shape (bits + 1, dimension): by degree, then in order.

    With a point, all that have no coordinate greater come before it. So these are as good as exponents: a polynomial
    of such monomials takes any values at these points, modulo every prime above `degree`, in one way.
    """
    size = dimension(bits, degree)
    found: list[tuple[int, ...]] = []
    for total in range(degree + 1):
        drawn = combinations_with_replacement(range(size), total)
        found += sorted(tuple(map(each.count, range(size))) for each in drawn)
        if len(found) > bits:
            break
    return np.array(found[: bits + 1], np.int64)
