"""IntegerNetwork: a network of integers, layer by layer: all that a Circuit needs, before it is laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from cryptable_engine.circuit.circuit import Lookup
from cryptable_engine.circuit.interpreter import read_around
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.symbols import widened

Edges: TypeAlias = Mapping[int, FloatArray]
"""By the variable, the least numbers of each integer but 0, rising: where an encoder is to compare with them."""


@dataclass(frozen=True, eq=False)
class Grid:
    """What integers stand for, one entry a variable: number = zero + step * integer, the integer in 0 .. maximum.

    A variable whose maximum is 0 is the constant `zero`.
    """

    zero: FloatArray
    step: FloatArray
    maximum: IntArray

    @property
    def size(self) -> int:
        """Variables."""
        return int(self.zero.shape[0])

    def followed_by(self, other: Grid) -> Grid:
        """Both, one after the other."""
        return Grid(
            np.concatenate([self.zero, other.zero]),
            np.concatenate([self.step, other.step]),
            np.concatenate([self.maximum, other.maximum]),
        )

    def encode(self, numbers: FloatArray) -> IntArray:
        """The nearest integers to numbers of shape (rows, variables), as encoders of this grid send them."""
        found: IntArray = np.clip(np.rint((numbers - self.zero) / self.step), 0, self.maximum).astype(np.int64)
        return found

    def encode_by(self, edges: Edges, numbers: FloatArray) -> IntArray:
        """As `encode`, but for variables with edges: how many of them a number reaches."""
        found = self.encode(numbers)
        for variable, least in edges.items():
            found[:, variable] = np.searchsorted(least, numbers[:, variable], side="right")
        return found

    def numbers(self, integers: IntArray) -> FloatArray:
        """What integers of shape (rows, variables) stand for."""
        found: FloatArray = self.zero + self.step * integers
        return found


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """Lookups side by side: source = integers @ weights.T + offset, and a table each.

    `tables` has shape (size, 2^width), `mirrors` (size,). `elements` says which of the float layer's `outputs`
    these are; the others are constants. `shape` is the float layer's.
    """

    name: str
    weights: csr_array
    offset: IntArray
    width: int
    dropped_bits: int
    tables: IntArray
    mirrors: IntArray
    elements: IntArray
    outputs: int
    shape: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """Lookups."""
        return int(self.offset.shape[0])

    def lookup(self, source: int) -> Lookup:
        """As a node of a circuit; equal tables are there once."""
        keys = np.column_stack([self.tables, self.mirrors])
        distinct, table_of = np.unique(keys, axis=0, return_inverse=True)
        tables, mirrors = np.ascontiguousarray(distinct[:, :-1]), np.ascontiguousarray(distinct[:, -1])
        return Lookup(source, tables, table_of.reshape(-1).astype(np.int64), self.dropped_bits, mirrors)

    def sources(self, integers: IntArray) -> IntArray:
        """What is looked up: shape (rows, variables before) to (rows, size)."""
        weights = widened(self.weights, integers.shape[1])
        total: IntArray = (weights @ integers.T).T + self.offset
        return total

    def values(self, sources: IntArray) -> IntArray:
        """What is found, shape (rows, size)."""
        return read_around(self.lookup(0), sources.T).T


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """Integers from the inputs to the scores: score = (integers @ weights.T) * step + base, one of each an output.

    Where inputs have `edges`, numbers in the middle between two integers are read as a quantizer reads them. `shape` is
    that of the inputs, where they are channels of a grid.
    """

    grid: Grid
    inputs: int
    layers: tuple[IntegerLayer, ...]
    weights: csr_array
    step: float
    base: FloatArray
    edges: Edges = field(default_factory=dict)
    shape: tuple[int, ...] | None = None

    @property
    def input_grid(self) -> Grid:
        """Of the inputs alone."""
        grid, count = self.grid, self.inputs
        return Grid(grid.zero[:count], grid.step[:count], grid.maximum[:count])

    def integers(self, inputs: IntArray, *, deviation: float = 0.0, rng: np.random.Generator | None = None) -> IntArray:
        """All variables for encoded rows, shape (rows, inputs) to (rows, variables).

        Args:
            inputs: encoded rows.
            deviation: of the noise that each lookup meets, in positions of its table.
            rng: that the noise is drawn from.
        """
        known = inputs
        for layer in self.layers:
            sources = layer.sources(known)
            if rng is not None:
                noise = rng.normal(0.0, deviation * 2.0**layer.dropped_bits, sources.shape)
                sources = np.floor(sources + noise + 0.5).astype(np.int64)
            known = extended(known, layer, layer.values(sources))
        return known

    def scores(self, inputs: IntArray, *, deviation: float = 0.0, rng: np.random.Generator | None = None) -> FloatArray:
        """Scores of encoded rows, shape (rows, outputs); noise as for `integers`."""
        known = self.integers(inputs, deviation=deviation, rng=rng)
        total: FloatArray = (widened(self.weights, known.shape[1]) @ known.T).T * self.step + self.base
        return total

    def with_outputs(self, weights: csr_array, step: float, base: FloatArray) -> IntegerNetwork:
        """The same layers, read out otherwise."""
        return replace(self, weights=weights, step=step, base=base)


def extended(known: IntArray, layer: IntegerLayer, values: IntArray) -> IntArray:
    """Integers of the variables before a layer, followed by the layer's; those that are not looked up are 0."""
    full = np.zeros((known.shape[0], layer.outputs), np.int64)
    full[:, layer.elements] = values
    return np.concatenate([known, full], axis=1)
