import numpy as np
import pytest
from cryptable_client.schemes.bootstrapped import polynomials
from cryptable_client.schemes.bootstrapped.polynomials import KeyPolynomials
from cryptable_protocol import InternalError
from hypothesis import given, settings
from hypothesis import strategies as st


def words(seed, shape):
    return np.random.default_rng(seed).integers(0, 1 << 64, shape, np.uint64)


def test_product_is_exact(noise):
    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 2**32), st.integers(1, 3), st.sampled_from([8, 64, 256, 512]), st.integers(1, 3))
    def check(seed, count, size, rows):
        key = np.random.default_rng(seed + 1).integers(0, 2, (count, size)).astype(np.uint8)
        factors = words(seed, (rows, count, size))
        np.testing.assert_array_equal(KeyPolynomials(key).inner_product(factors), noise.negacyclic(factors, key))

    check()


@pytest.mark.parametrize("value", [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_extreme_coefficients(noise, value):
    key = np.ones((2, 256), np.uint8)
    factors = np.full((1, 2, 256), value, np.uint64)
    np.testing.assert_array_equal(KeyPolynomials(key).inner_product(factors), noise.negacyclic(factors, key))


@pytest.mark.parametrize("size", [2048, 16384, 131072])
def test_largest_sizes_stay_far_from_a_wrong_result(size, monkeypatch):
    monkeypatch.setattr(polynomials, "MAX_DISTANCE", 2e-3)
    key = np.random.default_rng(1).integers(0, 2, (1, size)).astype(np.uint8)
    factors = words(2, (1, 1, size))
    product = KeyPolynomials(key).inner_product(factors)
    # One coefficient is enough: coefficient j is the sum of x[i] s[j - i], with a minus where it wraps.
    j = size // 3
    reversed_key = np.concatenate([key[0, j::-1], key[0, : j - size : -1]]).astype(np.uint64)
    terms = factors[0, 0] * reversed_key
    expected = int(terms[: j + 1].sum()) - int(terms[j + 1 :].sum())
    assert int(product[0, j]) == expected % (1 << 64)


def test_imprecision_is_an_internal_error(monkeypatch):
    monkeypatch.setattr(polynomials, "MAX_DISTANCE", 1e-12)
    with pytest.raises(InternalError, match="from an integer"):
        KeyPolynomials(np.ones((1, 256), np.uint8)).inner_product(words(3, (1, 1, 256)))


def test_not_a_number_is_an_internal_error():
    broken = KeyPolynomials(np.ones((1, 256), np.uint8))
    broken._spectrum[0, 0] = np.nan
    with pytest.raises(InternalError):
        broken.inner_product(words(3, (1, 1, 256)))
