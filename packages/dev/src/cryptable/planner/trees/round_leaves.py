"""Rounds the leaves of each tree to one grid, after which tables and functions hold integers without further error.

With few trees this is far better than rounding tables: a score's error is a sum over trees, not over tables.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryptable.graphs.graph import LEAF, FloatArray, IntArray, Tree, TreeEnsemble
from cryptable.planner.trees.rounding import largest_errors, round_values

_SHRINK = 1.02


@dataclass(frozen=True, eq=False)
class RoundedTrees:
    """score[j] = graph's score[j] * step + base[j], to within error[j]; the leaves of `graph` are integers."""

    graph: TreeEnsemble
    step: float
    base: FloatArray
    error: FloatArray


def round_leaves(graph: TreeEnsemble, *, tolerance: float) -> RoundedTrees:
    """The largest step with which no score is off by more than the tolerance."""
    step = 2.0 * tolerance
    scores = [_Leaves.of_score(graph, output) for output in range(graph.outputs)]
    while any(leaves.error(step) > tolerance for leaves in scores):
        step /= _SHRINK
    return _round_to(graph, step)


@dataclass(frozen=True, eq=False)
class _Leaves:
    """What the leaves of all trees add to one score, tree after tree, and where each tree's begin."""

    values: FloatArray
    first: IntArray

    @classmethod
    def of_score(cls, graph: TreeEnsemble, output: int) -> _Leaves:
        """Of the trees that add anything to it."""
        found = [tree.values[tree.feature == LEAF, output] for tree in graph.trees]
        found = [values for values in found if values.any()]
        sizes = [values.size for values in found]
        return cls(np.concatenate([np.empty(0), *found]), np.cumsum([0, *sizes])[:-1].astype(np.int64))

    def error(self, step: float) -> float:
        """What `_round_to` makes the error of the score, faster."""
        if not self.values.size:
            return 0.0
        # One sum after the other, as there: added in another order, the last bit would differ.
        return float(np.cumsum(largest_errors(self.values, self.first, step))[-1])


def _round_to(graph: TreeEnsemble, step: float) -> RoundedTrees:
    base, error = graph.base.copy(), np.zeros(graph.outputs)
    trees = []
    for tree in graph.trees:
        leaves = tree.feature == LEAF
        values: FloatArray = np.zeros_like(tree.values)
        for output in range(graph.outputs):
            if not tree.values[leaves, output].any():
                continue
            integers, constant, largest = round_values(tree.values[leaves, output], step)
            values[leaves, output] = integers
            base[output] += constant
            error[output] += largest
        trees.append(Tree(tree.feature, tree.edge, tree.left, tree.right, values))
    zero = np.zeros(graph.outputs)
    integral = TreeEnsemble(graph.feature_names, tuple(trees), zero, graph.link, graph.labels, graph.as_float32)
    return RoundedTrees(integral, step, base, error)
