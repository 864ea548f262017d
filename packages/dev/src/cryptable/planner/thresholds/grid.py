"""Where a model's thresholds are told from: its own, or moved to a grid that the client may know.

The client specification shows the edges that the client compares with. With a grid it shows all of the grid, whichever
of its numbers the model asks about, and so nothing of the model's thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from cryptable_protocol import CategoricalEncoder, InvalidInputError

from cryptable.graphs.additive import AdditiveModel, PairFunction, StepFunction
from cryptable.graphs.graph import LEAF, MISSING_EDGE, FloatArray, ModelGraph, Tree, TreeEnsemble
from cryptable.planner.planned_model import ThresholdDisclosure

Edges: TypeAlias = str | npt.ArrayLike | Mapping[str, npt.ArrayLike]
"""As `compile` takes them: "model", "quantile", "uniform", one grid for all columns, or one for each by its name."""

MOST_BINS = 1024


@dataclass(frozen=True, eq=False)
class SnappedModel:
    """A graph whose thresholds lie on a grid: increasing numbers, by column that the graph compares."""

    graph: TreeEnsemble | AdditiveModel
    grid: Mapping[int, FloatArray]
    told: ThresholdDisclosure


def snap(graph: ModelGraph, rows: FloatArray, edges: Edges, *, bins: int) -> SnappedModel:
    """Move every threshold to the number of the grid that changes its answer for the fewest rows.

    Args:
        graph: trees or step functions.
        rows: calibration data, as the graph's `scores` takes them.
        edges: anything but "model".
        bins: that "quantile" and "uniform" cut a column into.

    Raises:
        InvalidInputError: no such choice, a grid that is not increasing, or none for a column that is compared.
    """
    if not isinstance(graph, TreeEnsemble | AdditiveModel):
        raise InvalidInputError(
            f"edges={_shown(edges)} is for models of trees and additive ones alone, which only compare numbers with "
            "thresholds; leave edges='model'"
        )
    seen = graph.seen(rows) if isinstance(graph, TreeEnsemble) else np.asarray(rows, np.float64)
    grid = {
        column: _grid_of(column, graph.feature_names, seen[:, column], edges, bins)
        for column in sorted(_compared(graph))
    }
    nearest = {column: _Snap(numbers, np.sort(seen[:, column])) for column, numbers in grid.items()}
    snapped = _trees(graph, nearest) if isinstance(graph, TreeEnsemble) else _steps(graph, nearest)
    difference = np.abs(snapped.scores(rows) - graph.scores(rows)).max(axis=1)
    kind = edges if isinstance(edges, str) else "public"
    return SnappedModel(snapped, grid, ThresholdDisclosure(kind, float(difference.max()), float(difference.mean())))


def _compared(graph: TreeEnsemble | AdditiveModel) -> set[int]:
    """Columns of numbers that some finite threshold is compared with."""
    if isinstance(graph, AdditiveModel):
        columns = {function.feature for function in graph.functions if function.edges.size}
        return columns | {feature for pair in graph.pairs for feature in pair.features}
    found: set[int] = set()
    for tree in graph.trees:
        asks = (tree.feature != LEAF) & np.isfinite(tree.edge) & (tree.edge != MISSING_EDGE)
        found.update(tree.feature[asks].tolist())
    return {column for column in found if not isinstance(graph.gaps.get(column), CategoricalEncoder)}


def _grid_of(column: int, names: Sequence[str], seen: FloatArray, edges: Edges, bins: int) -> FloatArray:
    name = names[column]
    if isinstance(edges, str):
        there = seen[np.abs(seen) < MISSING_EDGE]
        if not there.size:
            raise InvalidInputError(f"edges={edges!r}: feature {name!r} has no number in the calibration data")
        low, high = float(there.min()), float(there.max())
        numbers: FloatArray
        if edges == "quantile":
            numbers = np.unique(np.quantile(there, np.linspace(0, 1, bins + 1)[1:-1]))
        elif edges == "uniform":
            numbers = np.unique(np.linspace(low, high, bins + 1)[1:-1])
        else:
            raise InvalidInputError(
                f"edges is {edges!r}, expected 'model', 'quantile', 'uniform', or a grid of your own: increasing "
                "numbers for all columns, or by the column's name"
            )
        return numbers
    if isinstance(edges, Mapping):
        if name not in edges:
            raise InvalidInputError(
                f"edges has no grid for feature {name!r}, which the model compares with thresholds; it has some for: "
                f"{', '.join(map(str, list(edges)[:5]))}"
            )
        given = edges[name]
    else:
        given = edges
    return _checked(given, name)


def _checked(given: npt.ArrayLike, name: str) -> FloatArray:
    try:
        numbers = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"edges: the grid of feature {name!r} is not of numbers: {error}") from error
    if numbers.ndim != 1 or not numbers.size or not np.isfinite(numbers).all() or (np.diff(numbers) <= 0).any():
        raise InvalidInputError(
            f"edges: the grid of feature {name!r} must be finite, strictly increasing numbers, at least one; "
            f"got shape {numbers.shape}"
        )
    if numbers.size >= MOST_BINS:
        raise InvalidInputError(
            f"edges: the grid of feature {name!r} has {numbers.size} numbers, at most {MOST_BINS - 1} are taken: each "
            "is a ciphertext that a client sends"
        )
    return numbers


class _Snap:
    """Moves thresholds of one column to its grid."""

    def __init__(self, grid: FloatArray, ordered: FloatArray) -> None:
        self._grid = grid
        self._ordered = ordered

    def __call__(self, thresholds: FloatArray) -> FloatArray:
        """Of the grid's numbers on both sides, the one with fewer rows on the way, then the nearer one."""
        above = np.searchsorted(self._grid, thresholds).clip(max=self._grid.size - 1)
        below = np.maximum(above - 1, 0)
        ranks = np.searchsorted(self._ordered, thresholds)
        change = [np.abs(np.searchsorted(self._ordered, self._grid[side]) - ranks) for side in (below, above)]
        distance = [np.abs(self._grid[side] - thresholds) for side in (below, above)]
        takes_below = (change[0] < change[1]) | ((change[0] == change[1]) & (distance[0] < distance[1]))
        snapped: FloatArray = self._grid[np.where(takes_below, below, above)]
        return snapped


