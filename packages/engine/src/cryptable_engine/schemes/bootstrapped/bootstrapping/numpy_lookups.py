"""Lookups by NumPy, several side by side: what the kernel does, step by step, where there is no kernel.

Polynomials modulo X^N + 1 are transformed as in the kernel: coefficients j and j + M, M = N / 2, are one complex
number, times w^j with w = e^(pi i / N); the transform of M of them is what the polynomial is at odd powers of w.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
from cryptable_protocol import BootstrapKeyParameters

from cryptable_engine.schemes.bootstrapped.bootstrapping.blind_rotation import lookup_polynomial, switched_modulus
from cryptable_engine.schemes.bootstrapped.bootstrapping.seeded_keys import SeededKeys, Words

ComplexArray = npt.NDArray[np.complex128]
FloatArray = npt.NDArray[np.float64]

_TORUS = 2.0**64
_ALL_BITS = (1 << 64) - 1
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
        rotation = _BlindRotation(key, accumulators)
        rotation.turn(2 * size - turns[:, -1])
        for bit in range(self._small):
            rotation.step(turns[:, bit], self._key[bit])
        found = np.empty((len(tables), self._large + 1), np.uint64)
        masks = found[:, :-1].reshape(len(tables), -1, size)
        masks[..., 0] = accumulators[:, :-1, 0]
        np.negative(accumulators[:, :-1, :0:-1], out=masks[..., 1:])
        found[:, -1] = accumulators[:, -1, 0]
        return found

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


class _BlindRotation:
    """Accumulators of lookups side by side, with memory that every step writes anew: getting it takes long.

    Args:
        key: whose bits turn them.
        accumulators: shape (lookups, k + 1, N), turned in place.
    """

    def __init__(self, key: BootstrapKeyParameters, accumulators: Words) -> None:
        lookups, polynomials, size = accumulators.shape
        self._levels, self._base_log, self._accumulators = key.level_count, key.base_log, accumulators
        self._tripled: Words = np.empty((lookups, polynomials, 3 * size), np.uint64)
        self._words: Words = np.empty(accumulators.shape, np.uint64)
        self._digits: Words = np.empty(accumulators.shape, np.uint64)
        self._values: FloatArray = np.empty(accumulators.shape)
        self._whole: FloatArray = np.empty(accumulators.shape)
        self._transforms: ComplexArray = np.empty((lookups, polynomials * key.level_count, size // 2), np.complex128)
        self._products: ComplexArray = np.empty((2, lookups, polynomials, size // 2), np.complex128)

    def turn(self, powers: npt.NDArray[np.int64]) -> None:
        """Multiply each lookup's accumulator by X^power, for powers of 0 … 2N."""
        for turned, given in zip(self._accumulators, self._turned(powers), strict=True):
            turned[...] = given

    def step(self, powers: npt.NDArray[np.int64], key: ComplexArray) -> None:
        """Multiply the accumulators by X^power where a bit is 1; its key: transforms of shape (rows, k + 1, N / 2)."""
        for words, turned, given in zip(self._words, self._turned(powers), self._accumulators, strict=True):
            np.subtract(turned, given, out=words)
        transforms = self._transformed_digits()
        sums, products = self._products
        for row in range(len(key)):
            np.multiply(transforms[:, row, None], key[row], out=products if row else sums)
            if row:
                sums += products
        self._add(np.fft.ifft(sums))

    def _turned(self, powers: npt.NDArray[np.int64]) -> Iterator[Words]:
        """X^power times each lookup's polynomials, as parts of −p, p and −p one after the other."""
        size = self._accumulators.shape[-1]
        minus = self._tripled[..., :size]
        np.negative(self._accumulators, out=minus)
        self._tripled[..., size : 2 * size] = self._accumulators
        self._tripled[..., 2 * size :] = minus
        for tripled, first in zip(self._tripled, ((size - powers) % (2 * size)).tolist(), strict=True):
            yield tripled[:, first : first + size]

    def _transformed_digits(self) -> ComplexArray:
        """Of the words, which are overwritten: by polynomial, then by level."""
        size = self._words.shape[-1]
        offset, centre = _positive(size, self._levels, self._base_log)
        self._words += offset
        by_level = self._transforms.reshape(*self._words.shape[:2], self._levels, -1)
        for level in range(self._levels):
            np.right_shift(self._words, np.uint64(64 - self._base_log * (level + 1)), out=self._digits)
            self._digits &= np.uint64((1 << self._base_log) - 1)
            _fold(self._digits.view(np.int64), centre, by_level[:, :, level])
        self._transforms *= _twist(size // 2)
        transforms: ComplexArray = np.fft.fft(self._transforms)
        return transforms

    def _add(self, folded: ComplexArray) -> None:
        """What transforms of sums came back as, to the accumulators, modulo 1 and to 52 bits below the point."""
        half = folded.shape[-1]
        folded *= _twist(half).conj()
        values = self._values
        values[..., :half], values[..., half:] = folded.real, folded.imag
        np.floor(values, out=self._whole)
        values -= self._whole
        values += 1.0  # doubles from 1 to 2 have their fraction's 52 bits as their lowest
        words = values.view(np.uint64)
        words <<= np.uint64(12)
        self._accumulators += words


def _digits(words: Words, levels: int, base_log: int) -> FloatArray:
    """Balanced digits, the first level's first, shape (..., levels, N); added to what makes all of them positive.

    They are −B/2 … B/2 − 1. Where the index has an odd number of ones they are those of minus the word, negated, so
    that their means do not add up at low frequencies, where the transform of a key of zeros and ones is large
    (packages/kernel/native/transform.h). There, bits from 0 on stand for −B/2 + 1 … B/2.
    """
    offset, centre = _positive(words.shape[-1], levels, base_log)
    shifted = words + offset
    digits = np.empty((*words.shape[:-1], levels, words.shape[-1]))
    for level in range(levels):
        digits[..., level, :] = (shifted >> np.uint64(64 - base_log * (level + 1))) & np.uint64((1 << base_log) - 1)
    digits -= centre
    return digits


@cache
def _positive(size: int, levels: int, base_log: int) -> tuple[Words, FloatArray]:
    """What is added to words so that all digits are positive, and what is then taken off each: shape (size,)."""
    half = 1 << (base_log - 1)
    offset = (1 << (63 - levels * base_log)) + sum(half << (64 - base_log * level) for level in range(1, levels + 1))
    odd = _odd_indices(size)
    added = np.where(odd, np.uint64(-offset - 1 & _ALL_BITS), np.uint64(offset & _ALL_BITS))
    centre = np.where(odd, half - 1.0, half)
    for array in (added, centre):
        array.setflags(write=False)
    return added, centre


@cache
def _odd_indices(size: int) -> npt.NDArray[np.bool_]:
    """Whether 0 … size − 1 have an odd number of ones, of any size."""
    odd = np.zeros(1, np.bool_)
    while odd.size < size:
        odd = np.concatenate((odd, ~odd))
    odd = odd[:size]
    odd.setflags(write=False)
    return odd


@cache
def _twist(half: int) -> ComplexArray:
    twist: ComplexArray = np.exp(np.arange(half) * (0.5j * np.pi / half))
    twist.setflags(write=False)
    return twist


def _fold(values: npt.NDArray[np.int64], less: FloatArray, out: ComplexArray) -> None:
    """Coefficients less an array of shape (N,), shape (..., N), as complex numbers of shape (..., N / 2)."""
    half = out.shape[-1]
    np.subtract(values[..., :half], less[:half], out=out.real)
    np.subtract(values[..., half:], less[half:], out=out.imag)


def _transformed(polynomials: FloatArray) -> ComplexArray:
    """Shape (..., N) to (..., N / 2)."""
    half = polynomials.shape[-1] // 2
    values = np.empty((*polynomials.shape[:-1], half), np.complex128)
    values.real, values.imag = polynomials[..., :half], polynomials[..., half:]
    values *= _twist(half)
    return np.fft.fft(values)
