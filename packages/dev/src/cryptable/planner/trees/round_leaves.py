"""Rounds the leaves of each tree to one grid, after which tables and functions hold integers without further error.

With few trees this is far better than rounding tables: a score's error is a sum over trees, not over tables.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryptable.graphs.graph import LEAF, FloatArray, Tree, TreeEnsemble
from cryptable.planner.trees.rounding import round_values

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
    while True:
        rounded = _round_to(graph, step)
        if rounded.error.max() <= tolerance:
            return rounded
        step /= _SHRINK


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
