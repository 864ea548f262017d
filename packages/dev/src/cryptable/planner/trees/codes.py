"""A table's code: the mixed-radix number that a lookup is made with, as a linear map of bits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cryptable.graphs.graph import IntArray
from cryptable.planner.trees.set_cover import bits_of
from cryptable.planner.trees.tree_polynomials import Alphabet, Group


@dataclass(frozen=True)
class Digit:
    """One digit of a code: how many of a feature's bits are on, or how many of a group's conditions fail.

    value = offset + the sum of weight * bit over `weights`.
    """

    symbols: tuple[int, ...]
    weights: tuple[tuple[int, int], ...]
    offset: int
    size: int

    def holds(self, symbol: int) -> IntArray:
        """The symbol's value, 0 or 1, for each value of the digit, shape (size,)."""
        if self.size == len(self.symbols) + 1 and len(self.weights) == len(self.symbols) and self.offset == 0:
            return np.array([value > self.symbols.index(symbol) for value in range(self.size)], np.int64)
        return np.array([value == 0 for value in range(self.size)], np.int64)


@dataclass(frozen=True)
class Code:
    """The digits of a table, least significant first."""

    digits: tuple[Digit, ...]

    @classmethod
    def of_mask(cls, mask: int, alphabet: Alphabet) -> Code:
        """The code that tells all symbols of the mask apart."""
        by_feature: dict[int, list[int]] = {}
        digits = []
        for symbol in bits_of(mask):
            if symbol < alphabet.bits.count:
                by_feature.setdefault(alphabet.bits.feature_of[symbol], []).append(symbol)
            else:
                digits.append(_count_failures(symbol, alphabet.groups[symbol - alphabet.bits.count]))
        bins = [Digit(tuple(bits), tuple((bit, 1) for bit in bits), 0, len(bits) + 1) for bits in by_feature.values()]
        return cls(tuple(bins + digits))

    @property
    def size(self) -> int:
        """Number of codes."""
        return int(np.prod([digit.size for digit in self.digits], dtype=np.int64))

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """What one step of each digit adds to the code."""
        sizes = [digit.size for digit in self.digits]
        return tuple(int(np.prod(sizes[:index], dtype=np.int64)) for index in range(len(sizes)))

    def weights(self) -> tuple[dict[int, int], int]:
        """The code as a linear map: weight by bit, and the constant."""
        weights: dict[int, int] = {}
        constant = 0
        for digit, stride in zip(self.digits, self.strides, strict=True):
            constant += stride * digit.offset
            for bit, weight in digit.weights:
                weights[bit] = weights.get(bit, 0) + stride * weight
        return {bit: weight for bit, weight in weights.items() if weight}, constant

    def product(self, mask: int) -> IntArray:
        """The product of the mask's symbols, 0 or 1, for each code, shape (size,)."""
        codes = np.arange(self.size)
        result = np.ones(self.size, np.int64)
        left = mask
        for digit, stride in zip(self.digits, self.strides, strict=True):
            for symbol in digit.symbols:
                if mask >> symbol & 1:
                    result *= digit.holds(symbol)[codes // stride % digit.size]
                    left &= ~(1 << symbol)
        if left:
            raise ValueError("the code does not tell all symbols of the product apart")
        return result


def _count_failures(symbol: int, group: Group) -> Digit:
    weights = []
    for at_least, below in group.conditions:
        if at_least is not None:
            weights.append((at_least, -1))
        if below is not None:
            weights.append((below, 1))
    needed = sum(at_least is not None for at_least, _ in group.conditions)
    return Digit((symbol,), tuple(weights), needed, group.size)
