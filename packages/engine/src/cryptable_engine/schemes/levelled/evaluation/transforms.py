"""Polynomials modulo X^N + 1 as doubles, folded into complex numbers, and their transforms by numpy.fft.

A polynomial x is kept *folded*: N/2 complex numbers x[k] + i·x[k + N/2]. Whatever works on one coefficient at a time
works on that array seen as doubles, and the transform, which takes such numbers, needs no copy. Transforms are the
values at half of the roots of X^N + 1, e^(iπ(4k + 1)/N); those at the other half are their conjugates.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, RING_SIZE

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]

HALF = RING_SIZE // 2
"""Complex numbers of a folded polynomial, and of a transform."""
_TWIST: ComplexArray = np.exp(1j * np.pi * np.arange(HALF) / RING_SIZE)
_UNTWIST: ComplexArray = _TWIST.conj()
_IN_PLACE = int(np.__version__.partition(".")[0]) >= 2
"""Whether numpy.fft writes where it is told to."""
_fft: Callable[..., ComplexArray] = np.fft.fft
_ifft: Callable[..., ComplexArray] = np.fft.ifft


def fold(polynomials: FloatArray) -> ComplexArray:
    """Of shape (…, N), constant term first, as (…, N/2)."""
    folded = np.empty((*polynomials.shape[:-1], HALF), np.complex128)
    folded.real = polynomials[..., :HALF]
    folded.imag = polynomials[..., HALF:]
    return folded


def unfold(folded: ComplexArray) -> FloatArray:
    """The inverse of `fold`."""
    return np.concatenate([folded.real, folded.imag], axis=-1)


def doubles(folded: ComplexArray) -> FloatArray:
    """The same memory seen as doubles, shape (…, N): coefficient k stands at 2k, k + N/2 at 2k + 1."""
    view: FloatArray = folded.view(np.float64)
    return view


def torus(words: npt.NDArray[np.uint64]) -> FloatArray:
    """Integers modulo 2^52 as fractions in −1/2 … 1/2, exactly."""
    fractions = words.astype(np.float64)
    fractions *= 2.0**-GRID_BITS
    fractions -= np.rint(fractions)
    return fractions


def centre(values: FloatArray, spare: FloatArray) -> None:
    """Subtract the nearest integers, in place; `spare` has the same shape."""
    np.rint(values, out=spare)
    np.subtract(values, spare, out=values)


def forward(folded: ComplexArray) -> ComplexArray:
    """Transforms of folded polynomials, whose memory is overwritten and may be that of the result."""
    np.multiply(folded, _TWIST, out=folded)
    if _IN_PLACE:
        return _fft(folded, axis=-1, out=folded)
    return _fft(folded, axis=-1)


def inverse(transforms: ComplexArray) -> ComplexArray:
    """Folded polynomials of transforms, whose memory is overwritten and may be that of the result."""
    folded = _ifft(transforms, axis=-1, out=transforms) if _IN_PLACE else _ifft(transforms, axis=-1)
    np.multiply(folded, _UNTWIST, out=folded)
    return folded


@cache
def automorphism(power: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Of x(X) → x(X^power) on doubles of folded polynomials: result = x[…, index] · sign. `power` is odd."""
    source = np.arange(RING_SIZE)
    target = source * power % (2 * RING_SIZE)
    index = np.empty(RING_SIZE, np.int64)
    sign = np.empty(RING_SIZE)
    place = _place(target % RING_SIZE)
    index[place] = _place(source)
    sign[place] = np.where(target < RING_SIZE, 1.0, -1.0)
    return index, sign


def _place(coefficient: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where a folded polynomial, seen as doubles, has a coefficient."""
    place: npt.NDArray[np.int64] = coefficient % HALF * 2 + coefficient // HALF
    return place


def divide_by_power(folded: ComplexArray, power: int, out: ComplexArray) -> None:
    """Write folded · X^(−power) to `out`, which is other memory, for a power of 0 … N/2."""
    out[..., : HALF - power] = folded[..., power:]
    # What wraps around changes its half, and its sign where it leaves the lower one: −i times the complex number.
    np.multiply(folded[..., :power], -1j, out=out[..., HALF - power :])
