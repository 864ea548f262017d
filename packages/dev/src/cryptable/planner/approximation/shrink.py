"""Trees with far too many leaves, cut down to some thousands in a second, before they are approximated with care.

As `prune`, it finds the trees with the least squared error on calibration data plus a penalty for each leaf (Breiman
et al., 1984, chapter 10), here of all nodes of a depth at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cryptable.graphs.graph import LEAF, MISSING_EDGE, FloatArray, IntArray, Tree, TreeEnsemble

_STEPS = 40
"""Of the search for the penalty: each halves its range."""


@dataclass(frozen=True, eq=False)
class _Nodes:
    """All nodes of all trees, one after the other: children, depths, and what calibration rows say of each.

    `means` has shape (nodes, outputs); `errors` are squared, of all rows in a node against their mean. A node that
    `asks` whether a value is missing leads to another test, on the left, or to the left child of that: it is split
    where that one is, and costs nothing by itself.
    """

    starts: IntArray
    asks: npt.NDArray[np.bool_]
    left: IntArray
    right: IntArray
    levels: tuple[IntArray, ...]
    """Inner nodes by depth, the deepest first."""
    means: FloatArray
    errors: FloatArray

    def kept(self, penalty: float) -> npt.NDArray[np.bool_]:
        """Which inner nodes stay splits, wherever they are reached."""
        costs = np.full(self.errors.shape, penalty)
        splits = np.zeros(self.errors.shape, np.bool_)
        for nodes in self.levels:
            asks, test = self.asks[nodes], self.left[nodes]
            apart = costs[test] + costs[self.right[nodes]]
            whole = penalty + self.errors[nodes]
            splits[nodes] = np.where(asks, splits[test], apart < whole)
            costs[nodes] = np.where(asks, costs[test], np.minimum(apart, whole))
        return splits

    def leaves(self, splits: npt.NDArray[np.bool_]) -> int:
        """Of all trees that are left."""
        reached = np.zeros(splits.shape, np.bool_)
        reached[self.starts] = True
        for nodes in reversed(self.levels):
            below = nodes[reached[nodes] & splits[nodes]]
            reached[self.left[below]] = reached[self.right[below]] = True
        return int(np.count_nonzero(reached & ~splits))


def shrink(graph: TreeEnsemble, seen: FloatArray, *, leaves: int) -> TreeEnsemble:
    """The trees with at most so many leaves in all, unless there are more trees than that.

    Args:
        graph: the trees.
        seen: what `graph.seen` gives for the calibration data.
        leaves: of all trees together.
    """
    graph = replace(graph, trees=tuple(map(_without_idle_tests, graph.trees)))
    nodes = _read(graph, seen)
    low, high = 0.0, max(float(nodes.errors.max()), 1e-300)
    for _ in range(_STEPS):
        penalty = (low * high) ** 0.5 if low else high / 1024
        if nodes.leaves(nodes.kept(penalty)) <= leaves:
            high = penalty
        else:
            low = penalty
    splits = nodes.kept(high)
    trees = []
    for tree, start in zip(graph.trees, nodes.starts.tolist(), strict=True):
        end = start + tree.feature.shape[0]
        trees.append(_cut(tree, splits[start:end], nodes.means[start:end]))
    return replace(graph, trees=tuple(trees))


def _without_idle_tests(tree: Tree) -> Tree:
    """Without tests that have one answer for every number, as those for missing values where none are."""
    onward = np.arange(tree.feature.size)
    idle = (tree.feature != LEAF) & ~np.isfinite(tree.edge)
    onward[idle] = np.where(tree.edge[idle] > 0, tree.left[idle], tree.right[idle])
    while (further := onward[onward] != onward).any():
        onward = np.where(further, onward[onward], onward)
    root = int(onward[0])
    left, right = onward[tree.left], onward[tree.right]
    # The root is node 0: what it leads to takes its place.
    left, right = np.where(left == 0, root, left), np.where(right == 0, root, right)
    parts = (tree.feature, tree.edge, left, right, tree.values)
    feature, edge, left, right, values = (np.concatenate([part[[root]], part[1:]]) for part in parts)
    return Tree(feature, edge, left, right, values)


def _read(graph: TreeEnsemble, seen: FloatArray) -> _Nodes:
    sizes = [tree.feature.shape[0] for tree in graph.trees]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    feature = np.concatenate([tree.feature for tree in graph.trees])
    left = np.concatenate([tree.left + start for tree, start in zip(graph.trees, starts, strict=True)])
    right = np.concatenate([tree.right + start for tree, start in zip(graph.trees, starts, strict=True)])
    values = np.concatenate([tree.values for tree in graph.trees])
    inner = feature != LEAF
    levels = _levels(inner, left, right, starts)
    leaf_of = [tree.leaf_of(seen) + start for tree, start in zip(graph.trees, starts, strict=True)]
    rows = np.bincount(np.concatenate(leaf_of), minlength=feature.size).astype(np.float64)
    sums, squares = values * rows[:, None], (values**2).sum(axis=1) * rows
    means = values.copy()
    asks = inner & (np.concatenate([tree.edge for tree in graph.trees]) == MISSING_EDGE) & (right == left[left])
    for level in levels:
        for total in (rows, sums, squares):
            further = total[right[level]]
            further[asks[level]] = 0.0  # are below the other child too
            total[level] = total[left[level]] + further
        mean = sums[level] / np.maximum(rows[level], 1.0)[:, None]
        middle = (means[left[level]] + means[right[level]]) / 2
        means[level] = np.where(rows[level][:, None] > 0, mean, middle)
    errors = np.maximum(squares - rows * (means**2).sum(axis=1), 0.0)
    return _Nodes(starts, asks, left, right, tuple(levels), means, errors)


def _levels(inner: npt.NDArray[np.bool_], left: IntArray, right: IntArray, starts: IntArray) -> Sequence[IntArray]:
    """Inner nodes by the longest path from a root, the deepest first: children come before their parents."""
    depth = np.full(inner.shape, -1, np.int64)
    level, number = starts, 0
    while level.size:
        depth[level] = number
        below = level[inner[level]]
        level, number = np.unique(np.concatenate([left[below], right[below]])), number + 1
    return [np.flatnonzero(inner & (depth == each)) for each in range(number - 1, -1, -1)]


def _cut(tree: Tree, splits: npt.NDArray[np.bool_], means: FloatArray) -> Tree:
    """The nodes that are still reached, in their order."""
    reached, waiting = np.zeros(splits.shape, np.bool_), np.array([0])
    while waiting.size:
        reached[waiting] = True
        below = waiting[splits[waiting]]
        waiting = np.unique(np.concatenate([tree.left[below], tree.right[below]]))
    number = np.cumsum(reached) - 1
    return Tree(
        np.where(splits, tree.feature, LEAF)[reached],
        tree.edge[reached],
        np.where(splits, number[tree.left], 0)[reached],
        np.where(splits, number[tree.right], 0)[reached],
        np.where(splits[:, None], 0.0, means)[reached],
    )
