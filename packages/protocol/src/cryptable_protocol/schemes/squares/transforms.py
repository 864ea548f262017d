"""Number-theoretic transforms modulo X^N + 1 in NumPy, for primes below 2^56 (SPEC-SQUARES.md, "Transform").

A product of residues takes its quotient from a double, and the remainder from integers modulo 2^64. Five roundings of
2^-53 and the cut put the quotient off by less than 2^56 · 5 · 2^-53 + 1 = 41 units, and 41 · 2^56 is below 2^63: exact.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

Residues = npt.NDArray[np.int64]


def times(one: Residues, other: Residues | int, prime: int) -> Residues:
    """Products of residues 0 … prime − 1, element by element."""
    quotient = (one.astype(np.float64) * np.asarray(other, np.float64) * (1.0 / prime)).astype(np.int64)
    product: Residues = (one * other - quotient * prime) % prime
    return product


def bit_reversed(size: int) -> Residues:
    """The bits of 0 … size − 1 in reverse order; `size` is a power of two."""
    bits = size.bit_length() - 1
    index = np.arange(size)
    reverse = np.zeros(size, np.int64)
    for bit in range(bits):
        reverse |= (index >> bit & 1) << (bits - 1 - bit)
    return reverse


_KEPT = 32
"""Transforms, of 128 kB or 256 each: more than one model has, and no more however many specs a client reads."""


@cache
def least_root(prime: int, order: int) -> int:
    """The smallest primitive root of unity of an order that is a power of two, at least 2, and divides prime − 1."""
    root = next(
        found
        for base in range(2, prime)
        if pow(found := pow(base, (prime - 1) // order, prime), order // 2, prime) != 1
    )
    least, power, square = root, root, root * root % prime
    for _ in range(order // 2):
        least = min(least, power)
        power = power * square % prime
    return least


class Transform:
    """Values of polynomials of `size` coefficients at odd powers of ψ: position k holds that at ψ^(2 rev(k) + 1)."""

    def __init__(self, prime: int, size: int, root: int) -> None:
        self.prime, self.size = prime, size
        order = bit_reversed(size)
        self._powers = self._powers_of(root)[order]
        self._inverses = self._powers_of(pow(root, -1, prime))[order]
        self._factor = pow(size, -1, prime)

    def _powers_of(self, base: int) -> Residues:
        found, step = np.ones(1, np.int64), base
        while found.size < self.size:
            found = np.concatenate([found, times(found, step, self.prime)])
            step = step * step % self.prime
        return found

    def forward(self, coefficients: Residues) -> Residues:
        """Of residues, along the last axis."""
        prime, values = self.prime, coefficients.copy()
        blocks, length = 1, self.size // 2
        while blocks < self.size:
            view = values.reshape(*values.shape[:-1], blocks, 2, length)
            low, high = view[..., 0, :], view[..., 1, :]
            turned = times(high, self._powers[blocks : 2 * blocks, None], prime)
            total, difference = low + turned, low - turned
            np.subtract(total, prime, out=low, where=total >= prime)
            np.copyto(low, total, where=total < prime)
            np.copyto(high, np.where(difference < 0, difference + prime, difference))
            blocks, length = 2 * blocks, length // 2
        return values

    def inverse(self, values: Residues) -> Residues:
        """The polynomials of these values."""
        prime, found = self.prime, values.copy()
        blocks, length = self.size // 2, 1
        while blocks:
            view = found.reshape(*found.shape[:-1], blocks, 2, length)
            low, high = view[..., 0, :].copy(), view[..., 1, :].copy()
            total, difference = low + high, low - high
            np.copyto(view[..., 0, :], np.where(total >= prime, total - prime, total))
            difference = np.where(difference < 0, difference + prime, difference)
            np.copyto(view[..., 1, :], times(difference, self._inverses[blocks : 2 * blocks, None], prime))
            blocks, length = blocks // 2, 2 * length
        return times(found, self._factor, prime)


@lru_cache(maxsize=_KEPT)
def transform(prime: int, size: int, ring_size: int | None = None) -> Transform:
    """The transform of a ring; with `ring_size`, that of every (ring_size / size)-th coefficient of that ring."""
    whole = ring_size or size
    return Transform(prime, size, pow(least_root(prime, 2 * whole), whole // size, prime))


@cache
def slot_positions(size: int) -> Residues:
    """Where in transformed order each slot stands: slot i of the first row is at ψ^(3^i), of the second at ψ^(−3^i)."""
    powers = [pow(3, index, 2 * size) for index in range(size // 2)]
    roots = np.array([*powers, *(2 * size - power for power in powers)], np.int64)
    positions: Residues = bit_reversed(size)[(roots - 1) // 2]
    return positions


def from_slots(slots: Residues, prime: int) -> Residues:
    """The plaintext polynomial modulo `prime` whose slots are these, of shape (…, N)."""
    values = np.empty_like(slots)
    values[..., slot_positions(slots.shape[-1])] = slots
    return transform(prime, slots.shape[-1]).inverse(values)
