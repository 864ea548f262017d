"""From a network that was trained with quantizers to the very integers that it computes with, all scales kept.

Features go through one quantizer each, which is the client's. After that, every sum is of integers, in a unit that its
weights tell, and every chain of functions is a table over all integers that its sum can be.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, vstack  # type: ignore[import-untyped]

from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.integers import Grid, IntegerLayer, IntegerNetwork
from cryptable.graphs.network import Layer, QuantizedNetwork
from cryptable.graphs.symbols import widened
from cryptable.planner.networks.input_quantizers import InputQuantizer, find_input_quantizer
from cryptable.planner.networks.staircase import MAX_WIDTH, Staircase, climb
from cryptable.planner.networks.units import unit_of
from cryptable.planner.settings import RangeChoice

_MOST_INTEGERS = 1 << 16
_MARGIN = 0.5
"""Of the width of what calibration data reach, a table reaches further on each side, unless its range is sound."""


class _State(NamedTuple):
    """How integers tell the variables of a traced network: variable = matrix @ (zero + step * integer) + offset."""

    grid: Grid
    matrix: csr_array
    offset: FloatArray


def keep_integers(network: QuantizedNetwork, rows: FloatArray, ranges: RangeChoice) -> IntegerNetwork:
    """The integers of a network with quantizers.

    Args:
        network: traced.
        rows: calibration data, shape (rows, features).
        ranges: "sound" for tables over all integers that sums can be; else over what calibration data reach, and half
            as much again on either side.

    Raises:
        UnsupportedModelError: a missing quantizer, weights or sums without a step, tables that are too wide; names the
            layer.
    """
    numbers = network.variables(rows)
    features = rows.shape[1]
    state = _inputs(network, rows, features)
    layers: list[IntegerLayer] = []
    first = features
    for layer in network.layers:
        columns = layer.matrix.indices
        seen = numbers[:, : layer.matrix.shape[1]]
        if columns.size and (columns < features).all():
            state = _add_input_layer(state, layer)
        else:
            if (columns < features).any():
                raise UnsupportedModelError(_unquantized(layer.name))
            made, state = _add_layer(state, layer, layer.sums(seen), ranges)
            layers.append(made)
        first += layer.size
    matrix, offset = _of_integers(state, network.matrix, network.offset)
    if network.matrix.indices.size and (network.matrix.indices < features).any():
        raise UnsupportedModelError(_unquantized("the last"))
    return _scores(state.grid, features, tuple(layers), matrix, offset)


def _unquantized(name: str) -> str:
    return (
        f"layer {name!r} computes with features that no quantizer has rounded; begin the network with a QuantIdentity, "
        "and let every other layer take its values"
    )


def _inputs(network: QuantizedNetwork, rows: FloatArray, features: int) -> _State:
    """Encoders of the features, from the quantizers that are the first to see them."""
    zero, step, maximum = np.zeros(features), np.ones(features), np.zeros(features, np.int64)
    for layer in network.layers:
        matrix = widened(layer.matrix, max(layer.matrix.shape[1], features))
        if not matrix.indices.size or (matrix.indices >= features).any():
            continue
        if (np.diff(matrix.indptr) != 1).any():
            raise UnsupportedModelError(_unquantized(layer.name))
        found = find_input_quantizer(layer, layer.sums(rows))
        _take_over(layer, matrix, found, zero, step, maximum)
    empty = csr_array((features, features))
    return _State(Grid(zero, step, maximum), empty, np.zeros(features))


def _take_over(
    layer: Layer, matrix: csr_array, found: InputQuantizer, zero: FloatArray, step: FloatArray, maximum: IntArray
) -> None:
    factors = matrix.data
    # Where a sum falls as its feature rises, the encoder starts at the other end.
    start = np.where(factors > 0, found.lowest, found.lowest + found.step * found.maximum)
    lower, width = (start - layer.offset) / factors, found.step / np.abs(factors)
    for element, feature in enumerate(matrix.indices.tolist()):
        mine = (lower[element], width[element], found.maximum[element])
        if maximum[feature] and not np.allclose((zero[feature], step[feature], maximum[feature]), mine, rtol=1e-9):
            raise UnsupportedModelError(
                f"layer {layer.name!r} rounds feature {feature} again, in another way than a layer before; let one "
                "QuantIdentity round the features, and use its values everywhere"
            )
        zero[feature], step[feature], maximum[feature] = mine


def _add_input_layer(state: _State, layer: Layer) -> _State:
    """Its values are multiples of what the encoders tell: the same factors, without the rounding."""
    matrix = widened(layer.matrix, state.grid.size)
    return _extended(state, matrix, layer.offset)


def _extended(state: _State, matrix: csr_array, offset: FloatArray) -> _State:
    columns = matrix.shape[1]
    joined = csr_array(vstack([widened(state.matrix, columns), matrix], format="csr"))
    return _State(state.grid, joined, np.concatenate([state.offset, offset]))


def _of_integers(state: _State, matrix: csr_array, offset: FloatArray) -> tuple[csr_array, FloatArray]:
    """A map of the network's variables as one of integers."""
    of_variables = widened(matrix, state.matrix.shape[0])
    of_numbers = csr_array(of_variables @ widened(state.matrix, state.grid.size))
    base = of_numbers @ state.grid.zero + of_variables @ state.offset + offset
    found = csr_array(of_numbers.multiply(state.grid.step))
    found.eliminate_zeros()
    found.sort_indices()
    return found, base


