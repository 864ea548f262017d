"""Polynomials modulo primes, by each path, against Python's integers: every word, the largest ones too."""

import numpy as np
import pytest
from cryptable_kernel import Residues

SIZES = (512, 1024, 4096, 8192)
"""The last levels are done in lanes, and two at a time before: there is one left over or not, near or far."""


def is_prime(number):
    return all(pow(base, number - 1, number) == 1 for base in (2, 3, 5, 7, 11, 13))


def primes_of(size, count, bits=56):
    found, candidate = [], (1 << bits) + 1
    while len(found) < count:
        candidate -= 2 * size
        if is_prime(candidate):
            found.append(candidate)
    return tuple(found)


def root_of(prime, order):
    candidates = (pow(base, (prime - 1) // order, prime) for base in range(2, prime))
    return next(root for root in candidates if pow(root, order // 2, prime) == prime - 1)


def ring_of(kernel, size, primes):
    return Residues(kernel, size, primes, [root_of(prime, 2 * size) for prime in primes])


def words(random, ring, *shape):
    """Residues modulo each prime, the last axis but one; some are the greatest there are."""
    least = min(ring.primes)
    found = random.integers(0, least, (*shape, ring.size), np.uint64)
    found[..., : ring.size // 4] = least - 1
    return found


def exact(array):
    return np.array(array.tolist(), object)


@pytest.fixture(params=SIZES)
def ring(kernel, request):
    return ring_of(kernel, request.param, primes_of(request.param, 3))


def reversed_bits(size):
    index, found = np.arange(size), np.zeros(size, np.int64)
    for bit in range(size.bit_length() - 1):
        found = found << 1 | index >> bit & 1
    return found


def test_values_at_odd_powers_stand_where_the_order_says(ring):
    polynomial = np.zeros((1, ring.size), np.uint64)
    polynomial[0, 1] = 1
    ring.transform(polynomial, (2,))
    prime = ring.primes[2]
    powers = [1]
    while len(powers) < 2 * ring.size:
        powers.append(powers[-1] * root_of(prime, 2 * ring.size) % prime)
    exponents = 2 * reversed_bits(ring.size)[ring.order] + 1
    assert polynomial[0].tolist() == [powers[exponent] for exponent in exponents]


def test_products_of_transforms_are_those_of_polynomials(ring, random):
    one, other = words(random, ring, 3), words(random, ring, 3)
    other[:, 5:] = 0  # so that schoolbook takes five terms
    expected = []
    for a, b, prime in zip(exact(one), exact(other), ring.primes, strict=True):
        total = sum(int(b[i]) * np.concatenate([-a[ring.size - i :], a[: ring.size - i]]) for i in range(1, 5))
        expected.append(((total + int(b[0]) * a) % prime).tolist())
    ring.transform(one, (0, 1, 2))
    ring.transform(other, (0, 1, 2))
    found = np.empty((1, 1, 3, ring.size), np.uint64)
    ring.products([one[None]], [[other]], (0, 1, 2), found)
    ring.transform(found[0, 0], (0, 1, 2), back=True)
    assert found[0, 0].tolist() == expected


def test_back_again_is_where_it_began(ring, random):
    begun = words(random, ring, 3)
    found = begun.copy()
    ring.transform(found, (2, 0, 1))
    assert all(row.max() < ring.primes[i] for row, i in zip(found, (2, 0, 1), strict=True))
    ring.transform(found, (2, 0, 1), back=True)
    assert (found == begun).all()
    spread = np.empty((3, ring.size), np.uint64)
    ring.spread(begun[0], (0, 1, 2), spread)
    ring.transform(spread, (0, 1, 2), back=True)
    assert (spread == begun[0]).all()


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 5, 64])
def test_sums_of_products_are_exact(kernel, random, rows, count):
    ring = ring_of(kernel, 512, primes_of(512, 3))
    xs = [words(random, ring, rows, 3) for _ in range(count)]
    ys = [words(random, ring, 2) for _ in range(count)]
    found = np.empty((2, rows, 2, 512), np.uint64)
    ring.products(xs, [ys, [*ys[:-1], None]], (1, 2), found)
    for q, prime in enumerate(ring.primes[1:]):
        *parts, last = (exact(x[:, q]) * exact(y[q]) for x, y in zip(xs, ys, strict=True))
        assert found[0, :, q].tolist() == (sum(parts, last) % prime).tolist()
        assert found[1, :, q].tolist() == (sum(parts, 0 * last) % prime).tolist()


def test_combinations_quotients_and_factors_are_exact(kernel, random):
    ring = ring_of(kernel, 512, primes_of(512, 4))
    x = words(random, ring, 4)
    factors = np.array([[prime - 1, 2, 0, prime // 3] for prime in ring.primes[1:3]], np.uint64)
    found = np.empty((2, 512), np.uint64)
    ring.combine(x, factors, (1, 2), found)
    for row, prime, own in zip(found, ring.primes[1:3], exact(factors), strict=True):
        assert row.tolist() == ((own @ exact(x)) % prime).tolist()
    quotients = np.empty(512, np.uint64)
    ring.quotients(x, ring.primes, quotients)
    whole = np.prod(np.array(ring.primes, object))
    shares = sum(exact(row) * (whole // prime) for row, prime in zip(x, ring.primes, strict=True))
    assert (abs(exact(quotients) * whole - shares) <= whole // 2 + (whole >> 40)).all()
    own = [1, 8, 15, ring.primes[3] - 1]
    expected = [((exact(row) * f) % p).tolist() for row, f, p in zip(x, own, ring.primes, strict=True)]
    ring.scale(x, own, (0, 1, 2, 3))
    assert x.tolist() == expected


@pytest.mark.parametrize("transformed", [False, True])
def test_division_by_a_prime_rounds_to_the_nearest(kernel, random, transformed):
    ring = ring_of(kernel, 512, primes_of(512, 2) + primes_of(512, 1, bits=55))
    whole = ring.primes[0] * ring.primes[1] * ring.primes[2]
    numbers = [int(random.integers(0, 1 << 62)) << 90 for _ in range(512)]
    numbers = [(number + int(random.integers(0, 1 << 62))) % whole for number in numbers]
    numbers[:3] = (0, ring.primes[0] // 2, ring.primes[0] // 2 + 1)
    rest, x = (
        np.array([[number % prime for number in numbers] for prime in primes], np.uint64)
        for primes in (ring.primes[:1], ring.primes[1:])
    )
    if transformed:
        ring.transform(x, (1, 2))
    ring.divide(0, rest[0], x, (1, 2), np.empty(512, np.uint64), transformed=transformed)
    if transformed:
        ring.transform(x, (1, 2), back=True)
    quotients = [(2 * number + ring.primes[0]) // (2 * ring.primes[0]) for number in numbers]
    for row, prime in zip(x, ring.primes[1:], strict=True):
        assert row.tolist() == [quotient % prime for quotient in quotients]


def test_sums_and_other_orders(kernel, random):
    ring = ring_of(kernel, 512, primes_of(512, 2))
    one, other = words(random, ring, 2), words(random, ring, 2)
    for minus in (False, True):
        found = one.copy()
        ring.add(found, other, (0, 1), minus=minus)
        for row, a, b, prime in zip(found, exact(one), exact(other), ring.primes, strict=True):
            assert row.tolist() == ((a - b if minus else a + b) % prime).tolist()
    places = random.permutation(512)
    found = np.empty_like(one)
    ring.permute(ring.places(places), one, found)
    assert (found == one[:, places]).all()


def test_what_the_kernel_would_read_wrongly_is_refused(kernel):
    prime = primes_of(512, 1)[0]
    root = root_of(prime, 1024)
    for size, primes, roots, message in (
        (256, (prime,), (root,), "ring of 256"),
        (512, (prime,) * 17, (root,) * 17, "17 primes"),
        (512, (prime + 2,), (root,), "prime"),
        (512, (prime + 1024,), (root,), "root"),
        (512, (prime, primes_of(512, 1, bits=53)[0]), (root, root), "prime"),
        (512, (prime,), (1,), "root 1"),
    ):
        with pytest.raises(ValueError, match=message):
            Residues(kernel, size, primes, roots)
    ring = Residues(kernel, 512, (prime,), (root,))
    x = np.zeros((1, 512), np.uint64)
    for wrong, message in (
        (lambda: ring.transform(x, (1,)), "primes number"),
        (lambda: ring.transform(x[:, :256].copy(), (0,)), "x: uint64 of shape"),
        (lambda: ring.transform(x.astype(np.int64), (0,)), "x: int64"),
        (lambda: ring.scale(x, [prime], (0,)), "factors"),
        (lambda: ring.products([x[None]] * 65, [[x] * 65], (0,), x[None, None]), "65 factors"),
        (lambda: ring.products([x[None]], [[x]], (0, 0), x[None, None]), "modulo 1 primes"),
        (lambda: ring.places(np.arange(512) + 1), "places"),
        (lambda: ring.places(np.arange(511)), "places of shape"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