def _trees(graph: TreeEnsemble, nearest: Mapping[int, _Snap]) -> TreeEnsemble:
    return replace(graph, trees=tuple(_tree(tree, nearest) for tree in graph.trees))


def _tree(tree: Tree, nearest: Mapping[int, _Snap]) -> Tree:
    edge = tree.edge.copy()
    for column in set(tree.feature.tolist()) & set(nearest):
        asks = (tree.feature == column) & np.isfinite(edge) & (edge != MISSING_EDGE)
        edge[asks] = nearest[column](edge[asks])
    return replace(tree, edge=edge)


def _steps(graph: AdditiveModel, nearest: Mapping[int, _Snap]) -> AdditiveModel:
    functions = []
    for function in graph.functions:
        if function.edges.size:
            edges, kept = _merged(nearest[function.feature](function.edges))
            functions.append(StepFunction(function.feature, edges, function.values[kept]))
    pairs = []
    for pair in graph.pairs:
        (first, rows), (second, columns) = (
            _merged(nearest[feature](edges)) for feature, edges in zip(pair.features, pair.edges, strict=True)
        )
        pairs.append(PairFunction(pair.features, (first, second), pair.values[rows][:, columns]))
    return replace(graph, functions=tuple(functions), pairs=tuple(pairs))


def _merged(snapped: FloatArray) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Distinct edges, and which of the values between edges are kept: those after the last of equal ones."""
    distinct = np.unique(snapped)
    after = np.searchsorted(snapped, distinct, side="right")
    return distinct, np.concatenate([[0], after]).astype(np.int64)


def _shown(edges: Edges) -> str:
    return repr(edges) if isinstance(edges, str) else "a grid"
