"""Tensoring: products of ciphertexts, round(t c c' / Q), by residues modulo more primes than the ciphertexts'."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from cryptable_kernel import Kernel, Residues
from cryptable_protocol.schemes.squares.keyset import Chain
from cryptable_protocol.schemes.squares.transforms import least_root

Polynomials = npt.NDArray[np.uint64]
_ROUNDS = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
"""To these bases, no composite number below 2^64 is a strong probable prime."""


@lru_cache(maxsize=32)
def residues_of(kernel: Kernel, size: int, primes: tuple[int, ...]) -> Residues:
    """The kernel's ring with these primes, whose tables all models share."""
    return Residues(kernel, size, primes, [least_root(prime, 2 * size) for prime in primes])


class Tensoring:
    """Of one chain and one plaintext modulus t.

    Ciphertexts are lifted to integers around 0 and taken modulo auxiliary primes, whose product B is above what
    t c c' / Q can be; with z what t c c' leaves modulo Q, around 0, (t c c' − z) / Q is the rounded quotient.

    Attributes:
        residues: the kernel's ring: the special prime, ciphertexts', then auxiliary ones.
    """

    def __init__(self, kernel: Kernel, chain: Chain, modulus: int) -> None:
        self._chain, self._modulus, self._size = chain, modulus, chain.ring_size
        data = chain.data
        self._auxiliary = _auxiliary_primes(chain, 2 * modulus * chain.ring_size * math.prod(data))
        self.residues = residues_of(kernel, self._size, (chain.primes[-1], *data, *self._auxiliary))
        self._conversions: dict[int, _Conversion] = {}

    def _conversion(self, level: int) -> _Conversion:
        if level not in self._conversions:
            data = self._chain.data[:level]
            least, count = 2 * self._modulus * self._size * math.prod(data), 1
            while math.prod(self._auxiliary[:count]) < least:
                count += 1
            first = 1 + len(self._chain.data)
            self._conversions[level] = _Conversion(
                self._modulus, data, self._auxiliary[:count], tuple(range(first, first + count))
            )
        return self._conversions[level]

    def product(self, one: Polynomials, other: Polynomials) -> Polynomials:
        """Of two ciphertexts of one level, transformed, in three polynomials of shape (primes, N), not transformed."""
        conversion, level = self._conversion(one.shape[1]), one.shape[1]
        first = self._extended(one, conversion)
        second = first if one is other else self._extended(other, conversion)
        numbers = (*range(1, level + 1), *conversion.numbers)
        parts = np.empty((3, 1, 1, len(numbers), self._size), np.uint64)
        ((a0, a1), (b0, b1)) = first, second
        self.residues.products([a0[None]], [[b0]], numbers, parts[0])
        self.residues.products([a0[None], a1[None]], [[b1, b0]], numbers, parts[1])
        self.residues.products([a1[None]], [[b1]], numbers, parts[2])
        found = np.empty((3, level, self._size), np.uint64)
        for part, out in zip(parts[:, 0, 0], found, strict=True):
            self.residues.transform(part, numbers, back=True)
            self._divided(part, conversion, out)
        return found

    def _extended(self, ciphertext: Polynomials, conversion: _Conversion) -> Polynomials:
        """Modulo the auxiliary primes too."""
        level, data = ciphertext.shape[1], tuple(range(1, ciphertext.shape[1] + 1))
        found = np.empty((2, level + len(conversion.numbers), self._size), np.uint64)
        terms = np.empty((level + 1, self._size), np.uint64)
        for out, each in zip(found, ciphertext, strict=True):
            out[:level], terms[:level] = each, each
            self.residues.transform(terms[:level], data, back=True)
            self.residues.scale(terms[:level], conversion.inverses, data)
            self.residues.quotients(terms[:level], conversion.data, terms[level])
            self.residues.combine(terms, conversion.up, conversion.numbers, out[level:])
            self.residues.transform(out[level:], conversion.numbers)
        return found

    def _divided(self, part: Polynomials, conversion: _Conversion, out: Polynomials) -> None:
        """round(t part / Q) modulo ciphertexts' primes."""
        level, count = len(conversion.data), len(conversion.numbers)
        data = tuple(range(1, level + 1))
        terms = np.empty((level + 2, self._size), np.uint64)
        terms[1:-1] = part[:level]
        self.residues.scale(terms[1:-1], conversion.scaled_inverses, data)
        self.residues.quotients(terms[1:-1], conversion.data, terms[-1])
        quotient = np.empty((count + 1, self._size), np.uint64)
        for index, number in enumerate(conversion.numbers):
            terms[0] = part[level + index]
            factors = conversion.divided[index : index + 1]
            self.residues.combine(terms, factors, (number,), quotient[index : index + 1])
        self.residues.quotients(quotient[:-1], conversion.auxiliary, quotient[-1])
        self.residues.combine(quotient, conversion.down, data, out)

    def switched(self, parts: Polynomials, level: int) -> Polynomials:
        """Modulo the first `level` primes, of polynomials that are not transformed; overwrites them."""
        scratch = np.empty(self._size, np.uint64)
        for last in range(parts.shape[1], level, -1):
            for each in parts:
                numbers = tuple(range(1, last))
                self.residues.divide(last, each[last - 1], each[: last - 1], numbers, scratch, transformed=False)
        return parts[:, :level]


class _Conversion:
    """Factors of one level: x = Σ y_i Q / q_i − v Q, y_i = x (Q / q_i)^-1 modulo q_i, and v = round(Σ y_i / q_i)."""

    def __init__(
        self, modulus: int, data: tuple[int, ...], auxiliary: tuple[int, ...], numbers: tuple[int, ...]
    ) -> None:
        self.data, self.auxiliary, self.numbers = data, auxiliary, numbers
        whole, more = math.prod(data), math.prod(auxiliary)
        self.inverses = [pow(whole // prime, -1, prime) for prime in data]
        self.scaled_inverses = [modulus * each % prime for each, prime in zip(self.inverses, data, strict=True)]
        self.up = _factors([*(whole // prime for prime in data), -whole], auxiliary)
        self.down = _factors([*(more // prime for prime in auxiliary), -more], data)
        # (t x − z) / Q times (B / b)^-1, of x modulo b, the y_i of z and its v.
        rows = []
        for prime in auxiliary:
            over = pow(whole * (more // prime), -1, prime)
            rows.append([each * over % prime for each in (modulus, *(-(whole // q) for q in data), whole)])
        self.divided = np.array(rows, np.uint64)


def _factors(values: list[int], primes: tuple[int, ...]) -> Polynomials:
    return np.array([[value % prime for value in values] for prime in primes], np.uint64)


def _auxiliary_primes(chain: Chain, least: int) -> tuple[int, ...]:
    """The largest primes below all of the chain's whose product is `least` or more."""
    step, found = 2 * chain.ring_size, list[int]()
    candidate = min(chain.primes)
    while math.prod(found) < least:
        candidate -= step
        if _is_prime(candidate):
            found.append(candidate)
    return tuple(found)


def _is_prime(number: int) -> bool:
    """By Miller and Rabin."""
    odd, twos = number - 1, 0
    while not odd % 2:
        odd, twos = odd // 2, twos + 1
    for base in _ROUNDS:
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True
