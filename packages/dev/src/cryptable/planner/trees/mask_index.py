"""Finds the sets that contain a set, and the tables that a set may fit; quadratic on deep forests without it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from cryptable.graphs.graph import IntArray


class MaskIndex:
    """Sets of symbols, as masks, found by the symbols they hold; numbered in the order they are added."""

    def __init__(self, masks: Sequence[int] = ()) -> None:
        self.masks: list[int] = []
        self._by_symbol: dict[int, list[int]] = defaultdict(list)
        for mask in masks:
            self.add(mask)

    def add(self, mask: int) -> None:
        """Add a set."""
        self.masks.append(0)
        self.extend(len(self.masks) - 1, mask)

    def extend(self, index: int, mask: int) -> None:
        """Add symbols to set `index`."""
        new = mask & ~self.masks[index]
        self.masks[index] |= mask
        while new:
            low = new & -new
            self._by_symbol[low.bit_length() - 1].append(index)
            new ^= low

    def containing(self, mask: int) -> list[int]:
        """The sets that contain one, which is not empty, increasing."""
        shortest: list[int] | None = None
        left = mask
        while left:
            low = left & -left
            left ^= low
            found = self._by_symbol.get(low.bit_length() - 1)
            if not found:
                return []
            if shortest is None or len(found) < len(shortest):
                shortest = found
        return sorted(index for index in shortest or () if mask & self.masks[index] == mask)


class FitIndex:
    """Which tables may take further digits without exceeding their capacity.

    Args:
        capacity: codes of a table.
        shared: digits below this number are in many tables, the others in few.
    """

    def __init__(self, capacity: int, shared: int) -> None:
        self._capacity, self._shared, self._count = capacity, shared, 0
        self._domains: IntArray = np.zeros(64, np.int64)
        self._present = np.zeros((64, shared), np.bool_)
        self._rare: dict[int, set[int]] = defaultdict(set)

    def put(self, index: int, domain: int, digits: Sequence[int]) -> None:
        """Table `index`, the next one or one that has changed, has this domain and these digits."""
        if index == self._domains.shape[0]:
            self._domains = np.concatenate([self._domains, np.zeros_like(self._domains)])
            self._present = np.concatenate([self._present, np.zeros_like(self._present)])
        self._count = max(self._count, index + 1)
        self._domains[index] = domain
        for digit in digits:
            if digit < self._shared:
                self._present[index, digit] = True
            else:
                self._rare[digit].add(index)

    def candidates(self, sizes: Sequence[tuple[int, int]]) -> list[int]:
        """Tables that may take digits of the sizes given; a table that has a digit may still need more values of it."""
        needed = self._domains[: self._count].copy()
        full = needed >= self._capacity
        for digit, size in sizes:
            if digit < self._shared:
                needed[~self._present[: self._count, digit]] *= size
            else:
                has = list(self._rare.get(digit, ()))
                kept = needed[has]
                needed *= size
                needed[has] = kept
        found: list[int] = np.flatnonzero((needed <= self._capacity) & ~full).tolist()
        return found
