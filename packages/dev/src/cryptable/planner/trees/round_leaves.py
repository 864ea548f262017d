"""Rounds the leaves of each tree to one grid, after which tables and functions hold integers without further error.

With few trees this is far better than rounding tables: a score's error is a sum over trees, not over tables.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from cryptable_protocol import Decoder

from cryptable.graphs.graph import LEAF, FloatArray, IntArray, Tree, TreeEnsemble
from cryptable.planner.trees.rounding import largest_errors, round_values

_SHRINK = 1.02
_SAME = 1e-9
"""Of the largest leaf: numbers that differ by less are the same but for rounding."""
_SPARE = 16.0
"""By how much a step may be finer, if all leaves are multiples of it: four bits of a score, and all ties are exact."""


@dataclass(frozen=True, eq=False)
class RoundedTrees:
    """score[j] = graph's score[j] * step + base[j], to within error[j]; the leaves of `graph` are integers."""

    graph: TreeEnsemble
    step: float
    base: FloatArray
    error: FloatArray


def round_leaves(
    graph: TreeEnsemble, *, tolerance: float, keeps_ties: bool = False, step: float | None = None
) -> RoundedTrees:
    """The largest step with which no score is off by more than the tolerance.

    Args:
        graph: the trees.
        tolerance: largest error of a score.
        keeps_ties: whether leaves of all trees and scores are rounded alike, and symmetrically about what they are
            where scores tie. Ties of equal leaves, and of leaves that are opposite, stay ties; all do where the leaves
            are multiples of a step that is not much finer. It takes up to a bit more of a score.
        step: to be taken, whatever the tolerance; the error is that of this step then.
    """
    if step is not None and not keeps_ties:
        return _round_to(graph, step)
    scores = [_Leaves.of_score(graph, output) for output in range(graph.outputs)]
    if step is not None:
        return _round_about(graph, scores, 0.0, step)
    if keeps_ties:
        return _round_alike(graph, tolerance)
    step = 2.0 * tolerance
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

    def error_alike(self, centre: float, step: float) -> float:
        """What `_round_about` makes it."""
        if not self.values.size:
            return 0.0
        off = np.abs(self.values - centre - step * _nearest(self.values, centre, step))
        return float(np.cumsum(np.maximum.reduceat(off, self.first))[-1])


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


def _round_alike(graph: TreeEnsemble, tolerance: float) -> RoundedTrees:
    """Every leaf to the nearest of centre + step * integer, where as many centres as there are trees make a tie."""
    adding = [(tree, output) for tree in graph.trees for output in range(graph.outputs) if _leaves(tree, output).any()]
    centre = 0.0
    if graph.outputs == 1 and adding:
        threshold = Decoder(graph.link, (0,), 1.0, (0.0,), graph.labels).threshold
        centre = (threshold - float(graph.base[0])) / len(adding)
    distances = [np.unique(np.abs(_leaves(tree, output) - centre)) for tree, output in adding]
    largest = max((float(each[-1]) for each in distances), default=0.0)
    step = 2.0 * tolerance
    scores = [_Leaves.of_score(graph, output) for output in range(graph.outputs)]
    while any(leaves.error_alike(centre, step) > tolerance for leaves in scores):
        step /= _SHRINK
    common = _common_measure(np.concatenate([np.empty(0), *distances]), least=max(step / _SPARE, _SAME * largest))
    return _round_about(graph, scores, centre, min(common, step) if common else step)


def _common_measure(numbers: FloatArray, *, least: float) -> float:
    """The largest number that all of these are multiples of, but for rounding; 0 where it is less than `least`."""
    measure = 0.0
    near = _SAME * float(numbers.max(initial=0.0))
    for number in numbers.tolist():
        larger, smaller = max(measure, number), min(measure, number)
        while smaller > near:
            rest = larger % smaller
            larger, smaller = smaller, 0.0 if smaller - rest <= near else rest
        measure = larger
        if 0.0 < measure < least:
            return 0.0
    return measure


def _round_about(graph: TreeEnsemble, scores: list[_Leaves], centre: float, step: float) -> RoundedTrees:
    base, error = graph.base.copy(), np.array([leaves.error_alike(centre, step) for leaves in scores])
    trees = []
    for tree in graph.trees:
        places = tree.feature == LEAF
        values: FloatArray = np.zeros_like(tree.values)
        for output in range(graph.outputs):
            leaves = _leaves(tree, output)
            if not leaves.any():
                continue
            integers = _nearest(leaves, centre, step)
            values[places, output] = integers - integers.min()
            base[output] += centre + step * float(integers.min())
        trees.append(Tree(tree.feature, tree.edge, tree.left, tree.right, values))
    zero = np.zeros(graph.outputs)
    integral = TreeEnsemble(graph.feature_names, tuple(trees), zero, graph.link, graph.labels, graph.as_float32)
    return RoundedTrees(integral, step, base, error)


def _nearest(leaves: FloatArray, centre: float, step: float) -> FloatArray:
    """Integers. Halves, which rounding of doubles would send either way, are seen as such, and go the same way."""
    nearest: FloatArray = np.rint(np.round((leaves - centre) / step, 7))
    return nearest


def _leaves(tree: Tree, output: int) -> FloatArray:
    leaves: FloatArray = tree.values[tree.feature == LEAF, output]
    return leaves
