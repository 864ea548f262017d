"""Which lookups to buy: the fewest tables that together cover every product of bits.

A table whose code tells the bits of a set apart can hold any function of them. The code of a set is mixed-radix: n bits
of one feature are a digit of n + 1 values, a group of conditions that only matter together is a digit that counts how
many fail. A product is covered by a table whose set contains it. So the plan is a set cover with a capacity, the domain
of at most 2^width codes: best fit decreasing first, then ruin and recreate (Schrimpf et al., 2000): take a few
neighbouring tables away, insert what is left uncovered in another order, keep the result if it is not worse.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from cryptable.planner.trees.mask_index import FitIndex, MaskIndex

_RUINED = (2, 3, 4, 5, 6)


class TableCover:
    """Covers sets of bits with tables of at most `capacity` codes.

    Args:
        digit_of: for each bit the digit it belongs to, as its feature.
        sizes: for each digit whose size does not depend on the bits taken: its number of values.
        capacity: codes of a table, 2^width.
    """

    def __init__(self, digit_of: Sequence[int], sizes: dict[int, int], capacity: int) -> None:
        self.capacity = capacity
        self._digit_of = digit_of
        self._sizes = sizes
        self._domains: dict[int, int] = {0: 1}

    def domain(self, mask: int) -> int:
        """Codes that a table needs to tell all bits of the mask apart."""
        known = self._domains.get(mask)
        if known is None:
            counts: dict[int, int] = defaultdict(int)
            for bit in bits_of(mask):
                counts[self._digit_of[bit]] += 1
            known = 1
            for digit, count in counts.items():
                known *= self._sizes.get(digit, count + 1)
            self._domains[mask] = known
        return known

    def solve(
        self, products: Iterable[int], *, rounds: int, seed: int = 0, tick: Callable[[], None] = lambda: None
    ) -> list[int]:
        """Masks of the tables, each within capacity, that contain every product.

        Args:
            products: masks, each of a domain within capacity.
            rounds: rounds of ruin and recreate.
            seed: of the search, which depends on nothing else.
            tick: called after every round.
        """
        maximal = maximal_masks(products)
        chance = random.Random(seed)  # noqa: S311  (a search, not a secret)
        order = sorted(maximal, key=lambda mask: (-self.domain(mask), mask))
        best = self._insert_in_order(order)
        current = best
        for _ in range(rounds if len(best) > 1 else 0):
            candidate = self._ruin_and_recreate(current, maximal, chance)
            if len(candidate) <= len(current):
                current = candidate
            if len(current) < len(best):
                best = current
            tick()
        return self._needed(best, maximal)

    def _insert_in_order(self, products: list[int]) -> list[int]:
        """What `_insert` does without noise, from no tables; fast for thousands of products."""
        index, fitting = MaskIndex(), FitIndex(self.capacity, min(self._sizes, default=len(self._digit_of)))
        domains: list[int] = []
        for product in products:
            if index.containing(product):
                continue
            factors = self._factors(product)
            digits = [digit.bit_length() - 1 for digit, _ in factors]
            chosen, least = len(domains), float("inf")
            for table in fitting.candidates([(digit, size) for digit, (_, size) in zip(digits, factors, strict=True)]):
                domain = self.domain(index.masks[table] | product)
                if domain <= self.capacity and domain / domains[table] < least:
                    chosen, least = table, domain / domains[table]
            if chosen == len(domains):
                index.add(product)
                domains.append(0)
            else:
                index.extend(chosen, product)
            domains[chosen] = self.domain(index.masks[chosen])
            fitting.put(chosen, domains[chosen], digits)
        return index.masks

    def _insert(self, tables: list[int], products: list[int], chance: random.Random, noise: float) -> list[int]:
        """Put each product where the domain grows least, or into a table of its own."""
        tables = list(tables)
        domains = [self.domain(table) for table in tables]
        digits = [self._digits(table) for table in tables]
        for product in products:
            factors = self._factors(product)
            chosen, least = -1, float("inf")
            for index, table in enumerate(tables):
                if product & table == product:
                    chosen = index
                    break
                if domains[index] == self.capacity or not self._may_fit(domains[index], digits[index], factors):
                    continue
                domain = self.domain(table | product)
                if domain <= self.capacity:
                    growth = domain / domains[index] + noise * chance.random()
                    if growth < least:
                        chosen, least = index, growth
            if chosen < 0:
                tables.append(product)
                domains.append(self.domain(product))
                digits.append(self._digits(product))
            elif product & tables[chosen] != product:
                tables[chosen] |= product
                domains[chosen] = self.domain(tables[chosen])
                digits[chosen] |= self._digits(product)
        return tables

    def _digits(self, mask: int) -> int:
        """The digits of a mask, themselves as a mask."""
        result = 0
        for bit in bits_of(mask):
            result |= 1 << self._digit_of[bit]
        return result

    def _factors(self, mask: int) -> list[tuple[int, int]]:
        """Each digit of a mask, as a mask, and its number of values."""
        counts: dict[int, int] = defaultdict(int)
        for bit in bits_of(mask):
            counts[self._digit_of[bit]] += 1
        return [(1 << digit, self._sizes.get(digit, count + 1)) for digit, count in counts.items()]

    def _may_fit(self, domain: int, digits: int, factors: list[tuple[int, int]]) -> bool:
        """Whether a table with these digits can take further ones: cheap, where computing a domain is not."""
        for digit, size in factors:
            if not digits & digit:
                domain *= size
        return domain <= self.capacity

    def _ruin_and_recreate(self, tables: list[int], maximal: list[int], chance: random.Random) -> list[int]:
        centre = tables[chance.randrange(len(tables))]
        nearest = sorted(
            range(len(tables)), key=lambda index: -((tables[index] & centre).bit_count() + 2 * chance.random())
        )
        ruined = set(nearest[: chance.choice(_RUINED)])
        kept = [table for index, table in enumerate(tables) if index not in ruined]
        removed = [tables[index] for index in ruined]
        held = [mask for mask in maximal if any(mask & table == mask for table in removed)]
        uncovered = [mask for mask in held if not any(mask & table == mask for table in kept)]
        chance.shuffle(uncovered)
        return self._insert(kept, uncovered, chance, chance.choice((0.0, 0.2, 0.5, 1.0)))

    @staticmethod
    def _needed(tables: list[int], maximal: list[int]) -> list[int]:
        """The tables without the bits that no product they are first to cover needs."""
        index = MaskIndex(tables)
        needed = [0] * len(tables)
        for mask in maximal:
            needed[index.containing(mask)[0]] |= mask
        return needed


def maximal_masks(masks: Iterable[int]) -> list[int]:
    """The masks that no other contains, large before small."""
    result = MaskIndex()
    for mask in sorted(set(masks), key=lambda each: (-each.bit_count(), each)):
        if not (result.containing(mask) if mask else result.masks):
            result.add(mask)
    return result.masks


def bits_of(mask: int) -> list[int]:
    """Indices of the bits set, increasing."""
    result = []
    while mask:
        low = mask & -mask
        result.append(low.bit_length() - 1)
        mask ^= low
    return result
