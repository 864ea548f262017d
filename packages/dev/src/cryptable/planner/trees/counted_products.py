"""Lets two tables that each exist for one product of bits become one table, which counts.

A product of k bits that nothing else in its table needs takes 2^k codes there, but only k + 1 as a group: a digit that
counts how many of its conditions fail. Whether a condition is that a bit is 1, or that it is 0, is free to choose; the
choice decides which smaller products are left over, and those must lie in other tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import product as choices

from cryptable.planner.trees.mask_index import MaskIndex
from cryptable.planner.trees.polynomial import Polynomial
from cryptable.planner.trees.set_cover import bits_of, maximal_masks
from cryptable.planner.trees.tree_polynomials import Alphabet, Group

_NEGLIGIBLE = 1e-12
_MOST_WORK = 2_000_000
"""Tables times products up to which this takes seconds; it saves few tables of many."""


def count_products(
    polynomial: Polynomial, masks: Sequence[int], alphabet: Alphabet, capacity: int, *, bits_are_free: bool = True
) -> tuple[Polynomial, list[int]]:
    """Replace pairs of tables by one each, as long as there are any.

    Args:
        polynomial: one score.
        masks: its tables, which cover it.
        alphabet: bits and groups; it grows.
        capacity: codes of a table.
        bits_are_free: whether a product of a single bit needs no table.

    Returns:
        The polynomial, rewritten with groups, and its tables.
    """
    least = 2 if bits_are_free else 1
    if len(masks) * len(polynomial) > _MOST_WORK:
        return polynomial, list(masks)
    tables, products = MaskIndex(masks), _by_lowest(polynomial)
    waiting: list[tuple[int, Polynomial, int]] = []
    index = 0
    while index < len(tables.masks):
        table = tables.masks[index]
        within = [mask for bit in bits_of(table) for mask in products.get(1 << bit, ()) if mask & table == mask]
        found = _as_group(polynomial, within, tables, index, alphabet.bits.count, least)
        if found is not None and found[0].size ** 2 <= capacity:
            group, rewritten = found
            symbol = 1 << alphabet.symbol(group)
            rewritten[symbol] = rewritten.get(symbol, 0.0) + rewritten.pop(-1)
            waiting.append((symbol, polynomial, table))
            polynomial, products = rewritten, _by_lowest(rewritten)
            tables.masks[index] = 0  # covers nothing any more
            if len(waiting) == 2:
                tables.add(waiting[0][0] | waiting[1][0])
                waiting.clear()
        index += 1
    if waiting:  # nothing to pair it with: as it was
        _, polynomial, table = waiting[0]
        tables.add(table)
    return polynomial, [table for table in tables.masks if table]


def _by_lowest(polynomial: Polynomial) -> dict[int, list[int]]:
    """The products by the lowest of their symbols."""
    found: dict[int, list[int]] = defaultdict(list)
    for mask in polynomial:
        found[mask & -mask].append(mask)
    return found


def _as_group(
    polynomial: Polynomial, within: Sequence[int], tables: MaskIndex, table: int, bit_count: int, least: int
) -> tuple[Group, Polynomial] | None:
    """The group that can stand for all that only this table covers; the polynomial without it, its factor under -1.

    `within` are the products that the table contains. Products of `least` bits or more must be covered.
    """

    def is_covered(mask: int) -> bool:
        return any(other != table for other in tables.containing(mask))

    exclusive = [mask for mask in within if mask.bit_count() >= least and not is_covered(mask)]
    largest = maximal_masks(exclusive)
    # Of two bits a group has 3 codes instead of 4, which frees no table.
    if len(largest) != 1 or largest[0] >= 1 << bit_count or largest[0].bit_count() < 3:
        return None
    whole = largest[0]
    bits = bits_of(whole)
    negligible = _NEGLIGIBLE * max(map(abs, polynomial.values()))
    inside = {mask: polynomial[mask] for mask in within if mask & whole == mask}
    for signs in choices((True, False), repeat=len(bits)):
        expansion = _expand(bits, signs)
        factor = polynomial[whole] / expansion.pop(whole)
        # Products outside of `whole` stay as they are: there are thousands of them, and up to 64 signs to try.
        changed = {mask: polynomial.get(mask, 0.0) - factor * value for mask, value in expansion.items()}
        rest = [mask for mask, value in {**inside, **changed}.items() if mask != whole and abs(value) > negligible]
        if all(is_covered(mask) for mask in rest if mask.bit_count() >= least):
            conditions = tuple((bit, None) if sign else (None, bit) for bit, sign in zip(bits, signs, strict=True))
            rewritten = {**polynomial, **changed}
            del rewritten[whole]
            rewritten = {mask: value for mask, value in rewritten.items() if abs(value) > negligible}
            rewritten[-1] = factor
            return Group(conditions), rewritten
    return None


def _expand(bits: Sequence[int], signs: Sequence[bool]) -> dict[int, float]:
    """The product over bits of (bit), or (1 - bit) where its sign is False."""
    terms = {0: 1.0}
    for bit, sign in zip(bits, signs, strict=True):
        with_bit = {mask | 1 << bit: value if sign else -value for mask, value in terms.items()}
        terms = with_bit if sign else {**terms, **with_bit}
    return terms
