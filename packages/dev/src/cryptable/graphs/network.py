"""SegmentedNetwork, QuantizedNetwork: networks as layers of univariate functions, with affine maps between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from cryptable_protocol import Labels, Link
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.graphs.graph import FloatArray
from cryptable.graphs.symbols import widened


@dataclass(frozen=True, eq=False)
class Layer:
    """Functions that are evaluated side by side, one an element, each of one affine sum of the variables before.

    sums = variables @ matrix.T + offset, of shape (rows, size). `function` takes one number for each element, shape
    (size,), and gives theirs. Its values are the next variables. Where they are a tensor of channels of a grid, `shape`
    is (channels, *grid).
    """

    name: str
    matrix: csr_array
    offset: FloatArray
    function: Callable[[FloatArray], FloatArray]
    shape: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """Elements: lookups of one prediction."""
        return int(self.offset.shape[0])

    def sums(self, variables: FloatArray) -> FloatArray:
        """What the functions are of: shape (rows, variables before) to (rows, size)."""
        matrix = widened(self.matrix, variables.shape[1])
        total: FloatArray = (matrix @ variables.T).T + self.offset
        return total

    def values(self, sums: FloatArray) -> FloatArray:
        """The functions of sums, shape (rows, size)."""
        if not len(sums):
            return sums
        return np.stack([self.function(row) for row in sums])


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureBits(Layer):
    """Bits of one `feature` that is a category 0, 1, ...: bit k is 1 where it is above k. Clients make them."""

    feature: int

    @classmethod
    def of(cls, feature: int, categories: int) -> FeatureBits:
        """All bits that tell so many categories apart."""
        size = categories - 1
        matrix = csr_array((np.ones(size), (np.arange(size), np.full(size, feature))), shape=(size, feature + 1))
        return cls(
            f"categories of feature {feature}",
            matrix,
            np.zeros(size),
            lambda sums: (sums > np.arange(size) + 0.5).astype(np.float64),
            feature=feature,
        )


@dataclass(frozen=True, eq=False)
class SegmentedNetwork:
    """What a network computes of one row: variables are its features, then the values of each layer.

    score = variables @ matrix.T + offset. `indicators` are the features that are 0 or 1 in whatever row; `shape` is
    that of the features, (channels, *grid), where they are such a tensor.
    """

    feature_names: tuple[str, ...]
    layers: tuple[Layer, ...]
    matrix: csr_array
    offset: FloatArray
    link: Link
    labels: Labels | None
    indicators: frozenset[int] = frozenset()
    shape: tuple[int, ...] | None = None

    @property
    def outputs(self) -> int:
        """Scores a row."""
        return int(self.offset.shape[0])

    def variables(self, rows: FloatArray) -> FloatArray:
        """All variables, shape (rows, variables)."""
        known = np.asarray(rows, np.float64)
        for layer in self.layers:
            known = np.concatenate([known, layer.values(layer.sums(known))], axis=1)
        return known

    def scores(self, rows: FloatArray) -> FloatArray:
        """Scores before the link, shape (rows, outputs)."""
        return self.scores_of(self.variables(rows))

    def scores_of(self, known: FloatArray) -> FloatArray:
        """Scores of all variables, shape (rows, variables)."""
        total: FloatArray = (widened(self.matrix, known.shape[1]) @ known.T).T + self.offset
        return total


class QuantizedNetwork(SegmentedNetwork):
    """One that was trained with quantizers: all that is multiplied by weights has a step, and so have the weights."""
