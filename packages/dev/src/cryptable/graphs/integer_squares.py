"""IntegerSquares: a network of squares in the integers that are computed with; TrainedSquares: one trained as such."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from cryptable_protocol import Labels, Link
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.integers import Edges, Grid

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class IntegerSquares:
    """Weights and offsets of each layer, and what one unit of the scores is; the last offset is left to the decoder.

    values = (weights @ values + offset)² layer by layer, but for the last one, of weights alone: score = that times
    `unit` plus `base`. `grids` are the shapes, (channels, *extents), of the levels and of the first layer's values,
    where that is a convolution, whose matrix may be sparse then.
    """

    weights: tuple[IntArray | csr_array, ...]
    offsets: tuple[IntArray, ...]
    unit: float
    base: FloatArray
    grids: tuple[Shape, Shape] | None = None

    def sums(self, levels: IntArray) -> FloatArray:
        """Of the last layer, without an offset; shape (rows, outputs). In doubles, which ranks candidates well."""
        values: FloatArray = levels.astype(np.float64)
        for weights, offset in zip(self.weights[:-1], self.offsets, strict=True):
            values = np.square(np.asarray(values @ weights.T, np.float64) + offset)
        total: FloatArray = values @ self.weights[-1].T
        return total

    def scores(self, levels: IntArray) -> FloatArray:
        """As clients decode them."""
        return self.sums(levels) * self.unit + self.base

    def rescaled(self, scale: float, shift: FloatArray) -> IntegerSquares:
        """With scores that are `scale` times these, plus `shift`."""
        return replace(self, unit=self.unit * scale, base=self.base * scale + shift)

    def without_idle(self) -> IntegerSquares:
        """The same scores without neurons that are constant, or that nothing reads; a convolution keeps its grid."""
        weights, offsets, base = list(self.weights), list(self.offsets), self.base
        first = 0 if self.grids is None else 1
        for index in range(first, len(offsets)):
            moves = weights[index].any(axis=1)
            idle = np.square(np.where(moves, 0, offsets[index]))
            if index + 1 < len(offsets):
                offsets[index + 1] = offsets[index + 1] + weights[index + 1] @ idle
            else:
                base = base + (weights[index + 1] @ idle) * self.unit
            weights[index], offsets[index] = weights[index][moves], offsets[index][moves]
            weights[index + 1] = weights[index + 1][:, moves]
        for index in reversed(range(first, len(offsets))):
            read = weights[index + 1].any(axis=0)
            weights[index], offsets[index] = weights[index][read], offsets[index][read]
            weights[index + 1] = weights[index + 1][:, read]
        return replace(self, weights=tuple(weights), offsets=tuple(offsets), base=base)


@dataclass(frozen=True, eq=False)
class TrainedSquares:
    """A model graph: integers of features' levels, on `grid` and by `edges`, and what their scores mean.

    Estimators of `cryptable.neural` with activation="square" make it, by `trained_integers`.
    """

    network: IntegerSquares
    grid: Grid
    link: Link
    labels: Labels | None
    feature_names: tuple[str, ...] = ()
    edges: Edges = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        """Scores a row."""
        return int(self.network.base.shape[0])

    def scores(self, rows: FloatArray) -> FloatArray:
        """Scores before the link, shape (rows, outputs): those of the integers that the client's encoders make."""
        return self.network.scores(self.grid.encode_by(self.edges, rows))
