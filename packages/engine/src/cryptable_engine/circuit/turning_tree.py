"""TurningTree: a tree of bits whose leaves say how far tables are turned."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
LEAF = -1


@dataclass(frozen=True, eq=False)
class TurningTree:
    """Turns each table by the exponent of the leaf that a row's bits lead to.

    Attributes:
        bits: the nodes in preorder, that for a bit of 0 first: of a split the element of the Input that it asks for, of
            a leaf `LEAF`; shape (nodes,).
        exponents: of the leaves in their order, shape (leaves, neurons), in 0 .. 2 P - 1; 0 in all leaves for tables
            that the tree does not turn.
    """

    bits: IntArray
    exponents: IntArray

    @property
    def is_whole(self) -> bool:
        """Whether the nodes are those of one tree, with an exponent for each leaf and table."""
        # Nodes still to come: each split makes one more of them.
        left = 1 + np.cumsum(np.where(self.bits == LEAF, -1, 1))
        ends = left.size > 0 and left[-1] == 0 and (left[:-1] > 0).all()
        return bool(ends) and self.exponents.shape[:1] == ((self.bits == LEAF).sum(),)

    @cached_property
    def high(self) -> IntArray:
        """Of each split, the node for a bit of 1; that for 0 is the next one. Shape (nodes,)."""
        found = np.full(len(self.bits), LEAF, np.int64)
        sizes = np.ones(len(self.bits), np.int64)
        for node in range(len(self.bits) - 1, -1, -1):
            if self.bits[node] != LEAF:
                found[node] = node + 1 + sizes[node + 1]
                sizes[node] += sizes[node + 1] + sizes[found[node]]
        return found

    @cached_property
    def leaf(self) -> IntArray:
        """Of each node, its first leaf: shape (nodes,)."""
        is_leaf = self.bits == LEAF
        found: IntArray = np.cumsum(is_leaf) - is_leaf
        return found

    @cached_property
    def depth(self) -> int:
        """Splits on the longest path."""
        return int(self._depths.max(initial=0))

    @cached_property
    def _depths(self) -> IntArray:
        found = np.zeros(len(self.bits), np.int64)
        for node in np.flatnonzero(self.bits != LEAF).tolist():
            found[node + 1] = found[self.high[node]] = found[node] + 1
        return found

    @cached_property
    def neurons(self) -> IntArray:
        """Tables that it turns, increasing."""
        return np.flatnonzero(self.exponents.any(axis=0))

    @cached_property
    def moves(self) -> npt.NDArray[np.bool_]:
        """Whether the leaves below a node differ, so that a split takes a product for each table: shape (nodes,)."""
        found = np.zeros(len(self.bits), np.bool_)
        for node in np.flatnonzero(self.bits != LEAF)[::-1].tolist():
            low, high = node + 1, int(self.high[node])
            alike = (self.exponents[self.leaf[low]] == self.exponents[self.leaf[high]]).all()
            found[node] = found[low] or found[high] or not alike
        return found

    @property
    def products(self) -> int:
        """External products."""
        return int(self.moves.sum()) * len(self.neurons)

    def leaf_of(self, chunk: IntArray) -> IntArray:
        """The leaf that each row leads to, of bits of shape (inputs, rows): shape (rows,)."""
        node = np.zeros(chunk.shape[1], np.int64)
        for _ in range(self.depth):
            inner = np.flatnonzero(self.bits[node] != LEAF)
            at = node[inner]
            node[inner] = np.where(chunk[self.bits[at], inner] > 0, self.high[at], at + 1)
        found: IntArray = self.leaf[node]
        return found

    def asks_twice(self) -> bool:
        """Whether some path asks for a bit twice."""
        path: list[int] = []
        for bit, depth in zip(self.bits.tolist(), self._depths.tolist(), strict=True):
            del path[depth:]
            if bit != LEAF:
                if bit in path:
                    return True
                path.append(bit)
        return False
