"""AdditiveModel: a model graph whose scores are sums of step functions of one feature, or of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from cryptable_protocol import Labels, Link

from cryptable.graphs.graph import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class StepFunction:
    """Adds values[k] to the scores, where k is the number of edges e with x >= e.

    `edges` is strictly increasing, shape (edges,); `values` has shape (edges + 1, outputs).
    """

    feature: int
    edges: FloatArray
    values: FloatArray


@dataclass(frozen=True, eq=False)
class PairFunction:
    """Adds values[k, l] to the scores: k and l count the edges that each of two features reaches.

    `values` has shape (edges of the first + 1, edges of the second + 1, outputs).
    """

    features: tuple[int, int]
    edges: tuple[FloatArray, FloatArray]
    values: FloatArray


@dataclass(frozen=True, eq=False)
class AdditiveModel:
    """score[j] = base[j] + the sum over functions and pairs of what they add to score j.

    Numbers are rounded to float32 before they meet an edge where `as_float32`.
    """

    feature_names: tuple[str, ...]
    functions: tuple[StepFunction, ...]
    pairs: tuple[PairFunction, ...]
    base: FloatArray
    link: Link
    labels: Labels | None
    as_float32: bool = False

    @property
    def outputs(self) -> int:
        """Scores a row."""
        return int(self.base.shape[0])

    def scores(self, rows: FloatArray) -> FloatArray:
        """Scores before the link, shape (rows, outputs), in double precision."""
        seen = rows.astype(np.float32).astype(np.float64) if self.as_float32 else rows
        total = np.tile(self.base, (rows.shape[0], 1))
        for function in self.functions:
            total += function.values[_reached(function.edges, seen[:, function.feature])]
        for pair in self.pairs:
            first, second = (
                _reached(edges, seen[:, feature]) for edges, feature in zip(pair.edges, pair.features, strict=True)
            )
            total += pair.values[first, second]
        return total


def _reached(edges: FloatArray, column: FloatArray) -> IntArray:
    return np.searchsorted(edges, column, side="right").astype(np.int64)
