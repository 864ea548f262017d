"""e^x is as near to the real number as is said, and has the values at the ends of doubles."""

import math
from decimal import Context, Decimal, localcontext

import numpy as np
import pytest
from cryptable_protocol.encoding.exponential import LN2_HIGH, LN2_LOW, exponential

LEAST_NORMAL = 2.0**-1022


@pytest.mark.parametrize(
    ("lowest", "highest", "units"),
    [(-0.35, 0.35, 1.0), (-6.0, 6.0, 1.0), (-708.0, 709.7, 1.0), (-745.0, -708.5, 2.0)],
)
def test_it_is_within_a_unit_in_the_last_place(lowest: float, highest: float, units: float) -> None:
    numbers = np.random.default_rng(0).uniform(lowest, highest, 500)
    with localcontext(Context(prec=50)):
        for x, found in zip(numbers.tolist(), exponential(numbers).tolist(), strict=True):
            exact = Decimal(x).exp()
            assert abs(Decimal(found) - exact) < Decimal(units) * Decimal(math.ulp(float(exact))), x


def test_the_ends() -> None:
    found = exponential(np.array([0.0, -0.0, 709.78, 709.79, math.inf, -745.13, -745.14, -math.inf, math.nan]))
    expected = [1.0, 1.0, math.exp(709.78), math.inf, math.inf, 5e-324, 0.0, 0.0, math.nan]
    np.testing.assert_array_max_ulp(found, np.array(expected), 1)


def test_the_two_parts_of_the_logarithm_are_it() -> None:
    with localcontext(Context(prec=50)):
        assert abs(Decimal(LN2_HIGH) + Decimal(LN2_LOW) - Decimal(2).ln()) < Decimal(2) ** -96
    assert (LN2_HIGH * 2.0**42).is_integer()


def test_shapes_are_kept() -> None:
    assert exponential(np.zeros((0, 3))).shape == (0, 3)
    assert exponential(np.zeros(())).shape == ()
