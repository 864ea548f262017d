"""Tables of functions of distances: one step for all, and neither line nor room for what is far off."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.graph import FloatArray
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer
from cryptable.planner.levelled.one_layer.tables import Tables

_UNSEEN = 0.05
"""Weight of sums that calibration data did not have, all together."""
_BLURRED = 64
"""Part of a neuron's sums over which how often they occur is averaged, on both sides of each."""
_NOTHING = 1e-9


def is_one_sided(layer: HiddenLayer) -> bool:
    """Whether some score adds up distances with weights of one sign, mostly, as those of what is unusual do.

    Any constant will do where one half of a turn holds all: the middle of a function's ends makes it go on beyond them,
    and scores' bounds least. But far beyond, functions rise again: they would make usual what is none. With the
    constant of its far end, a function falls there, to the negative of what it is near by.
    """
    total = np.abs(layer.weights.sum(axis=0))
    return layer.is_of_distances and bool((total > np.abs(layer.weights).sum(axis=0) / 2).any())


def tables_of_distances(
    layer: HiddenLayer, sums: FloatArray, low: FloatArray, high: FloatArray, reach: float, positions: int
) -> Tables:
    """Each neuron's function over its own range of sums, by a step that is the same for all.

    What lies `reach` apart shares an entry, with the other sign: h(z + reach) = −h(z). Where both occur, the entry is
    the mean, by how often they do. A decaying function loses little so, since few rows are near a vector that others
    are far from; half the reach is half the step. There is no line: with one, tables would be many times as wide, and
    scores' bounds too.

    Args:
        layer: of which the functions are.
        sums: that occur, shape (rows, neurons).
        low: least sum that counts, shape (neurons,).
        high: greatest one, likewise.
        reach: of one half of a turn, in the unit of the sums.
        positions: of a table.
    """
    step = reach / (positions - 1)
    count = max(positions, int(np.ceil((high - low).max() / step)) + 1)
    centres = low + np.arange(count)[:, None] * step
    values = layer.function(centres)
    weight = _weights(sums, low, high, centres, step)
    held, total = np.zeros((2, positions, layer.neurons)), np.zeros((2, positions, layer.neurons))
    for begin in range(0, count, positions):
        half, size = begin // positions % 2, min(positions, count - begin)
        total[half, :size] += weight[begin : begin + size]
        held[half, :size] += (weight * values)[begin : begin + size]
    mean = held / np.maximum(total, 1e-300)
    # Of entries that are shared, the squared error is shared · (first + second − 2 constant)²: least for their mean.
    shared = total[0] * total[1] / total.sum(axis=0)
    both = shared.sum(axis=0)
    ends = values[count - 1] if is_one_sided(layer) else (values[0] + values[count - 1]) / 2
    constant = np.where(both > _NOTHING, (shared * mean.sum(axis=0) / 2).sum(axis=0) / np.maximum(both, 1e-300), ends)
    table = (held[0] - held[1] - constant * (total[0] - total[1])) / total.sum(axis=0)
    slopes = np.gradient(values, axis=0) / step
    mean_slope = (weight * slopes).sum(axis=0) / weight.sum(axis=0)
    bend = np.sqrt((weight * (slopes - mean_slope) ** 2).sum(axis=0) / weight.sum(axis=0))
    nothing = np.zeros(layer.neurons)
    return Tables(positions, low, np.full(layer.neurons, step), nothing, constant, mean_slope, bend, table)


def _weights(sums: FloatArray, low: FloatArray, high: FloatArray, centres: FloatArray, step: float) -> FloatArray:
    """Of the positions, how often sums are near: shape (count, neurons)."""
    count = len(centres)
    place = np.clip(np.rint((sums - low) / step), 0, count - 1).astype(np.int64)
    found = np.zeros(centres.shape)
    np.add.at(found, (place, np.arange(sums.shape[1])), 1.0)
    side = max(1, count // _BLURRED)
    added = np.cumsum(np.pad(found, ((side + 1, side), (0, 0))), axis=0)
    found = added[2 * side + 1 :] - added[: -2 * side - 1]
    inside = centres <= high + step
    weight: FloatArray = (1 - _UNSEEN) * found / found.sum(axis=0) + _UNSEEN * inside / inside.sum(axis=0) + 1e-15
    return weight
