"""Makes additive models smaller: neighbouring bins whose values lie close together become one, and values integers.

Fewer bins are fewer bits to send and, for functions of two features, fewer products or lookups. Functions of one
feature share an error out among them such that they have the fewest bins together, or alike; functions of two features
have the same each, all of it for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cryptable.graphs.additive import AdditiveModel, PairFunction, StepFunction
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.planner.merged_bins import merged, shares_of

_OF_PAIRS = 0.55
"""Of the tolerance, where there are functions of one feature as well: for functions of two."""
_COARSENESS = 2.0
"""Times the error of a function of two features: the step. All of it is for rounding, which merges what is rounded
alike: coarse steps leave small differences of neighbours, and few moduli."""
_ROUNDS, _ENOUGH = 5, 0.998
"""How often an error that is left over is shared out again, and where no more is worth it."""


@dataclass(frozen=True, eq=False)
class Coarsened:
    """score[j] = graph's score[j] * step + base[j], to within error[j]; the values of `graph` are integers.

    `constants` and `errors` are what each function, then each pair, of `graph` has of both, shape (functions + pairs,
    outputs).
    """

    graph: AdditiveModel
    step: float
    base: FloatArray
    error: FloatArray
    constants: FloatArray
    errors: FloatArray


def coarsen(graph: AdditiveModel, *, tolerance: float, fineness: float = 1.0, is_shared: bool = True) -> Coarsened:
    """Merge bins and round values such that no score is off by more than the tolerance.

    Args:
        graph: the model.
        tolerance: largest error of a score.
        fineness: of a model without pairs, how often its step is in the error that a function has on average.
        is_shared: whether functions of one feature may have unlike errors, so that they have fewer bins together.
    """
    functions = _one_a_feature(graph.functions)
    of_pair = tolerance * (_OF_PAIRS if functions else 1.0) / max(1, len(graph.pairs))
    step = of_pair * _COARSENESS if graph.pairs else tolerance / max(1, len(functions)) / fineness
    if functions and graph.pairs:
        step = min(step, 2 * (1 - _OF_PAIRS) * tolerance / len(functions))
    pairs = [_merged(pair.values, of_pair, step) for pair in graph.pairs]
    left = tolerance - float(np.sum([part.error for part in pairs], axis=0).max(initial=0.0))
    parts = _functions([function.values for function in functions], left, step, is_shared=is_shared)
    integral = AdditiveModel(
        graph.feature_names,
        tuple(
            StepFunction(function.feature, part.edges((function.edges,))[0], part.integers)
            for function, part in zip(functions, parts, strict=True)
        ),
        tuple(
            PairFunction(pair.features, part.edges(pair.edges), part.integers)
            for pair, part in zip(graph.pairs, pairs, strict=True)
        ),
        np.zeros(graph.outputs),
        graph.link,
        graph.labels,
        graph.as_float32,
    )
    constants = np.array([part.constant for part in (*parts, *pairs)]).reshape(-1, graph.outputs)
    errors = np.array([part.error for part in (*parts, *pairs)]).reshape(-1, graph.outputs)
    return Coarsened(integral, step, graph.base + constants.sum(axis=0), errors.sum(axis=0), constants, errors)


@dataclass(frozen=True, eq=False)
class _Part:
    """Integers of a function, a constant, and the largest error by output; by axis, the bins at which runs start."""

    integers: FloatArray
    constant: FloatArray
    error: FloatArray
    starts: list[IntArray]

    def edges(self, of: Sequence[FloatArray]) -> tuple[Any, ...]:
        """Of its bins, those of the function's, by axis."""
        return tuple(edges[first[1:] - 1] for edges, first in zip(of, self.starts, strict=True))


def _functions(values: Sequence[FloatArray], error: float, step: float, *, is_shared: bool) -> list[_Part]:
    """Of functions of one feature: what their errors have left over is shared out again."""
    if not values:
        return []
    if not is_shared:
        return [_merged(each, error / len(values), step) for each in values]
    best: list[_Part] | None = None
    asked = error
    for _ in range(_ROUNDS):
        found = [_merged(each, share, step) for each, share in zip(values, shares_of(values, asked, step), strict=True)]
        had = float(np.sum([part.error for part in found], axis=0).max())
        if best is not None and had > error:
            break
        best = found
        if had > _ENOUGH * error:
            break
        asked *= error / had
    return best or []


def _merged(values: FloatArray, error: float, step: float) -> _Part:
    starts, near = merged(values, error, step)
    return _Part(*_round(near, values, starts, step), starts)


def _one_a_feature(functions: Sequence[StepFunction]) -> list[StepFunction]:
    """The sum of all functions of one feature, for each feature."""
    by_feature: dict[int, list[StepFunction]] = {}
    for function in functions:
        by_feature.setdefault(function.feature, []).append(function)
    result = []
    for feature, parts in sorted(by_feature.items()):
        edges = np.unique(np.concatenate([part.edges for part in parts]))
        below = np.r_[-np.inf, edges]
        values = np.add.reduce([part.values[np.searchsorted(part.edges, below, side="right")] for part in parts])
        result.append(StepFunction(feature, edges, values))
    return result


def _round(
    middle: FloatArray, values: FloatArray, starts: Sequence[IntArray], step: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Integers, a constant by output, and the largest error by output: values = constant + step * integers."""
    axes = tuple(range(middle.ndim - 1))
    constant = middle.min(axis=axes)
    integers = np.rint((middle - constant) / step)
    spread = integers
    for axis, each in enumerate(starts):
        spread = spread.repeat(np.diff(np.r_[each, values.shape[axis]]), axis=axis)
    difference = values - (constant + step * spread)
    low, high = difference.min(axis=axes), difference.max(axis=axes)
    return integers, constant + (low + high) / 2, (high - low) / 2
