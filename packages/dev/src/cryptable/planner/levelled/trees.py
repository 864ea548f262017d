"""Trees of bits: each test is a bit of a thermometer, tests that a path answers are gone, equal subtrees are one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import LEAF, Tree
from cryptable.planner.levelled.products import Form, Products
from cryptable.planner.thresholds.bits import Bits

_MOST_DEPTH = 400
"""Far above what libraries grow, and below where recursion ends."""


@dataclass(frozen=True, eq=False, slots=True)
class Leaf:
    """Integers by output, but for those that are 0."""

    values: dict[int, int]


@dataclass(frozen=True, eq=False, slots=True)
class Split:
    """`high` where the bit is 1."""

    bit: int
    low: BitTree
    high: BitTree


BitTree: TypeAlias = "Split | Leaf"
"""By its root. One reader makes one object of equal subtrees, so that they are compared, and worked on, once."""

_Path: TypeAlias = dict[int, tuple[int, int]]
"""By feature, the highest bit known to be 1, and the lowest known to be 0."""


class TreeReader:
    """Reads trees whose leaves hold integers.

    Args:
        bits: those that the trees ask for.
    """

    def __init__(self, bits: Bits) -> None:
        self._bits = bits
        self._leaves: dict[tuple[float, ...], Leaf] = {}
        self._splits: dict[tuple[int, int, int], Split] = {}

    def read(self, tree: Tree) -> BitTree:
        """The tree, without tests that make no difference.

        Raises:
            UnsupportedModelError: a path of more than 400 tests.
        """
        features = _features_below(tree)
        feature, edge = tree.feature.tolist(), tree.edge.tolist()
        left, right = tree.left.tolist(), tree.right.tolist()
        known: dict[tuple[object, ...], BitTree] = {}

        def resolve(node: int, path: _Path) -> tuple[int, int]:
            """The first node whose test the path leaves open, and its bit; -1 for a leaf."""
            while feature[node] != LEAF:
                bit = self._bits.index.get((feature[node], edge[node]))
                at_least, below = path.get(feature[node], (-1, self._bits.count))
                if bit is None:  # an infinite edge
                    node = left[node] if edge[node] > 0 else right[node]
                elif bit <= at_least:
                    node = right[node]
                elif bit >= below:
                    node = left[node]
                else:
                    return node, bit
            return node, -1

        def read(node: int, path: _Path, depth: int) -> BitTree:
            if depth > _MOST_DEPTH:
                raise UnsupportedModelError(f"a path of more than {_MOST_DEPTH} tests; lower the depth of the trees")
            node, bit = resolve(node, path)
            if bit < 0:
                return self._leaf(tree.values[node].tolist())
            asked = {each: path[each] for each in path if each in features[node]}
            key = (node, *sorted(asked.items()))
            if key not in known:
                at_least, below = asked.get(feature[node], (-1, self._bits.count))
                low = read(left[node], {**asked, feature[node]: (at_least, bit)}, depth + 1)
                high = read(right[node], {**asked, feature[node]: (bit, below)}, depth + 1)
                known[key] = self._split(bit, low, high)
            return known[key]

        return read(0, {}, 0)

    def _leaf(self, values: list[float]) -> Leaf:
        key = tuple(values)
        if key not in self._leaves:
            self._leaves[key] = Leaf({output: round(value) for output, value in enumerate(values) if value})
        return self._leaves[key]

    def _split(self, bit: int, low: BitTree, high: BitTree) -> BitTree:
        if low is high:
            return low
        key = (bit, id(low), id(high))
        if key not in self._splits:
            self._splits[key] = Split(bit, low, high)
        return self._splits[key]


def _features_below(tree: Tree) -> list[frozenset[int]]:
    """Of each node, the features that it and those below it ask about; some children have several parents."""
    found: list[frozenset[int] | None] = [None] * len(tree.feature)
    waiting = [0]
    while waiting:
        node = waiting[-1]
        if found[node] is not None or tree.feature[node] == LEAF:
            found[node] = found[node] or frozenset()
            waiting.pop()
            continue
        children = [int(tree.left[node]), int(tree.right[node])]
        below = [found[child] for child in children]
        if None in below:
            waiting += [child for child in children if found[child] is None]
        else:
            found[node] = frozenset({int(tree.feature[node])}).union(*(each or () for each in below))
    return [each or frozenset() for each in found]


class RootFirst:
    """Takes trees apart root first: each split is low + bit * (high - low). Splits of two leaves need no product.

    Args:
        products: in which products are looked up; it grows.
    """

    def __init__(self, products: Products) -> None:
        self._products = products
        self._known: dict[int, tuple[BitTree, Form]] = {}

    def form(self, tree: BitTree) -> Form:
        """Its value; not to be changed."""
        if isinstance(tree, Leaf):
            return Form(dict(tree.values))
        if id(tree) not in self._known:
            difference = self.form(tree.high).copy()
            value = self.form(tree.low).copy()
            difference.add(value, -1)
            value.add(self._products.times(tree.bit, difference))
            self._known[id(tree)] = tree, value
        return self._known[id(tree)][1]


def highest(trees: Sequence[BitTree], outputs: int) -> list[int]:
    """By output, the sum of each tree's highest leaf: no row that a client encodes can have more."""
    known: dict[int, list[int]] = {}

    def of(tree: BitTree) -> list[int]:
        if isinstance(tree, Leaf):
            return [tree.values.get(output, 0) for output in range(outputs)]
        if id(tree) not in known:
            known[id(tree)] = [max(pair) for pair in zip(of(tree.low), of(tree.high), strict=True)]
        return known[id(tree)]

    return [sum(column) for column in zip(*map(of, trees), strict=True)] if trees else [0] * outputs