def _whole(steps: csr_array, name: str) -> tuple[csr_array, FloatArray]:
    """Rows of a matrix as whole multiples of a unit each."""
    units, known = np.ones(steps.shape[0]), {}
    weights = np.zeros(steps.data.size, np.int64)
    for row in range(steps.shape[0]):
        part = slice(steps.indptr[row], steps.indptr[row + 1])
        key = np.unique(np.abs(steps.data[part])).tobytes()
        if key not in known:
            known[key] = unit_of(steps.data[part])
        unit = known[key]
        if unit is None:
            raise UnsupportedModelError(
                f"layer {name!r}: what it adds up has no common step: a weight is not quantized (use QuantLinear or "
                "QuantConv2d), or tensors of different scales are added (let one QuantIdentity quantize both)"
            )
        units[row] = unit
        weights[part] = np.rint(steps.data[part] / unit)
    return csr_array((weights, steps.indices, steps.indptr), shape=steps.shape), units


def _add_layer(state: _State, layer: Layer, sums: FloatArray, ranges: RangeChoice) -> tuple[IntegerLayer, _State]:
    steps, base = _of_integers(state, layer.matrix, layer.offset)
    weights, units = _whole(steps, layer.name)
    low, high = _range_of(weights, state.grid.maximum)
    if ranges != "sound":
        seen = np.rint((sums - base) / units)
        least, most = seen.min(axis=0).astype(np.int64), seen.max(axis=0).astype(np.int64)
        margin = np.ceil(_MARGIN * (most - least)).astype(np.int64)
        low, high = np.maximum(low, least - margin), np.minimum(high, most + margin)
    tables, zero, step, maximum = _tables(layer, low, high, units, base)
    stairs = _climb_all(tables, low, maximum)
    kept = np.flatnonzero(maximum > 0)
    if not kept.size:
        raise ConstantModelError(f"layer {layer.name!r} has the same values for every input")
    made = _lookups(layer, weights, kept, [stairs[element] for element in kept])
    grid = state.grid.followed_by(Grid(zero, step, maximum))
    identity = csr_array(
        (np.ones(layer.size), (np.arange(layer.size), state.grid.size + np.arange(layer.size))),
        shape=(layer.size, grid.size),
    )
    return made, _extended(_State(grid, state.matrix, state.offset), identity, np.zeros(layer.size))


def _range_of(weights: csr_array, maximum: IntArray) -> tuple[IntArray, IntArray]:
    ends = csr_array(weights.multiply(maximum))
    low = np.asarray(ends.minimum(0).sum(axis=1)).ravel().astype(np.int64)
    high = np.asarray(ends.maximum(0).sum(axis=1)).ravel().astype(np.int64)
    return low, high


