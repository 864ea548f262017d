"""Trees of few bits as tables that those bits turn: an oblivious tree of depth d takes d − 1 products for its leaves.

All leaves of such a tree are one polynomial, and each bit that is on moves it by a power of two of positions, until the
row's own leaf stands at the first. A tree taken apart split by split has a product for nearly each of its splits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from cryptable_engine import Rotation
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE
from cryptable_protocol.schemes.levelled.parameters import MAX_MODULI

from cryptable.graphs.graph import IntArray
from cryptable.planner.levelled.trees import BitTree, Leaf, Split

_MOST_BITS = 8
"""Of a tree: a table has two to the power of them positions."""


@dataclass(frozen=True, eq=False)
class Tables:
    """Sums of trees by what their bits are.

    Attributes:
        bits: of each table, increasing; no two tables have the same.
        values: entry p is what the trees give where bits[i] is bit i of p; shape (tables, positions, outputs). A table
            of fewer bits than others is filled up with zeros, which nothing moves to the first position.
    """

    bits: tuple[tuple[int, ...], ...]
    values: IntArray

    @property
    def selectors(self) -> frozenset[int]:
        """Bits that turn some table."""
        return frozenset(bit for bits in self.bits for bit in bits)

    @property
    def products(self) -> int:
        """That turn tables, without first turns, which are linear forms."""
        return sum(len(bits) - 1 for bits in self.bits)

    def rotation(self, position: dict[int, int]) -> Rotation:
        """The node.

        Args:
            position: of each bit among the elements of the circuit's input.
        """
        turning = sorted(self.selectors)
        row = {bit: index for index, bit in enumerate(turning)}
        exponents = np.zeros((len(turning), len(self.bits)), np.int64)
        for table, bits in enumerate(self.bits):
            for power, bit in enumerate(bits):
                exponents[row[bit], table] = 1 << power
        return Rotation(np.array([position[bit] for bit in turning], np.int64), exponents, self.values)


def divided(trees: Sequence[BitTree], outputs: int) -> tuple[Tables | None, list[BitTree]]:
    """The trees that take fewer products as tables, as such, and the others.

    Tables have a size in common, of which a ring has room for a number that depends on how many outputs each entry has.
    A tree whose bits are among those of a table is added to it.

    Args:
        trees: of bits, whose leaves are not negative.
        outputs: scores.
    """
    positions = RING_SIZE // (MAX_MODULI * outputs)
    found: dict[tuple[int, ...], IntArray] = {}
    others: list[BitTree] = []
    able: list[tuple[tuple[int, ...], BitTree]] = []
    for tree in trees:
        bits, products = _asked(tree)
        if 2 <= len(bits) <= _MOST_BITS and 1 << len(bits) <= positions and len(bits) - 1 < products:
            able.append((bits, tree))
        else:
            others.append(tree)
    for bits, tree in sorted(able, key=lambda each: -len(each[0])):
        into = next((each for each in found if set(bits) <= set(each)), bits)
        values = _values(tree, into, outputs)
        found[into] = found[into] + values if into in found else values
    if not found:
        return None, others
    widest = max(map(len, found.values()))
    tables = [np.pad(values, ((0, widest - len(values)), (0, 0))) for values in found.values()]
    return Tables(tuple(found), np.stack(tables)), others


def _asked(tree: BitTree) -> tuple[tuple[int, ...], int]:
    """Bits of a tree, increasing, and how many products it takes split by split: one where a branch is no leaf."""
    seen: set[int] = set()
    bits: set[int] = set()
    products = 0
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, Split) and id(node) not in seen:
            seen.add(id(node))
            bits.add(node.bit)
            products += isinstance(node.low, Split) or isinstance(node.high, Split)
            left += [node.low, node.high]
    return tuple(sorted(bits)), products


def _values(tree: BitTree, bits: tuple[int, ...], outputs: int) -> IntArray:
    """What a tree gives at each position of a table by these bits, shape (positions, outputs)."""
    position = np.arange(1 << len(bits))
    values = np.zeros((len(position), outputs), np.int64)
    left = [(tree, position)]
    while left:
        node, reached = left.pop()
        if isinstance(node, Leaf):
            for output, value in node.values.items():
                values[reached, output] = value
        elif reached.size:
            is_on = (reached >> bits.index(node.bit) & 1).astype(bool)
            left += [(node.low, reached[~is_on]), (node.high, reached[is_on])]
    return values
