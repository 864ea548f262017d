"""What each feature, or pair of features, adds to a model's scores: for every kind of graph that is such a sum.

This is the definition, in floats; planners round it such that contributions add up to the score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
from cryptable_protocol.encoding.rows import read_columns

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.additive import AdditiveModel, PairFunction, StepFunction
from cryptable.graphs.curves import CurveModel
from cryptable.graphs.graph import LEAF, FloatArray, LinearModel, ModelGraph, Rows, TreeEnsemble
from cryptable.graphs.path_attribution import attribute
from cryptable.graphs.quadratic import QuadraticModel


@dataclass(frozen=True, eq=False)
class Contributions:
    """score[j] = base[j] + the sum over names of what each adds to it.

    Attributes:
        names: of features that the model reads, in the order of its columns; then of pairs, "first & second".
        base: shape (outputs,).
        of: from rows, as the estimator takes them, to what each name adds: shape (rows, outputs, names).
    """

    names: tuple[str, ...]
    base: FloatArray
    of: Callable[[Rows], FloatArray]


def contributions(graph: ModelGraph) -> Contributions:
    """Of a linear, quadratic or additive model, of curves, or of trees, by path.

    Raises:
        UnsupportedModelError: a pair of features is called as a feature is.
    """
    found: Contributions = _contributions(graph)
    twice = {name for name in found.names if found.names.count(name) > 1}
    if twice:
        raise UnsupportedModelError(
            f"explain='contributions': two contributions are called {min(twice)!r}; rename that feature before fitting"
        )
    return found


@singledispatch
def _contributions(graph: ModelGraph) -> Contributions:
    raise TypeError(f"the scores of {type(graph).__name__} are no sums over features")


@_contributions.register
def _of_linear(graph: LinearModel) -> Contributions:
    """Coefficient times value."""
    used = np.flatnonzero(graph.coefficients.any(axis=1))
    coefficients = graph.coefficients[used].T

    def of(rows: Rows) -> FloatArray:
        added: FloatArray = _numbers(graph, rows)[:, None, used] * coefficients
        return added

    return Contributions(_named(graph, used), graph.intercept, of)


@_contributions.register
def _of_quadratic(graph: QuadraticModel) -> Contributions:
    used = np.flatnonzero(graph.quadratic.any(axis=1) | graph.linear.any(axis=1))

    def of(rows: Rows) -> FloatArray:
        distance = (_numbers(graph, rows) - graph.centre)[:, None, used]
        added: FloatArray = np.square(distance) * graph.quadratic[used].T + distance * graph.linear[used].T
        return added

    return Contributions(_named(graph, used), graph.intercept, of)


@_contributions.register
def _of_curves(graph: CurveModel) -> Contributions:
    parts = sorted(graph.one_by_one(), key=lambda each: each[0])

    def of(rows: Rows) -> FloatArray:
        return np.stack([alone.scores(rows) for _, alone in parts], axis=2)

    return Contributions(_named(graph, [feature for feature, _ in parts]), graph.base, of)


@_contributions.register
def _of_additive(graph: AdditiveModel) -> Contributions:
    parts = additive_parts(graph)

    def of(rows: Rows) -> FloatArray:
        numbers = _numbers(graph, rows)
        return np.stack([alone.scores(numbers) for _, alone in parts], axis=2)

    return Contributions(tuple(name for name, _ in parts), graph.base, of)


def additive_parts(graph: AdditiveModel) -> list[tuple[str, AdditiveModel]]:
    """A model of each feature's functions alone, and of each pair; their names."""
    zero = np.zeros(graph.outputs)

    def alone(functions: tuple[StepFunction, ...], pairs: tuple[PairFunction, ...]) -> AdditiveModel:
        return replace(graph, functions=functions, pairs=pairs, base=zero)

    parts = []
    for feature in sorted({function.feature for function in graph.functions}):
        own = tuple(function for function in graph.functions if function.feature == feature)
        parts.append((graph.feature_names[feature], alone(own, ())))
    for pair in graph.pairs:
        first, second = (graph.feature_names[feature] for feature in pair.features)
        parts.append((f"{first} & {second}", alone((), (pair,))))
    return parts


@_contributions.register
def _of_trees(graph: TreeEnsemble) -> Contributions:
    features = features_asked(graph)
    group_of = {feature: group for group, feature in enumerate(features)}
    trees = [attribute(tree, group_of) for tree in graph.trees]

    def of(rows: Rows) -> FloatArray:
        seen = graph.seen(rows)
        total = np.zeros((seen.shape[0], graph.outputs, len(features)))
        for each in trees:
            total[:, :, : each.added.shape[2]] += each.added[each.tree.leaf_of(seen)]
        return total

    base: FloatArray = graph.base + sum((each.root for each in trees), start=np.zeros(graph.outputs))
    return Contributions(_named(graph, features), base, of)


def features_asked(graph: TreeEnsemble) -> list[int]:
    """Indices of the features that trees ask about, increasing."""
    return sorted({int(each) for tree in graph.trees for each in np.unique(tree.feature) if each != LEAF})


def _named(graph: ModelGraph, features: Iterable[int]) -> tuple[str, ...]:
    return tuple(graph.feature_names[feature] for feature in features)


def _numbers(graph: ModelGraph, rows: Rows) -> FloatArray:
    names = graph.feature_names
    return np.stack(read_columns(names, rows, numeric=[True] * len(names), text=False), axis=1)
