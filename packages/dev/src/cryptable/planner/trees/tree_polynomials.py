"""From one tree to products of bits, none of which needs a table wider than the plan's.

A subtree whose paths read at most `width` features expands into products of bits (see `polynomial`). Where a path is
longer, a subtree is taken together with a *group*: the conditions on its path that the subtree itself does not ask
about. They matter only all together, so counting how many fail takes one digit of (conditions + 1) values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cryptable.graphs.graph import LEAF, FloatArray, Tree
from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.trees.polynomial import Polynomial, add_to
from cryptable.planner.trees.set_cover import TableCover, bits_of

Condition = tuple[int | None, int | None]
"""On one feature: the bit that must be 1, and the bit that must be 0, None where there is no such bound."""
Path = dict[int, Condition]


@dataclass(frozen=True)
class Group:
    """Conditions, one a feature, that only matter all together."""

    conditions: tuple[Condition, ...]

    @property
    def size(self) -> int:
        """Values of a digit that counts the conditions that fail: never both bounds of one."""
        return len(self.conditions) + 1


class Alphabet:
    """The bits of the input and, after them, one symbol a group: 1 where all its conditions hold."""

    def __init__(self, bits: Bits) -> None:
        self.bits = bits
        self.groups: list[Group] = []
        self._symbols: dict[Group, int] = {}

    def symbol(self, group: Group) -> int:
        """Symbol of a group, the same for the same conditions."""
        if group not in self._symbols:
            self._symbols[group] = self.bits.count + len(self.groups)
            self.groups.append(group)
        return self._symbols[group]

    @property
    def digit_of(self) -> tuple[int, ...]:
        """Digit of each symbol: a bit's feature; a group's own."""
        features = len(self.bits.edges)
        return self.bits.feature_of + tuple(range(features, features + len(self.groups)))

    @property
    def digit_sizes(self) -> dict[int, int]:
        """Values of the digits that are groups."""
        features = len(self.bits.edges)
        return {features + index: group.size for index, group in enumerate(self.groups)}


@dataclass(frozen=True)
class _Node:
    """A tree's node, as planned: a leaf, a subtree taken whole, or a split.

    `residual` is the constant that the rest of the tree must take off, so that the leaves below that no table covers
    vanish; None where any constant will do.
    """

    path: tuple[tuple[int, Condition], ...]
    low: _Node | None = None
    high: _Node | None = None
    whole: int | None = None
    residual: float | None = None


class TreeExpansion:
    """Expands one output of one tree.

    Args:
        tree: the tree.
        values: its leaves' values, shape (nodes,).
        alphabet: bits, and the groups found so far; it grows.
        width: bits of a table's code.
    """

    def __init__(self, tree: Tree, values: FloatArray, alphabet: Alphabet, width: int) -> None:
        self._tree, self._values, self._alphabet, self._width = tree, values, alphabet, width
        self._bits = alphabet.bits
        self._cover = TableCover(self._bits.feature_of, {}, 1 << width)
        self._result: Polynomial = {}

    @cached_property
    def polynomial(self) -> Polynomial:
        """The tree, as a polynomial over the alphabet."""
        root = self._plan(0, {})
        # Any constant may be taken off the tree; a middle one keeps the tables' ranges small.
        constant = self._middle() if root.residual is None else root.residual
        self._emit(root, constant)
        add_to(self._result, {0: constant})
        return {mask: coefficient for mask, coefficient in self._result.items() if coefficient != 0.0}

    def _middle(self) -> float:
        leaves = self._values[self._tree.feature == LEAF]
        return float(np.sort(leaves)[leaves.size // 2])

    # -- walking ------------------------------------------------------------------------------------------------------

    def _resolve(self, node: int, path: Path) -> int:
        """The first node from `node` on whose test the path leaves open."""
        tree = self._tree
        while tree.feature[node] != LEAF:
            feature, edge = int(tree.feature[node]), float(tree.edge[node])
            bit = self._bits.index.get((feature, edge))
            if bit is None:
                node = int(tree.left[node] if edge > 0 else tree.right[node])
                continue
            at_least, below = path.get(feature, (None, None))
            if at_least is not None and at_least >= bit:
                node = int(tree.right[node])
            elif below is not None and below <= bit:
                node = int(tree.left[node])
            else:
                break
        return node

    def _branches(self, node: int, path: Path) -> tuple[int, Path, Path]:
        feature = int(self._tree.feature[node])
        bit = self._bits.index[feature, float(self._tree.edge[node])]
        at_least, below = path.get(feature, (None, None))
        return bit, {**path, feature: (at_least, bit)}, {**path, feature: (bit, below)}

    def leaves(self) -> Iterator[tuple[Path, float]]:
        """The tree's leaves: what leads to each, by feature, and its value."""
        return self._leaves(0, {})

    def _leaves(self, node: int, path: Path) -> Iterator[tuple[Path, float]]:
        node = self._resolve(node, path)
        if self._tree.feature[node] == LEAF:
            yield path, float(self._values[node])
            return
        _, low, high = self._branches(node, path)
        yield from self._leaves(int(self._tree.left[node]), low)
        yield from self._leaves(int(self._tree.right[node]), high)

    # -- planning -----------------------------------------------------------------------------------------------------

    def _plan(self, node: int, path: Path) -> _Node:
        node = self._resolve(node, path)
        key = tuple(path.items())
        if self._tree.feature[node] == LEAF:
            return _Node(key, residual=float(self._values[node]))
        if self._fits_one_box(node, path) or self._fits_one_table(node, path):
            return _Node(key, whole=node)
        _, low_path, high_path = self._branches(node, path)
        low = self._plan(int(self._tree.left[node]), low_path)
        high = self._plan(int(self._tree.right[node]), high_path)
        return _Node(key, low, high, residual=high.residual if low.residual is None else low.residual)

    def _fits_one_box(self, node: int, path: Path) -> bool:
        """Whether a table can tell apart all bits that the path and the subtree ask about."""
        mask = self._asked(node, path)
        return mask is not None and self._fits(mask | self._bits_of_path(path))

    def _fits(self, mask: int) -> bool:
        return self._cover.domain(mask) <= self._cover.capacity

    def _fits_one_table(self, node: int, path: Path) -> bool:
        mask = self._asked(node, path)
        return mask is not None and self._codes(mask, self._divide(path, mask)) <= self._cover.capacity

    def _codes(self, mask: int, divided: tuple[Path, Path]) -> int:
        """Codes of a table for a subtree that asks for `mask`, its path divided into digits and a group."""
        inside, outside = divided
        return self._cover.domain(mask | self._bits_of_path(inside)) * (len(outside) + 1)

    def _asked(self, node: int, path: Path) -> int | None:
        """Bits that the subtree asks for, or None where they cannot fit a table."""
        node = self._resolve(node, path)
        if self._tree.feature[node] == LEAF:
            return 0
        bit, low_path, high_path = self._branches(node, path)
        low = self._asked(int(self._tree.left[node]), low_path)
        if low is None:
            return None
        high = self._asked(int(self._tree.right[node]), high_path)
        if high is None:
            return None
        mask = low | high | 1 << bit
        return mask if self._fits(mask) else None

    def _divide(self, path: Path, mask: int) -> tuple[Path, Path]:
        """The path's conditions that a table tells apart itself, and those that it only counts.

        Only a feature that the subtree asks about can be among the former: its bits on the path make its digit longer,
        which may cost less than to count one condition more.
        """
        features = {self._bits.feature_of[bit] for bit in bits_of(mask)}
        inside = {feature: condition for feature, condition in path.items() if feature in features}
        outside = {feature: condition for feature, condition in path.items() if feature not in features}
        best, codes = (inside, outside), self._codes(mask, (inside, outside))
        while inside:
            moved = (self._moved(inside, outside, feature) for feature in inside)
            inside, outside = min(moved, key=lambda each: self._codes(mask, each))
            if (fewer := self._codes(mask, (inside, outside))) < codes:
                best, codes = (inside, outside), fewer
        return best

    @staticmethod
    def _moved(inside: Path, outside: Path, feature: int) -> tuple[Path, Path]:
        kept = {each: condition for each, condition in inside.items() if each != feature}
        return kept, {**outside, feature: inside[feature]}

    @staticmethod
    def _bits_of_path(path: Path) -> int:
        return sum(1 << bit for condition in path.values() for bit in condition if bit is not None)

    # -- emitting -----------------------------------------------------------------------------------------------------

    def _emit(self, node: _Node, shift: float) -> None:
        """Add [the path holds] * (the subtree - shift)."""
        path = dict(node.path)
        if node.whole is not None:
            self._emit_whole(node.whole, path, shift)
            return
        if node.residual is not None and node.residual != shift:
            self._emit_constant(path, node.residual - shift)
            shift = node.residual
        for child in (node.low, node.high):
            if child is not None:
                self._emit(child, shift)

    def _emit_constant(self, path: Path, value: float) -> None:
        if self._fits(self._bits_of_path(path)):
            add_to(self._result, self._expand([(path, value)]))
        else:
            add_to(self._result, {1 << self._group(path): value})

    def _emit_whole(self, node: int, path: Path, shift: float) -> None:
        if self._fits_one_box(node, path):
            leaves = [(leaf, value - shift) for leaf, value in self._leaves(node, path)]
            add_to(self._result, self._expand(leaves))
            return
        mask = self._asked(node, path)
        _, outside = self._divide(path, mask or 0)
        leaves = [(_beyond(leaf, outside), value - shift) for leaf, value in self._leaves(node, path)]
        symbol = 1 << self._group(outside)
        add_to(self._result, {each | symbol: value for each, value in self._expand(leaves).items()})

    def _group(self, path: Path) -> int:
        return self._alphabet.symbol(Group(tuple(path[feature] for feature in sorted(path))))

    def _expand(self, leaves: list[tuple[Path, float]]) -> Polynomial:
        """The sum over leaves of value * product of conditions; x in [a, b) is bit a - bit b."""
        total: Polynomial = {}
        for path, value in leaves:
            terms: Polynomial = {0: value}
            for at_least, below in path.values():
                grown: Polynomial = {}
                for mask, coefficient in terms.items():
                    kept = mask if at_least is None else mask | 1 << at_least
                    grown[kept] = grown.get(kept, 0.0) + coefficient
                    if below is not None:
                        removed = mask | 1 << below
                        grown[removed] = grown.get(removed, 0.0) - coefficient
                terms = grown
            add_to(total, terms)
        return total


def _beyond(leaf: Path, counted: Path) -> Path:
    """What a leaf's path asks for besides the conditions that a group counts."""
    result: Path = {}
    for feature, (at_least, below) in leaf.items():
        known = counted.get(feature, (None, None))
        rest = (None if at_least == known[0] else at_least, None if below == known[1] else below)
        if rest != (None, None):
            result[feature] = rest
    return result
