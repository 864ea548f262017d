"""From a network that was trained with quantizers to the very integers that it computes with, all scales kept.

Features go through one quantizer each, which is the client's. After that, every sum is of integers, in a unit that its
weights tell, and every chain of functions is a table over all integers that its sum can be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, vstack  # type: ignore[import-untyped]

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.integers import Grid, IntegerLayer, IntegerNetwork
from cryptable.graphs.network import Layer, QuantizedNetwork, SegmentedNetwork
from cryptable.graphs.symbols import widened
from cryptable.planner.networks.input_quantizers import InputQuantizer, edges_of_features, find_input_quantizer
from cryptable.planner.networks.staircase import MAX_WIDTH, Staircase, climb
from cryptable.planner.networks.units import unit_of
from cryptable.planner.settings import RangeChoice


class TooWideError(UnsupportedModelError):
    """The integers are there, but tables over all of them are too large: the upper bits of sums would do."""


_MOST_INTEGERS = 1 << 16
_FINE = 31
"""Levels of scores beyond 0 that are fine enough to be left out."""
_BEYOND = 0.02
"""Of scores, that may lie beyond the levels' ends."""
_MOST_EDGES = 2047
"""Two knots each, of the encoder that compares with them."""
_UNDECIDED = 1e-4
"""So close to the middle between two levels, in levels, single precision may take either."""
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
    state, edges = _inputs(network, rows, features)
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
    return replace(_scores(state.grid, features, tuple(layers), matrix, offset), edges=edges, shape=network.shape)


class Encoded(NamedTuple):
    """A network of what its input quantizers let through, which clients compute: those are no layers any more.

    Its variables are the numbers that encoded features stand for, on `grid`, of shape (rows, features) in `rows`.
    """

    network: SegmentedNetwork
    rows: FloatArray
    grid: Grid
    edges: dict[int, FloatArray]


def without_input_quantizers(network: SegmentedNetwork, rows: FloatArray) -> Encoded:
    """A network whose input quantizers, if it has some, are taken over by the client's encoders.

    Raises:
        UnsupportedModelError: a first layer that is no quantizer, or one that others go round; names it.
    """
    features = rows.shape[1]
    state, edges = _inputs(network, rows, features)
    grid = state.grid
    layers: list[Layer] = []
    first = features
    for layer in network.layers:
        columns = layer.matrix.indices
        if columns.size and (columns < features).all():
            state = _extended(state, widened(layer.matrix, state.matrix.shape[1]), layer.offset)
        else:
            if (columns < features).any():
                raise UnsupportedModelError(_unquantized(layer.name))
            variables = state.matrix.shape[1]
            matrix, offset = _substituted(state, layer.matrix, layer.offset)
            layers.append(replace(layer, matrix=matrix, offset=offset))
            state = _extended(state, _shifted_identity(layer.size, variables), np.zeros(layer.size))
        first += layer.size
    if (network.matrix.indices < features).any():
        raise UnsupportedModelError(_unquantized("the last"))
    matrix, offset = _substituted(state, network.matrix, network.offset)
    if layers and _only_rounds(network, rows):
        *layers, last = layers
        matrix, offset = last.matrix, last.offset
    folded = SegmentedNetwork(
        network.feature_names,
        tuple(layers),
        matrix,
        offset,
        network.link,
        network.labels,
        shape=network.shape,
    )
    numbers = grid.numbers(_encoded(grid, edges, rows))
    return Encoded(folded, numbers, grid, edges)


def _only_rounds(network: SegmentedNetwork, rows: FloatArray) -> bool:
    """Whether scores are the last layer's values, which are its sums, rounded to many levels."""
    last, matrix = network.layers[-1], network.matrix
    own = np.arange(matrix.shape[1] - last.size, matrix.shape[1])
    if not np.array_equal(matrix.indices, own) or (matrix.data != 1).any() or network.offset.any():
        return False
    if not np.array_equal(matrix.indptr, np.arange(last.size + 1)):
        return False
    sums = last.sums(network.variables(rows)[:, : own[0]])
    try:
        found = find_input_quantizer(last, sums)
    except UnsupportedModelError:
        return False
    levels = (sums - found.lowest) / found.step
    beyond = float(((levels < -1) | (levels > found.maximum + 1)).mean())  # of its range, which few may have set
    return bool((found.maximum >= _FINE).all()) and beyond < _BEYOND