def _tables(
    layer: Layer, low: IntArray, high: IntArray, units: FloatArray, base: FloatArray
) -> tuple[list[IntArray], FloatArray, FloatArray, IntArray]:
    """For each element the levels of its values at the integers from low to high, and what the levels stand for."""
    count = int((high - low).max()) + 1
    if count > _MOST_INTEGERS:
        raise UnsupportedModelError(
            f"layer {layer.name!r}: its sums can be {count} integers, expected at most {_MOST_INTEGERS}; use fewer "
            "bits for its weights or its inputs"
        )
    integers = np.minimum(low + np.arange(count)[:, None], high)
    values = layer.values(integers * units + base)
    zero = values.min(axis=0)
    step, maximum = np.ones(layer.size), np.zeros(layer.size, np.int64)
    tables = []
    known: dict[bytes, float | None] = {}
    for element in range(layer.size):
        column = values[: high[element] - low[element] + 1, element]
        distinct = np.unique(column - zero[element])
        key = distinct.tobytes()
        if key not in known:
            known[key] = unit_of(distinct) if distinct.size <= 1 << MAX_WIDTH else None
        unit = known[key]
        if unit is None:
            raise UnsupportedModelError(
                f"layer {layer.name!r} has values of no common step: nothing quantizes them before they are multiplied "
                "by weights; put a QuantIdentity or QuantReLU behind it"
            )
        step[element] = unit
        tables.append(np.rint((column - zero[element]) / unit).astype(np.int64))
        maximum[element] = tables[-1].max()
    return tables, zero, step, maximum


def _climb_all(tables: list[IntArray], low: IntArray, maximum: IntArray) -> dict[int, Staircase]:
    known: dict[tuple[int, bytes], Staircase] = {}
    found = {}
    for element in np.flatnonzero(maximum > 0).tolist():
        key = int(low[element]), tables[element].tobytes()
        if key not in known:
            known[key] = climb(tables[element], int(low[element]))
        found[element] = known[key]
    return found


def _lookups(layer: Layer, weights: csr_array, kept: IntArray, stairs: list[Staircase]) -> IntegerLayer:
    width = max(each.width for each in stairs)
    if width > MAX_WIDTH:
        raise UnsupportedModelError(
            f"layer {layer.name!r}: its lookups would be of {width} bits, expected at most {MAX_WIDTH}; use fewer bits "
            "for its weights or its inputs, or coarser activations"
        )
    dropped = max(each.shift for each in stairs)
    finer = [each.finer(dropped) for each in stairs]
    entries = 1 << width
    # The last entry goes on, so that a sum just beyond the range reads what it should.
    tables = np.stack([np.pad(each.entries, (0, entries - len(each.entries)), mode="edge") for each in finer])
    multipliers = np.array([each.multiplier for each in finer], np.int64)
    chosen = csr_array(weights[kept])
    scaled = csr_array(
        (chosen.data * np.repeat(multipliers, np.diff(chosen.indptr)), chosen.indices, chosen.indptr), chosen.shape
    )
    offset = np.array([each.offset for each in finer], np.int64) - ((1 << dropped) >> 1)
    mirrors = tables[:, 0] + tables[:, -1]
    return IntegerLayer(layer.name, scaled, offset, width, dropped, tables, mirrors + mirrors % 2, kept, layer.size)


def _scores(
    grid: Grid, features: int, layers: tuple[IntegerLayer, ...], matrix: csr_array, offset: FloatArray
) -> IntegerNetwork:
    """All scores in one step: that of the network, where its weights have one for all."""
    unit = unit_of(matrix.data)
    if unit is None:
        weights, units = _whole(matrix, "the last")
        # Channels with steps of their own: as fine a common one as tells them apart.
        unit = float(units.min()) / 16
        weights = csr_array((np.rint(matrix.data / unit).astype(np.int64), matrix.indices, matrix.indptr), matrix.shape)
    else:
        weights = csr_array((np.rint(matrix.data / unit).astype(np.int64), matrix.indices, matrix.indptr), matrix.shape)
    return IntegerNetwork(grid, features, layers, weights, unit, offset)
