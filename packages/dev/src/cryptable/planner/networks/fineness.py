"""How fine a network is rounded where it reaches its scores linearly: bits of scores, of values and of features.

A score is a sum of features and of values that were looked up, each a multiple of a step of its own, times weights that
are whole in the score's unit u. A variable of range r, deviation s and L levels, whose weight is c, adds two errors to
the score: its own rounding, c r / (L sqrt(12)), and that of its weight, u (s L / r) / sqrt(12). Finer levels lessen the
one and add to the other: L = r sqrt(c / (u s)) makes both equal. The scores have as many bits as make all of that less
than what is asked for: each bit more lets lookups bear less noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.graphs.graph import FloatArray
from cryptable.graphs.integers import Grid
from cryptable.graphs.network import SegmentedNetwork
from cryptable.graphs.symbols import widened
from cryptable.planner.networks.input_grid import input_grid

BoolArray: TypeAlias = npt.NDArray[np.bool_]

LEAST_OUTPUT_BITS, MOST_OUTPUT_BITS = 12, 24
_MOST_VALUE_BITS, _LEAST_VALUE_BITS = 8, 2
_MOST_INPUT_BITS = 20
"""Of a feature that a score is made of, where nothing else is asked for, as of a linear model's."""
_MARGIN = 0.1
"""Of its range on the calibration data, such a feature's encoder reaches beyond: a sum does not wrap around there."""


@dataclass(frozen=True, eq=False)
class Fineness:
    """Grid of the features, bits of each layer's values, bits of the scores."""

    inputs: Grid
    value_bits: tuple[int, ...]
    output_bits: int


def choose_fineness(
    network: SegmentedNetwork,
    numbers: FloatArray,
    *,
    input_bits: int,
    layer_bits: int,
    limit: int | None,
    output_bits: int | None,
    error: float,
    is_affordable: Callable[[int, float, bool], bool],
    is_sound: bool = False,
    inputs: Grid | None = None,
) -> Fineness:
    """The fineness with the fewest bits of scores that round them by no more than `error` on average.

    Args:
        network: with layers.
        numbers: all its variables on calibration data, shape (rows, variables).
        input_bits: of a feature that lookups alone read.
        layer_bits: of a feature that both lookups and scores read, at least.
        limit: bits of a feature at most, where that is asked for.
        output_bits: of the scores, where they are given.
        error: root mean square of what rounding may add to a score.
        is_affordable: whether there are keys for scores of as many bits, given the sum of the squares of the weights of
            values in them and whether features add to them too.
        is_sound: whether tables reach as far as sums can, so that wider encoders cost exactness.
        inputs: the grid of the features, where it is given.
    """
    scores = _Scores.of(network, numbers)
    features = len(network.feature_names)
    direct = scores.reached[:features]
    most = 2.0 ** np.where(direct, _MOST_INPUT_BITS if limit is None else limit, input_bits)
    margin = np.where(direct & (not is_sound), _MARGIN, 0.0)
    least = np.where(_read_by_layers(network, features), 2.0**layer_bits, 2.0)
    bits = np.isin(np.arange(features), list(network.indicators))
    natural = _with_bits(input_grid(numbers[:, :features], most, margin), bits) if inputs is None else inputs
    is_natural = direct & ((natural.maximum + 1 < most) | bits | (inputs is not None))
    chosen = LEAST_OUTPUT_BITS if output_bits is None else output_bits
    while True:
        levels = scores.best_levels(chosen)
        levels[:features] = np.clip(levels[:features], np.minimum(least, most), most)
        levels[:features] = np.where(is_natural, natural.maximum + 1, levels[:features])
        levels[features:] = np.clip(levels[features:], 2.0**_LEAST_VALUE_BITS, 2.0**_MOST_VALUE_BITS)
        exact = np.zeros(levels.size, np.bool_)
        exact[:features] = is_natural
        if output_bits is not None or scores.error(chosen, levels, exact) <= error or chosen >= MOST_OUTPUT_BITS:
            break
        if not is_affordable(chosen + 1, scores.squares(chosen + 1, levels, features), bool(direct.any())):
            break
        chosen += 1
    wanted = np.where(direct, np.where(is_natural, most, np.rint(levels[:features])), most)
    if inputs is None:
        inputs = _with_bits(input_grid(numbers[:, :features], wanted, margin), bits)
    return Fineness(inputs, _value_bits(network, levels, scores.reached, features), chosen)


def _with_bits(grid: Grid, bits: BoolArray) -> Grid:
    """With 0 and 1 for features that are that, whatever calibration data have."""
    return Grid(np.where(bits, 0.0, grid.zero), np.where(bits, 1.0, grid.step), np.where(bits, 1, grid.maximum))


def _read_by_layers(network: SegmentedNetwork, features: int) -> BoolArray:
    read = np.zeros(features, np.bool_)
    for layer in network.layers:
        columns = layer.matrix.indices[layer.matrix.data != 0]
        read[columns[columns < features]] = True
    return read


def _value_bits(network: SegmentedNetwork, levels: FloatArray, reached: BoolArray, first: int) -> tuple[int, ...]:
    found = []
    for layer in network.layers:
        mine = slice(first, first + layer.size)
        used = levels[mine][reached[mine]]
        bits = _MOST_VALUE_BITS
        if used.size:
            bits = int(np.clip(np.rint(np.log2(np.median(used))), _LEAST_VALUE_BITS, _MOST_VALUE_BITS))
        found.append(bits)
        first += layer.size
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Scores:
    """Of each variable its weights in the scores, its range and its deviation on calibration data."""

    weights: csr_array
    ranges: FloatArray
    deviations: FloatArray
    reached: BoolArray

    @classmethod
    def of(cls, network: SegmentedNetwork, numbers: FloatArray) -> _Scores:
        weights = abs(widened(network.matrix, numbers.shape[1]))
        reached = np.asarray(weights.sum(axis=0)).ravel() > 0
        return cls(csr_array(weights), np.ptp(numbers, axis=0), numbers.std(axis=0), reached)

    def unit(self, bits: int) -> float:
        reach: float = float((self.weights @ self.ranges).max())
        return max(reach, 1e-300) / 2.0**bits

    def best_levels(self, bits: int) -> FloatArray:
        mean_square = np.asarray(self.weights.multiply(self.weights).mean(axis=0)).ravel()
        there = self.deviations > 0
        shares = np.sqrt(mean_square) / np.where(there, self.unit(bits) * self.deviations, 1.0)
        found: FloatArray = np.where(there, self.ranges * np.sqrt(shares), 2.0)
        return found

    def error(self, bits: int, levels: FloatArray, exact: BoolArray) -> float:
        """Root mean square of what rounding adds to the score where that is most."""
        spread = np.where(self.ranges > 0, self.deviations / np.where(self.ranges > 0, self.ranges, 1.0), 0.0)
        own = np.where(exact, 0.0, np.square(self.ranges / levels))
        there = csr_array(
            (np.ones(self.weights.data.size), self.weights.indices, self.weights.indptr), self.weights.shape
        )
        variance = self.weights.multiply(self.weights) @ own
        variance = variance + there @ np.square(self.unit(bits) * spread * levels)
        return float(np.sqrt(variance.max() / 12))

    def squares(self, bits: int, levels: FloatArray, first: int) -> float:
        """The sum of the squares of the whole weights of looked-up values in a score, where that is most."""
        whole = self.weights.multiply(self.ranges / levels / self.unit(bits))
        squares = np.asarray(csr_array(whole).power(2)[:, first:].sum(axis=1)).ravel()
        return float(squares.max(initial=0.0))