def _encoded(grid: Grid, edges: dict[int, FloatArray], rows: FloatArray) -> IntArray:
    integers = grid.encode(rows)
    for feature, each in edges.items():
        integers[:, feature] = np.searchsorted(each, rows[:, feature], side="right")
    return integers


def _substituted(state: _State, matrix: csr_array, offset: FloatArray) -> tuple[csr_array, FloatArray]:
    """A map of the network's variables as one of the numbers that integers stand for."""
    of_variables = widened(matrix, state.matrix.shape[0])
    found = csr_array(of_variables @ state.matrix)
    found.eliminate_zeros()
    return found, of_variables @ state.offset + offset


def _shifted_identity(size: int, first: int) -> csr_array:
    place = np.arange(size)
    return csr_array((np.ones(size), (place, first + place)), shape=(size, first + size))


def _unquantized(name: str) -> str:
    return (
        f"layer {name!r} computes with features that no quantizer has rounded; begin the network with a QuantIdentity, "
        "and let every other layer take its values"
    )


def _inputs(network: SegmentedNetwork, rows: FloatArray, features: int) -> tuple[_State, dict[int, FloatArray]]:
    """Encoders of the features, from the quantizers that are the first to see them; edges of those that need them."""
    zero, step, maximum = np.zeros(features), np.ones(features), np.zeros(features, np.int64)
    edges: dict[int, FloatArray] = {}
    numbers = np.unique(rows)
    for layer in network.layers:
        matrix = widened(layer.matrix, max(layer.matrix.shape[1], features))
        if not matrix.indices.size or (matrix.indices >= features).any():
            continue
        if (np.diff(matrix.indptr) != 1).any():
            raise UnsupportedModelError(_unquantized(layer.name))
        found = find_input_quantizer(layer, layer.sums(rows))
        _take_over(layer, matrix, found, zero, step, maximum)
        edges |= _edges(layer, matrix, found, numbers)
    empty = csr_array((features, features))
    return _State(Grid(zero, step, maximum), empty, np.zeros(features)), edges


def _edges(layer: Layer, matrix: csr_array, found: InputQuantizer, numbers: FloatArray) -> dict[int, FloatArray]:
    """Of the features that can lie in the middle between two levels, where single precision decides.

    `numbers` are all that occur in the calibration data: what one feature is, another may be in rows to come.
    """
    factors = matrix.data
    start = np.where(factors > 0, found.lowest, found.lowest + found.step * found.maximum)
    lower, width = (start - layer.offset) / factors, found.step / np.abs(factors)
    between = [_is_between(numbers, *each) for each in zip(lower, width, found.maximum, strict=True)]
    if not any(between) or found.maximum.max() > _MOST_EDGES:
        return {}
    edges = edges_of_features(layer, found, factors, lower, width)
    return {int(matrix.indices[element]): edges[element] for element in np.flatnonzero(between).tolist()}


def _is_between(numbers: FloatArray, lower: float, width: float, maximum: int) -> bool:
    levels = (numbers - lower) / width
    inner = levels[(levels > 0) & (levels < maximum)]
    return bool((np.abs(inner - np.floor(inner) - 0.5) < _UNDECIDED).any())


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
    # A variable of one value is a constant, and part of the base: its step means nothing.
    found = csr_array(of_numbers.multiply(np.where(state.grid.maximum > 0, state.grid.step, 0.0)))
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
    made = _lookups(layer, weights, kept, [stairs[element] for element in kept])
    grid = state.grid.followed_by(Grid(zero, step, maximum))
    identity = _shifted_identity(layer.size, state.grid.size)
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
        raise TooWideError(
            f"layer {layer.name!r}: its sums can be {count} integers, expected at most {_MOST_INTEGERS}; use fewer "
            "bits for its weights or its inputs, or keep the upper bits of its sums (bits=)"
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
    if not stairs:  # all of its values are constants
        nothing = np.zeros(0, np.int64)
        return IntegerLayer(
            layer.name, csr_array(weights[kept]), nothing, 1, 0, np.zeros((0, 2), np.int64), nothing, kept, layer.size
        )
    width = max(each.width for each in stairs)
    if width > MAX_WIDTH:
        raise TooWideError(
            f"layer {layer.name!r}: its lookups would be of {width} bits, expected at most {MAX_WIDTH}; use fewer bits "
            "for its weights or its inputs, coarser activations, or keep the upper bits of its sums (bits=)"
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
    mirrors = mirrors + mirrors % 2
    return IntegerLayer(layer.name, scaled, offset, width, dropped, tables, mirrors, kept, layer.size, layer.shape)


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
