"""Exponents are whole, and what one bit's errs the others make up for."""

import numpy as np
import pytest
from cryptable.planner.levelled.one_layer.exponents import rounded_exponents, shares_of


@pytest.fixture
def bits():
    random = np.random.default_rng(0)
    levels = np.clip(np.rint(random.normal(16, 6, (400, 12))), 0, 31).astype(int)
    return (levels[:, :, None] >> np.arange(5) & 1).reshape(400, -1).astype(float)


@pytest.mark.parametrize("least", [0.5, 2.0])
def test_sums_over_bits_that_occur_are_nearer_than_those_of_the_nearest_numbers(bits, least):
    random = np.random.default_rng(1)
    turns = np.repeat(random.normal(0, 1.5, (12, 8)), 5, axis=0) * np.tile(2.0 ** np.arange(5), 12)[:, None]
    found = rounded_exponents(turns, shares_of(bits), least, keep_common=False)
    nearest = np.where(np.abs(turns) <= least, 0, np.rint(turns))
    assert (np.abs(found)[found != 0] >= least).all()

    def error(exponents):
        return (bits @ (exponents - turns)).std(axis=0).mean()

    assert error(found) < error(nearest)
    assert np.count_nonzero(found) < 1.3 * np.count_nonzero(nearest)


def test_bits_that_never_vary_are_rounded_alone():
    turns = np.array([[2.3], [-0.2], [7.6]])
    shares = shares_of(np.ones((10, 3)))
    assert rounded_exponents(turns, shares, 0.5, keep_common=False).ravel().tolist() == [2, 0, 8]
