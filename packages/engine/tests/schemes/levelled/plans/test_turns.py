"""What forms that tables begin with have together, however rows turn them."""

import numpy as np
import pytest
from cryptable_engine.schemes.levelled.plans.turns import Begun, turned
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE, Gadget

GADGET, BITS = Gadget(3, 6), 3


def begun(random, forms):
    """Forms of tables of 64 positions, by bits 0 and 2."""
    polynomials = np.zeros((forms, RING_SIZE))
    polynomials[:, :: RING_SIZE // 64] = random.normal(size=(forms, 64)) / 8
    powers = random.integers(1, 2 * 64, forms) * (RING_SIZE // 64)
    return Begun(np.arange(forms), random.choice((0, 2), forms), powers, polynomials - np.rint(polynomials))


@pytest.mark.parametrize("forms", [1, 2, 7])
def test_no_turns_make_forms_of_one_bit_more_than_is_said(forms):
    random = np.random.default_rng(forms)
    given = begun(random, forms)
    most, digits = given.squares(GADGET, BITS), given.digits(GADGET)
    assert (most[:, 1] == 0).all()
    for _ in range(50):
        moved = [turned(level, random.integers(0, 2 * RING_SIZE, forms)) for level in digits]
        for bit in (0, 2):
            own = [np.sum(level[given.bit == bit].sum(axis=0) ** 2) for level in moved]
            assert (own <= most[:, bit]).all()
    norms = given.norms(GADGET)
    for bit in (0, 2):  # never above what any polynomials of these norms could have
        assert (most[:, bit] <= norms[:, given.bit == bit].sum(axis=1) ** 2 * (1 + 1e-8)).all()


def test_forms_that_are_one_moved_add_up_where_they_meet():
    """So that the bound is reached: four times the square of each."""
    random = np.random.default_rng(0)
    one = begun(random, 1)
    shift = np.array([640])
    both = Begun(
        np.arange(2), np.zeros(2, np.int64), one.power.repeat(2), np.r_[one.polynomial, turned(one.polynomial, shift)]
    )
    digits = both.digits(GADGET)
    met = np.array([np.sum((level[0] + turned(level[1:], 2 * RING_SIZE - shift)[0]) ** 2) for level in digits])
    assert both.squares(GADGET, 1)[:, 0] == pytest.approx(met, rel=1e-6)
