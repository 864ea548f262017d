"""Residues: polynomials modulo X^N + 1 and primes below 2^56, on arrays of words that are checked; all of it exact.

A polynomial is N words of 64 bits, constant term first. *Transformed*, it is its values at the odd powers of a root of
unity, in an order of the kernel's own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cryptable_kernel.library import Kernel
from cryptable_kernel.memory import IntArray, aligned, integers, word_address

Words = npt.NDArray[np.uint64]
MOST_PRIMES = 16
MOST_PRIME_BITS = 56
MOST_PRODUCTS = 64
"""That are added up before they are reduced."""


class Residues:
    """One ring and its primes on one kernel. Thread-safe.

    Args:
        kernel: an open one.
        size: N, a power of two from 512 to 32768.
        primes: up to 16, each 1 modulo 2N and below 2^56, and none four times another.
        roots: of unity, modulo each prime: primitive ones of order 2N.

    Raises:
        ValueError: others.
    """

    def __init__(self, kernel: Kernel, size: int, primes: Sequence[int], roots: Sequence[int]) -> None:
        self.kernel, self.size, self.primes = kernel, size, tuple(primes)
        needed = kernel.entry("residues_bytes", result=ctypes.c_size_t)(size, len(primes))
        if not needed:
            raise ValueError(f"ring of {size} coefficients and {len(primes)} primes, expected 512 … 32768 and 1 … 16")
        for prime, root in zip(primes, roots, strict=True):
            if prime.bit_length() > MOST_PRIME_BITS or prime % (2 * size) != 1 or prime >= 4 * min(primes):
                raise ValueError(f"prime {prime} of a ring of {size} coefficients beside {min(primes)}")
            if pow(root, size, prime) != prime - 1:
                raise ValueError(f"root {root} modulo {prime}, expected a primitive one of order {2 * size}")
        self._known: dict[tuple[int, ...], ctypes.Array[ctypes.c_int64]] = {}
        self._table = aligned(-(-needed // 8))
        self._place = ctypes.c_void_p(self._table.ctypes.data)
        kernel.entry("residues_make")(self._place, size, len(primes), _words(primes, "primes"), _words(roots, "roots"))
        lanes = kernel.entry("residues_lanes", result=ctypes.c_int)()
        self.order: IntArray = np.arange(size).reshape(-1, lanes, lanes).transpose(0, 2, 1).reshape(-1)
        """Word i of a transformed polynomial is number order[i] in the usual, bit-reversed order."""
        names = ("transform", "spread", "products", "combine", "scale", "quotients", "divide", "permute", "add")
        self._entries = {name: kernel.entry(f"residues_{name}") for name in names}

    def _polynomials(self, array: Words, *shape: int, what: str, written: bool = False) -> ctypes.c_void_p:
        return ctypes.c_void_p(word_address(array, (*shape, self.size), what, written=written))

    def _indices(self, primes: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
        key = tuple(primes)
        if key not in self._known:
            if not all(0 <= index < len(self.primes) for index in primes):
                raise ValueError(f"primes number {primes}, expected 0 … {len(self.primes) - 1}")
            self._known[key] = (ctypes.c_int64 * len(primes))(*primes)
        return self._known[key]

    def transform(self, x: Words, primes: Sequence[int], *, back: bool = False) -> None:
        """In place: polynomials of shape (len(primes), N), modulo the primes of these numbers; or back again."""
        place = self._polynomials(x, len(primes), what="x", written=True)
        self._entries["transform"](self._place, int(back), _size(len(primes)), self._indices(primes), place)

    def spread(self, x: Words, primes: Sequence[int], out: Words) -> None:
        """One polynomial of words below eight times each prime, transformed modulo each; out of (len(primes), N)."""
        place, out_place = self._polynomials(x, what="x"), self._polynomials(out, len(primes), what="out", written=True)
        self._entries["spread"](self._place, _size(len(primes)), self._indices(primes), place, out_place)

    def products(
        self, xs: Sequence[Words], ys: Sequence[Sequence[Words | None]], primes: Sequence[int], out: Words
    ) -> None:
        """out[g, r, q] = the sum over k of xs[k][r, q] ys[g][k][q], word by word, modulo prime number primes[q].

        Each x has shape (rows, len(primes) or more, N), each y (len(primes) or more, N), or is None for zeros; words
        are residues.
        """
        rows, step, _ = xs[0].shape if xs else (1, 0, 0)
        width, count = len(primes), len(xs)
        flat = [each for row in ys for each in row]
        if not 0 < count <= MOST_PRODUCTS or any(len(row) != count for row in ys):
            raise ValueError(f"{count} factors, expected up to {MOST_PRODUCTS}, and as many others for each sum")
        if step < width or any(each is not None and len(each) < width for each in flat):
            raise ValueError(f"factors modulo {step} primes, expected {width} or more")
        x = (ctypes.c_uint64 * count)(*(word_address(each, (rows, step, self.size), "x") for each in xs))
        y = (ctypes.c_uint64 * len(flat))(
            *(0 if each is None else word_address(each, (len(each), self.size), "y") for each in flat)
        )
        counts = map(_size, (len(ys), count, rows, step, width))
        place = self._polynomials(out, len(ys), rows, width, what="out", written=True)
        self._entries["products"](self._place, *counts, self._indices(primes), x, y, place)

    def combine(self, x: Words, factors: Words, primes: Sequence[int], out: Words) -> None:
        """out[q] = the sum over k of x[k] factors[q, k] modulo prime number primes[q], of words below 2^56."""
        count, width = len(x), len(primes)
        if not 0 < count <= MOST_PRODUCTS:
            raise ValueError(f"{count} polynomials, expected up to {MOST_PRODUCTS}")
        self._entries["combine"](
            self._place,
            _size(count),
            _size(width),
            self._indices(primes),
            self._polynomials(x, count, what="x"),
            ctypes.c_void_p(word_address(factors, (width, count), "factors")),
            self._polynomials(out, width, what="out", written=True),
        )

    def scale(self, x: Words, factors: Sequence[int], primes: Sequence[int]) -> None:
        """x[k] times factors[k], a residue modulo prime number primes[k], in place."""
        numbers = self._indices(primes)
        below = [self.primes[index] for index in primes]
        if len(factors) != len(primes) or not all(0 <= f < p for f, p in zip(factors, below, strict=True)):
            raise ValueError(f"{len(factors)} factors for {len(primes)} primes, expected residues")
        place = self._polynomials(x, len(primes), what="x", written=True)
        self._entries["scale"](self._place, _size(len(primes)), numbers, _words(factors, "factors"), place)

    def quotients(self, x: Words, divisors: Sequence[int], out: Words) -> None:
        """Write the integer nearest to the sum over k of x[k] / divisors[k], within the precision of doubles."""
        inverses = (ctypes.c_double * len(divisors))(*(1 / divisor for divisor in divisors))
        place = self._polynomials(x, len(divisors), what="x")
        out_place = self._polynomials(out, what="out", written=True)
        self._entries["quotients"](self._place, _size(len(divisors)), inverses, place, out_place)

    def divide(
        self, last: int, rest: Words, x: Words, primes: Sequence[int], scratch: Words, *, transformed: bool
    ) -> None:
        """Divide by prime number `last`, to the nearest, in place; x has shape (len(primes), N).

        Args:
            last: whose residues are no more.
            rest: those, in order of coefficients; overwritten.
            x: modulo the other primes; transformed or not.
            primes: their numbers.
            scratch: of a polynomial.
            transformed: whether x is.
        """
        inverses = [pow(self.primes[last], -1, self.primes[index]) for index in primes]
        self._entries["divide"](
            self._place,
            last,
            self._polynomials(rest, what="rest", written=True),
            _size(len(primes)),
            self._indices(primes),
            _words(inverses, "inverses"),
            int(transformed),
            self._polynomials(x, len(primes), what="x", written=True),
            self._polynomials(scratch, what="scratch", written=True),
        )

    def places(self, values: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Numbers of words, for `permute`; raises ValueError for others."""
        found = integers(values, self.size, "places")
        if found.shape != (self.size,):
            raise ValueError(f"places of shape {found.shape}, expected {(self.size,)}")
        return found.astype(np.int32)

    def permute(self, places: npt.NDArray[np.int32], x: Words, out: Words) -> None:
        """out[k, i] = x[k, places[i]]; `places` are what `Residues.places` made."""
        count = len(x)
        self._entries["permute"](
            self._place,
            _size(count),
            ctypes.c_void_p(places.ctypes.data),
            self._polynomials(x, count, what="x"),
            self._polynomials(out, count, what="out", written=True),
        )

    def add(self, x: Words, y: Words, primes: Sequence[int], *, minus: bool = False) -> None:
        """Make x the sum x + y or the difference x − y, both of shape (len(primes), N)."""
        count = len(primes)
        x_place, y_place = self._polynomials(x, count, what="x", written=True), self._polynomials(y, count, what="y")
        self._entries["add"](self._place, int(minus), _size(count), self._indices(primes), x_place, y_place)


def _size(number: int) -> ctypes.c_size_t:
    return ctypes.c_size_t(number)


def _words(values: Sequence[int], what: str) -> ctypes.Array[ctypes.c_uint64]:
    if any(not 0 <= value < 1 << 64 for value in values):
        raise ValueError(f"{what}: words of 64 bits")
    return (ctypes.c_uint64 * len(values))(*values)
