"""Lookups by NumPy, several side by side: what the kernel does, step by step, where there is no kernel.

Polynomials modulo X^N + 1 are transformed as in the kernel: coefficients j and j + M, M = N / 2, are one complex
number, times w^j with w = e^(pi i / N); the transform of M of them is what the polynomial is at odd powers of w.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from cryptable_engine.schemes.bootstrapped.bootstrapping.blind_rotation import lookup_polynomial, switched_modulus
from cryptable_engine.schemes.bootstrapped.bootstrapping.seeded_keys import SeededKeys, Words

ComplexArray = npt.NDArray[np.complex128]
FloatArray = npt.NDArray[np.float64]

_TORUS = 2.0**64
_ALL_BITS = (1 << 64) - 1
_POINT = 2.0**52
"""What words of a product are computed to: its doubles have no more bits than those below the point."""
_EXACT = 1 << 53
"""Sums of integers below it are exact in doubles."""


class NumpyLookups:
    """See `keys.Lookups`.

    Args:
        seeded: of any shape.
    """

    group = 8

    def __init__(self, seeded: SeededKeys) -> None:
        self._parameters, self._small, self._large = seeded.key, seeded.small, seeded.large
        key = seeded.key
        columns, rows = key.glwe_dimension + 1, key.level_count * (key.glwe_dimension + 1)
        self._key: ComplexArray = np.empty((seeded.small, rows, columns, key.polynomial_size // 2), np.complex128)
        for first, words in seeded.bootstrap_words():
            # By polynomial, then by level from the first one on, as digits are.
            ordered = words[:, ::-1].swapaxes(1, 2).reshape(-1, rows, columns, key.polynomial_size)
            self._key[first : first + len(words)] = _transformed(ordered.view(np.int64) / _TORUS)
        self._switches = seeded.switches
        self._switch_keys: dict[int, FloatArray] = {}
        for under in seeded.switches:
            halves = (seeded.keyswitch_words(under) + np.uint64(1 << 31) >> np.uint64(32)).astype(np.uint32)
            self._switch_keys[under] = halves.view(np.int32).astype(np.float64)

    def look_up(self, ciphertexts: Words, tables: Words, under: int) -> Words:
        """See `keys.Lookups`."""
        key, size = self._parameters, self._parameters.polynomial_size
        turns = switched_modulus(self.switched(ciphertexts, under), size).astype(np.int64)
        accumulators: Words = np.zeros((len(tables), key.glwe_dimension + 1, size), np.uint64)
        accumulators[:, -1] = lookup_polynomial(tables, size)
        accumulators = _turned(accumulators, 2 * size - turns[:, -1])
        for bit in range(self._small):
            accumulators += self._product(_turned(accumulators, turns[:, bit]) - accumulators, bit)
        found = np.empty((len(tables), self._large + 1), np.uint64)
        masks = found[:, :-1].reshape(len(tables), -1, size)
        masks[..., 0] = accumulators[:, :-1, 0]
        np.negative(accumulators[:, :-1, :0:-1], out=masks[..., 1:])
        found[:, -1] = accumulators[:, -1, 0]
        return found

    def _product(self, polynomials: Words, bit: int) -> Words:
        """External products with one bit of the key: words of the same shape, (lookups, k + 1, N)."""
        key = self._parameters
        digits = _digits(polynomials, key.level_count, key.base_log)
        transforms = _transformed(digits.reshape(len(polynomials), -1, key.polynomial_size))
        sums = np.einsum("qrm,rcm->qcm", transforms, self._key[bit])
        values = _transformed_back(sums)
        values -= np.rint(values)
        rounded: Words = (np.rint(values * _POINT).astype(np.int64) << 12).view(np.uint64)
        return rounded

    def switched(self, ciphertexts: Words, under: int) -> Words:
        """See `keys.Lookups`."""
        if under not in self._switches:
            return ciphertexts
        switch = self._switches[under]
        digits = _digits(ciphertexts[:, None, :-1], switch.level_count, switch.base_log)
        # Words of the key are in the order of bits, and then of levels from the last one on.
        digits = digits[:, 0, ::-1].swapaxes(1, 2).reshape(len(ciphertexts), -1)
        rows = self._switch_keys[under].reshape(digits.shape[1], -1)
        step = _EXACT >> (30 + switch.base_log)  # words are below 2^31, and digits at most half of the base
        switched: Words = np.zeros((len(ciphertexts), self._small + 1), np.uint64)
        switched[:, -1] = ciphertexts[:, -1]
        for first in range(0, len(rows), step):
            sums = digits[:, first : first + step] @ rows[first : first + step]
            switched -= (sums.astype(np.int64) << 32).view(np.uint64)
        return switched


def _digits(words: Words, levels: int, base_log: int) -> FloatArray:
    """Balanced digits, the first level's first, shape (..., levels, N); added to what makes all of them positive.

    They are −B/2 … B/2 − 1. Where the index has an odd number of ones they are those of minus the word, negated, so
    that their means do not add up at low frequencies, where the transform of a key of zeros and ones is large
    (packages/kernel/native/transform.h). There, bits from 0 on stand for −B/2 + 1 … B/2.
    """
    half = 1 << (base_log - 1)
    offset = (1 << (63 - levels * base_log)) + sum(half << (64 - base_log * level) for level in range(1, levels + 1))
    odd = _odd_indices(words.shape[-1])
    shifted = words + np.where(odd, np.uint64(-offset - 1 & _ALL_BITS), np.uint64(offset & _ALL_BITS))
    digits = np.empty((*words.shape[:-1], levels, words.shape[-1]))
    for level in range(levels):
        digits[..., level, :] = (shifted >> np.uint64(64 - base_log * (level + 1))) & np.uint64(2 * half - 1)
    digits -= half - odd
    return digits


@cache
def _odd_indices(size: int) -> npt.NDArray[np.bool_]:
    """Whether 0 … size − 1 have an odd number of ones, of any size."""
    odd = np.zeros(1, np.bool_)
    while odd.size < size:
        odd = np.concatenate((odd, ~odd))
    odd = odd[:size]
    odd.setflags(write=False)
    return odd


def _turned(polynomials: Words, powers: npt.NDArray[np.int64]) -> Words:
    """X^power times each lookup's polynomials, for powers of 0 … 2N: words of the same shape, (lookups, k + 1, N)."""
    size = polynomials.shape[-1]
    doubled = np.concatenate((np.negative(polynomials), polynomials), axis=-1)
    result = np.empty_like(polynomials)
    for found, given, power in zip(result, doubled, powers.tolist(), strict=True):
        turns, rest = divmod(power, size)
        found[...] = given[:, size - rest : 2 * size - rest]
        if turns % 2:
            np.negative(found, out=found)
    return result


@cache
def _twist(half: int) -> ComplexArray:
    twist: ComplexArray = np.exp(np.arange(half) * (0.5j * np.pi / half))
    twist.setflags(write=False)
    return twist


def _transformed(polynomials: FloatArray) -> ComplexArray:
    """Shape (..., N) to (..., N / 2)."""
    half = polynomials.shape[-1] // 2
    values = np.empty((*polynomials.shape[:-1], half), np.complex128)
    values.real, values.imag = polynomials[..., :half], polynomials[..., half:]
    values *= _twist(half)
    return np.fft.fft(values)


def _transformed_back(values: ComplexArray) -> FloatArray:
    """Shape (..., N / 2) to (..., N)."""
    values = np.fft.ifft(values)
    values *= _twist(values.shape[-1]).conj()
    return np.concatenate((values.real, values.imag), axis=-1)
