"""KernelRing: BFV by our own kernel, in integers: what `SealRing` does, several times as fast.

Ciphertexts stay transformed. What one is rotated by several times is decomposed into digits once (hoisting), since
automorphisms permute transforms: keys are permuted instead of digits, once, when they are made ready.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from cryptable_kernel import Kernel
from cryptable_protocol.schemes.squares.keyset import ERROR_BITS, Chain, SquaresKeyset
from cryptable_protocol.schemes.squares.transforms import bit_reversed, slot_positions

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.squares.rings.tensoring import Polynomials, Tensoring, residues_of

_SPECIAL = 0
"""Number of the prime for keys in the kernel's ring; ciphertexts' follow."""
_AT_ONCE = 64
"""Products that the kernel adds up."""
_KEPT_BYTES = 31 << 20
_BLOCK_WORDS = 1 << 20
_DRAW = (1 << ERROR_BITS) - 1
_ONES = np.array([number.bit_count() for number in range(2048)], np.int64)
"""Of numbers of 11 bits."""


@dataclass(slots=True)
class KernelCiphertext:
    """Transformed, shape (2, primes, N)."""

    words: Polynomials
    digits: Polynomials | None = None
    """Of the mask, transformed modulo the special prime and all others; None before they are asked for."""
    loose: Polynomials | None = None
    """The body times the special prime, modulo it and all others, instead of that in `words`: see `loosened`."""

    @property
    def level(self) -> int:
        """Modulo how many primes it is."""
        return int(self.words.shape[1])


@dataclass(slots=True)
class KernelPlaintext:
    """A polynomial modulo the plaintext modulus."""

    polynomial: IntArray
    words: Polynomials | None
    """Centred and transformed, for products; shape (primes, N)."""
    scaled: dict[int, Polynomials] = field(default_factory=dict)
    """Times Q / t and transformed, by the number of primes: for sums."""


@dataclass(frozen=True)
class KernelKeys:
    """A client's evaluation keys: of each digit body and mask, shape (2, primes, N), the special prime's first."""

    relinearization: tuple[Polynomials, ...]
    rotations: dict[int, tuple[Polynomials, ...]]
    """By exponent, permuted by the inverse automorphism."""
    pair: Polynomials


class KernelRing:
    """Ciphertexts of one chain of primes and one plaintext modulus. Thread-safe."""

    keys_are_of_all_moduli = True

    def __init__(self, kernel: Kernel, chain: Chain, modulus: int) -> None:
        self.chain, self.modulus = chain, modulus
        self._size = size = chain.ring_size
        self._tensoring = Tensoring(kernel, chain, modulus)
        self._residues = self._tensoring.residues
        self._plain = residues_of(kernel, size, (modulus,))
        self._reversed = bit_reversed(size)
        self._positions = slot_positions(size)
        self._usual = np.argsort(self._residues.order)
        self._places: dict[int, npt.NDArray[np.int32]] = {}
        self._left: Polynomials = np.empty((0, size), np.uint64)
        self._mutex = threading.Lock()
        # The C library keeps for further use what is smaller than the largest block that it has given back to the
        # system: an eighth of the time would go to pages that are new each time.
        np.empty(_KEPT_BYTES, np.uint8)

    def _data(self, level: int) -> tuple[int, ...]:
        """Numbers of ciphertexts' primes."""
        return tuple(range(1, level + 1))

    def ciphertext(self, body: IntArray, mask: IntArray) -> KernelCiphertext:
        """Of residues modulo the first primes, those of ciphertexts for a fresh one; shape (primes, N) each."""
        words = np.stack([body, mask]).astype(np.uint64)
        for each in words:
            self._residues.transform(each, self._data(len(body)))
        return KernelCiphertext(words)

    def keys(self, keyset: SquaresKeyset, rows: Sequence[IntArray]) -> KernelKeys:
        """Keys of rows in transformed order, shape (2, primes, N) each, body and mask, the public pair's last."""
        digits, order = len(self.chain.data), self._residues.order

        def row_words(first: int, places: IntArray) -> tuple[Polynomials, ...]:
            taken = np.empty((digits, 2, len(self.chain.primes), self._size), np.uint64)
            for out, row in zip(taken, rows[first : first + digits], strict=False):  # the public pair is one row
                out[:] = np.roll(row, 1, axis=1)[..., places]
            return tuple(taken)

        rotations = {}
        for number, element in enumerate(keyset.elements):
            inverse = self._permutation(pow(element, -1, 2 * self._size))
            rotations[element] = row_words((1 + number) * digits, order[inverse])
        (pair,) = row_words(keyset.rows, order)[:1]
        return KernelKeys(row_words(0, order), rotations, pair)

    def _permutation(self, element: int) -> npt.NDArray[np.int32]:
        """Which word of a transformed polynomial is each one's of its image under X → X^element."""
        if element not in self._places:
            powers = (2 * self._reversed[self._residues.order] + 1) * element % (2 * self._size)
            self._places[element] = self._residues.places(self._usual[self._reversed[(powers - 1) // 2]])
        return self._places[element]

    def plaintext(self, slots: IntArray, level: int | None = None) -> KernelPlaintext:
        """Of slots, shape (N,); for products with ciphertexts of a level, where that is given."""
        values = np.empty(self._size, np.uint64)
        values[self._positions] = slots
        values = values[self._plain.order].reshape(1, -1)
        self._plain.transform(values, (0,), back=True)
        polynomial = values[0].astype(np.int64)
        return KernelPlaintext(polynomial, None if level is None else self._lifted(polynomial, level))

    def _lifted(self, polynomial: IntArray, level: int) -> Polynomials:
        """Transformed, of what is centred around 0."""
        is_negative = polynomial > self.modulus // 2
        lifted = [np.where(is_negative, polynomial - self.modulus + prime, polynomial) for prime in self.chain.data]
        words = self._reserved(level)
        words[:] = lifted[:level]
        self._residues.transform(words, self._data(level))
        return words

    def _reserved(self, level: int) -> Polynomials:
        """Memory for a plaintext's words, of blocks so large that the system has them in large pages."""
        with self._mutex:
            if len(self._left) < level:
                self._left = np.empty((_BLOCK_WORDS // self._size, self._size), np.uint64)
            found, self._left = self._left[:level], self._left[level:]
            return found

    def constant(self, value: int) -> KernelPlaintext:
        """An integer modulo the modulus, in every slot."""
        polynomial = np.zeros(self._size, np.int64)
        polynomial[0] = value % self.modulus
        return KernelPlaintext(polynomial, None)

    def rotated(self, ciphertext: KernelCiphertext, element: int, keys: KernelKeys) -> KernelCiphertext:
        """The automorphism X → X^element."""
        level = ciphertext.level
        if ciphertext.digits is None:
            ciphertext.digits = self._digits(ciphertext.words[1], level)
        permutation, words = self._permutation(element), np.empty((2, level, self._size), np.uint64)
        body, mask = total = self._by_keys(ciphertext.digits, keys.rotations[element], level)
        if ciphertext.loose is None:
            self._without_special(total, level)
            self._residues.add(body[1:], ciphertext.words[0], self._data(level))
            self._residues.permute(permutation, body[1:], words[0])
            loose = None
        else:
            self._without_special(total[1:], level)
            self._residues.add(body, ciphertext.loose, (_SPECIAL, *self._data(level)))
            loose = np.empty((level + 1, self._size), np.uint64)
            self._residues.permute(permutation, body, loose)
        self._residues.permute(permutation, mask[1:], words[1])
        return KernelCiphertext(words, loose=loose)

    def loosened(self, ciphertext: KernelCiphertext) -> KernelCiphertext:
        """For rotations and sums alone, until it is tightened: their bodies are divided by the special prime once."""
        level = ciphertext.level
        loose = np.zeros((level + 1, self._size), np.uint64)
        loose[1:] = ciphertext.words[0]
        special = self.chain.primes[-1]
        self._residues.scale(loose[1:], [special % prime for prime in self.chain.data[:level]], self._data(level))
        return KernelCiphertext(ciphertext.words, ciphertext.digits, loose)

    def tightened(self, ciphertext: KernelCiphertext) -> KernelCiphertext:
        """What was loosened, as all others are."""
        if ciphertext.loose is not None:
            self._without_special(ciphertext.loose[None], ciphertext.level)
            ciphertext.words[0], ciphertext.loose = ciphertext.loose[1:], None
        return ciphertext

    def _digits(self, mask: Polynomials, level: int, *, transformed: bool = True) -> Polynomials:
        """Residues modulo each prime, transformed modulo the special prime and all; shape (level, level + 1, N)."""
        coefficients = mask.copy() if transformed else mask
        if transformed:
            self._residues.transform(coefficients, self._data(level), back=True)
        digits = np.empty((level, level + 1, self._size), np.uint64)
        numbers = (_SPECIAL, *self._data(level))
        for index, (digit, residues) in enumerate(zip(digits, coefficients, strict=True)):
            if not transformed:
                self._residues.spread(residues, numbers, digit)
                continue
            own = index + 1
            digit[own] = mask[index]
            self._residues.spread(residues, numbers[:own], digit[:own])
            if own < level:
                self._residues.spread(residues, numbers[own + 1 :], digit[own + 1 :])
        return digits

    def _by_keys(self, digits: Polynomials, rows: Sequence[Polynomials], level: int) -> Polynomials:
        """Body and mask times the special prime, modulo it and all others: shape (2, level + 1, N)."""
        found: Polynomials = np.empty((1, 2, level + 1, self._size), np.uint64)
        self._residues.products(rows[:level], [list(digits)], (_SPECIAL, *self._data(level)), found)
        total: Polynomials = found[0]
        return total

    def _without_special(self, total: Polynomials, level: int) -> None:
        """Divided by the special prime, in place; what is modulo it has no meaning any more."""
        scratch = np.empty(self._size, np.uint64)
        for each in total:
            self._residues.transform(each[:1], (_SPECIAL,), back=True)
            self._residues.divide(_SPECIAL, each[0], each[1:], self._data(level), scratch, transformed=True)

    def transformed(self, ciphertext: KernelCiphertext) -> KernelCiphertext:
        """For products with plaintexts: itself."""
        return ciphertext

    def untransform(self, ciphertext: KernelCiphertext) -> None:
        """In place: nothing."""

    def product(self, ciphertext: KernelCiphertext, plaintext: KernelPlaintext) -> KernelCiphertext:
        """With a plaintext of its level."""
        return self.sums_of_products([ciphertext], {0: {0: plaintext}})[0]

    def sums_of_products(
        self, ciphertexts: Sequence[KernelCiphertext], plaintexts: Mapping[int, Mapping[int, KernelPlaintext]]
    ) -> dict[int, KernelCiphertext]:
        """For each number of a sum, ciphertexts of one level times the plaintexts of their numbers, added up."""
        level, found = ciphertexts[0].level, dict[int, KernelCiphertext]()
        for start in range(0, len(ciphertexts), _AT_ONCE):
            part = range(start, min(start + _AT_ONCE, len(ciphertexts)))
            factors = {each: [own[k].words if k in own else None for k in part] for each, own in plaintexts.items()}
            factors = {each: own for each, own in factors.items() if any(one is not None for one in own)}
            words = np.empty((len(factors), 2, level, self._size), np.uint64)
            xs = [ciphertexts[k].words for k in part]
            self._residues.products(xs, list(factors.values()), self._data(level), words)
            for each, made in zip(factors, words, strict=True):
                if each in found:
                    self.add(found[each], KernelCiphertext(made))
                else:
                    found[each] = KernelCiphertext(made)
        return found

    def add(self, total: KernelCiphertext, other: KernelCiphertext) -> None:
        """In place."""
        self._added(total, other)

    def subtract(self, total: KernelCiphertext, other: KernelCiphertext) -> None:
        """In place."""
        self._added(total, other, minus=True)

    def _added(self, total: KernelCiphertext, other: KernelCiphertext, *, minus: bool = False) -> None:
        total.digits = None
        data = self._data(total.level)
        if total.loose is not None and other.loose is not None:
            self._residues.add(total.loose, other.loose, (_SPECIAL, *data), minus=minus)
        else:
            self._residues.add(total.words[0], other.words[0], data, minus=minus)
        self._residues.add(total.words[1], other.words[1], data, minus=minus)

    def add_plaintext(self, total: KernelCiphertext, plaintext: KernelPlaintext) -> None:
        """In place."""
        level = total.level
        if level not in plaintext.scaled:
            plaintext.scaled[level] = self._scaled(plaintext.polynomial, level)
        self._residues.add(total.words[0], plaintext.scaled[level], self._data(level))

    def _scaled(self, polynomial: IntArray, level: int) -> Polynomials:
        """round(Q m / t), transformed."""
        primes = self.chain.data[:level]
        quotient, rest = divmod(math.prod(primes), self.modulus)
        rounded = (polynomial * rest + self.modulus // 2) // self.modulus
        factors = np.array([(quotient % prime, 1) for prime in primes], np.uint64)
        words = np.empty((level, self._size), np.uint64)
        both = np.stack([polynomial, rounded]).astype(np.uint64)
        self._residues.combine(both, factors, self._data(level), words)
        self._residues.transform(words, self._data(level))
        return words

    def square(self, ciphertext: KernelCiphertext, level: int, keys: KernelKeys) -> None:
        """In place, and modulo the first `level` primes afterwards."""
        ciphertext.words, ciphertext.digits = self.squared(ciphertext, level, keys).words, None

    def squared(self, ciphertext: KernelCiphertext, level: int, keys: KernelKeys) -> KernelCiphertext:
        """The same, and not in place."""
        return self.multiplied(ciphertext, ciphertext, level, keys)

    def multiplied(
        self, one: KernelCiphertext, other: KernelCiphertext, level: int, keys: KernelKeys
    ) -> KernelCiphertext:
        """The product of two of one level, modulo the first `level` primes afterwards."""
        parts = self._tensoring.product(one.words, other.words)
        parts = self._tensoring.switched(parts, level)
        digits = self._digits(parts[2], level, transformed=False)
        switched = self._by_keys(digits, keys.relinearization, level)
        self._without_special(switched, level)
        words = np.ascontiguousarray(parts[:2])
        for each, more in zip(words, switched, strict=True):
            self._residues.transform(each, self._data(level))
            self._residues.add(each, more[1:], self._data(level))
        return KernelCiphertext(words)

    def scaled(self, ciphertext: KernelCiphertext, factor: int) -> KernelCiphertext:
        """Each slot times an integer."""
        words = ciphertext.words.copy()
        factors = [factor % prime for prime in self.chain.data[: ciphertext.level]]
        for each in words:
            self._residues.scale(each, factors, self._data(ciphertext.level))
        return KernelCiphertext(words)

    def switched(self, ciphertext: KernelCiphertext, level: int) -> KernelCiphertext:
        """Modulo the first `level` primes."""
        words, scratch = ciphertext.words.copy(), np.empty(self._size, np.uint64)
        for last in range(ciphertext.level, level, -1):
            for each in words:
                rest = each[last - 1 : last]
                self._residues.transform(rest, (last,), back=True)
                self._residues.divide(last, rest[0], each[: last - 1], self._data(last - 1), scratch, transformed=True)
        return KernelCiphertext(np.ascontiguousarray(words[:, :level]))

    def switch(self, ciphertext: KernelCiphertext, level: int) -> None:
        """Modulo the first `level` primes, in place."""
        if level < ciphertext.level:
            ciphertext.words, ciphertext.digits = self.switched(ciphertext, level).words, None

    def add_zero(self, ciphertext: KernelCiphertext, keys: KernelKeys) -> None:
        """Add a fresh encryption of zero under the client's public pair, modulo the same primes."""
        self.add(ciphertext, self.zero(keys, ciphertext.level))

    def zero(self, keys: KernelKeys, level: int = 1) -> KernelCiphertext:
        """A fresh encryption of zero under the client's public pair, modulo the first `level` primes.

        It is made modulo the special prime too, and divided by it, so that a rounding is left of its errors.
        """
        numbers = (_SPECIAL, *self._data(level))
        (total,) = found = np.empty((1, 2, level + 1, self._size), np.uint64)
        self._residues.products([keys.pair], [[self._small(_ternary(self._size), level)]], numbers, found)
        for each in total:
            self._residues.add(each, self._small(_errors(self._size), level), numbers)
        self._without_special(total, level)
        return KernelCiphertext(np.ascontiguousarray(total[:, 1:]))

    def _small(self, numbers: IntArray, level: int) -> Polynomials:
        """Transformed modulo the special prime and those of ciphertexts, of integers around 0."""
        primes = (self.chain.primes[-1], *self.chain.data[:level])
        lifted = [np.where(numbers < 0, numbers + prime, numbers) for prime in primes]
        words: Polynomials = np.stack(lifted).astype(np.uint64)
        self._residues.transform(words, (_SPECIAL, *self._data(level)))
        return words

    def level(self, ciphertext: KernelCiphertext) -> int:
        """Modulo how many primes it is."""
        return ciphertext.level

    def words(self, ciphertext: KernelCiphertext, places: range) -> IntArray:
        """Some words of a ciphertext: coefficients of c0 modulo each prime, and after those of c1."""
        flat = ciphertext.words.copy()
        for each in flat:
            self._residues.transform(each, self._data(ciphertext.level), back=True)
        found: IntArray = flat.reshape(-1)[places.start : places.stop : places.step].astype(np.int64)
        return found


def _ternary(count: int) -> IntArray:
    """−1, 0 and 1 by chance, from the system's generator, by rejection."""
    found = np.empty(0, np.uint8)
    while found.size < count:
        drawn = np.frombuffer(os.urandom(count + count // 64), np.uint8)
        found = np.concatenate([found, drawn[drawn < 255]])
    return found[:count].astype(np.int64) % 3 - 1


def _errors(count: int) -> IntArray:
    """Differences of the numbers of ones among two draws of `ERROR_BITS` bits."""
    drawn = np.frombuffer(os.urandom(8 * count), np.uint64).astype(np.int64)
    one, other = drawn & _DRAW, (drawn >> ERROR_BITS) & _DRAW
    differences: IntArray = _ONES[one & 2047] + _ONES[one >> 11] - _ONES[other & 2047] - _ONES[other >> 11]
    return differences
