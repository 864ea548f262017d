"""Transforms multiply polynomials modulo X^N + 1, and round as little as the noise bound takes them to."""

import numpy as np
import pytest
from cryptable_engine.schemes.levelled.evaluation.decomposition import times_rows, transformed_digits
from cryptable_engine.schemes.levelled.evaluation.kernel_evaluation import ring_of
from cryptable_engine.schemes.levelled.evaluation.transforms import (
    HALF,
    automorphism,
    divide_by_power,
    doubles,
    fold,
    forward,
    inverse,
    torus,
    unfold,
)
from cryptable_engine.schemes.levelled.noise.variances import GREATEST
from cryptable_engine.schemes.levelled.plans.digits import digits
from cryptable_kernel import Forms, aligned
from cryptable_protocol.schemes.levelled.keyset import UNIVERSAL, Gadget
from levelled_client import N, times, turn

RANDOM = np.random.default_rng(11)


def random_torus(*shape):
    return torus(RANDOM.integers(0, 1 << 52, (*shape, N), dtype=np.uint64))


def test_products_of_integers_are_exact():
    one, other = RANDOM.integers(0, 1000, N), RANDOM.integers(-1, 2, N)
    product = unfold(inverse(forward(fold(one.astype(float))) * forward(fold(other.astype(float)))))
    assert np.rint(product).astype(int).tolist() == times(one, other)


@pytest.mark.parametrize("power", [3, 257, 2049])
def test_automorphisms(power):
    values = RANDOM.integers(-9, 10, (2, N))
    index, sign = automorphism(power)
    turned = np.ascontiguousarray(doubles(fold(values.astype(float)))[:, index] * sign)
    assert unfold(turned.view(np.complex128)).astype(int).tolist() == [turn(each, power) for each in values]


@pytest.mark.parametrize("power", [0, 1, 64, 1024])
def test_division_by_powers(power):
    values = RANDOM.integers(-9, 10, N)
    out = np.empty(HALF, np.complex128)
    divide_by_power(fold(values.astype(float)), power, out)
    monomial = np.zeros(N, int)
    monomial[power] = 1
    assert times(unfold(out).astype(int) + 100, monomial) == (values + times([100] * N, monomial)).tolist()


@pytest.mark.parametrize("gadget", [Gadget(2, 8), Gadget(7, 6), Gadget(3, 13)])
def test_digits_are_balanced_and_leave_little(gadget):
    values = random_torus(50)
    found = np.empty((gadget.levels, *values.shape))
    digits(values.copy(), gadget, found)
    assert (found == np.rint(found)).all()
    assert np.abs(found).max() <= 2 ** (gadget.base_log - 1)
    scales = 2.0 ** (-gadget.base_log * np.arange(1, gadget.levels + 1))
    left = values - np.tensordot(scales, found, 1)
    assert np.abs(left).max() <= 2.0 ** (-gadget.levels * gadget.base_log - 1)
    np.testing.assert_allclose(np.mean(found**2, axis=(1, 2)), (4.0**gadget.base_log + 2) / 12, rtol=0.02)


@pytest.mark.parametrize("gadget", sorted({*UNIVERSAL.automorphisms, UNIVERSAL.switch}))
def test_rounding_is_below_what_the_bound_takes(gadget):
    """Rows of few bits, whose products are exact, and what is left of them are multiplied apart."""
    rows, count = random_torus(gadget.levels, 2), 16
    upper = np.rint(rows * 2**20) / 2**20
    found = transformed_digits(fold(random_torus(count)), gadget, np.empty((gadget.levels, count, HALF), complex))

    def product(polynomials):
        out, spare = np.empty((count, 2, HALF), complex), np.empty((2, HALF), complex)
        times_rows(found, forward(fold(polynomials)), out, spare)
        return unfold(inverse(out))

    error = product(rows) - (np.rint(product(upper) * 2**20) / 2**20 + product(rows - upper))
    variance = gadget.levels * N * 4.0**gadget.base_log / 144
    kappa = np.mean(error**2) / variance * 2.0**106
    assert 5 < kappa < 0.9 * GREATEST.rounding


@pytest.mark.parametrize("gadget", sorted({*UNIVERSAL.automorphisms, UNIVERSAL.switch, Gadget(2, 9)}))
def test_the_kernel_rounds_no_more(kernel, gadget):
    """As above: the bound takes the same figure for both."""
    if kernel is None:
        pytest.skip("is measured above")
    ring, count = ring_of(kernel), 8
    rows = random_torus(gadget.levels, 2)
    upper = np.rint(rows * 2**20) / 2**20
    leaves = random_torus(count, 2)
    leaves[:, 1] = 0.0

    def product(polynomials):
        key, given, switched, out = (
            aligned(gadget.levels, 2, N),
            aligned(*leaves.shape),
            aligned(count, 2, N),
            aligned(count, 2, N),
        )
        key[:], given[:] = polynomials, leaves
        ring.pairs(key, ring.scratch())
        ring.switch_leaves(given, gadget, key, switched, ring.scratch())
        none, each = np.empty(0, np.int64), np.arange(count + 1)
        forms = Forms(
            N,
            term_first=each,
            term_place=each[:-1],
            term_sign=np.ones(count),
            read_first=np.zeros_like(each),
            read_source=none,
            weight_first=[0],
            weight_at=none,
            weight=none,
            constant=np.zeros((count, 1)),
            spectra=aligned(0, N),
        )
        ring.forms(forms, 0, count, aligned(0, 2, N), switched, out, ring.scratch())
        return out

    # `forms` leaves what is centred: of the product of the upper bits, a multiple of 2^-20.
    error = product(rows) - (np.rint(product(upper) * 2**20) / 2**20 + product(rows - upper))
    error -= np.rint(error)
    variance = gadget.levels * N * 4.0**gadget.base_log / 144
    kappa = np.mean(error**2) / variance * 2.0**106
    assert 5 < kappa < 0.9 * GREATEST.rounding
