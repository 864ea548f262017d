"""Sound bounds of every value in a circuit, over all inputs that an honest encoder can make."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cryptable_engine.circuit.affine import MAX_ENTRIES, AffineMap, compose
from cryptable_engine.circuit.circuit import (
    Circuit,
    GroupKind,
    Input,
    IntArray,
    Linear,
    Lookup,
    Product,
    Rotation,
    Square,
)
from cryptable_engine.circuit.convolution import Convolution, convolved
from cryptable_engine.circuit.quadratic_forms import QuadraticForms
from cryptable_engine.errors import CircuitError

_CHUNK_ENTRIES = 1 << 24
_MAX_BOUND = float(1 << 61)
_MAX_SQUARED = 1 << 30
"""In magnitude, of what is squared."""


class Bounds(NamedTuple):
    """Lowest and highest value of each element of a node; shape (size,) each."""

    low: IntArray
    high: IntArray


class _Origin(NamedTuple):
    """How the elements of an Input, Convolution, Lookup, Product, Rotation or Square vary.

    element = low + scale * bit; the bits of one group never increase, those of different groups are independent.
    """

    low: IntArray
    scale: IntArray
    group: IntArray


def bounds(circuit: Circuit) -> tuple[Bounds, ...]:
    """Bounds of every element of every node.

    Each Linear is first composed down to an affine function of Input, Convolutions, Lookups, Products, Rotations and
    Squares. Over a thermometer (1 1 1 0 0) the extremes of such a function are those of the prefix sums of its weights,
    so bounds over the Input alone are exact; those outputs are taken as independent of each other and of the Input, and
    so are the elements that a Convolution reads. A Linear that reads squares of affine functions of the Input is
    bounded as a quadratic form too (`quadratic_forms`).

    Args:
        circuit: well-formed (`verifier.check_structure`).

    Returns:
        One Bounds a node.

    Raises:
        CircuitError: weights that could overflow, or a Lookup of values outside its tables.
    """
    maps: dict[int, AffineMap] = {}
    origins: dict[int, _Origin] = {}
    result: list[Bounds] = []
    room, forms = MAX_ENTRIES, QuadraticForms(_input_origin(circuit.input).scale)
    for index, node in enumerate(circuit.nodes):
        match node:
            case Input():
                origins[index] = _input_origin(node)
                result.append(Bounds(origins[index].low, origins[index].scale))
            case Linear():
                maps[index] = compose(index, node, maps, room)
                room -= maps[index].work
                value = _linear_bounds(index, maps[index], origins)
                result.append(_narrowed(value, maps[index], circuit, maps, forms))
            case Convolution():
                value = _convolution_bounds(index, node, result[node.source])
                origins[index] = _Origin(value.low, value.high - value.low, np.arange(node.size))
                result.append(value)
            case Lookup():
                value = _lookup_bounds(index, node, result[node.source])
                origins[index] = _Origin(value.low, value.high - value.low, np.arange(node.size))
                result.append(value)
            case Product():
                # A bit may be 0; how products depend on each other is not looked into.
                value = Bounds(np.minimum(result[node.source].low, 0), np.maximum(result[node.source].high, 0))
                origins[index] = _Origin(value.low, value.high - value.low, np.arange(node.size))
                result.append(value)
            case Rotation():
                value = _rotation_bounds(index, node, origins[0].group)
                origins[index] = _Origin(value.low, value.high - value.low, np.arange(node.size))
                result.append(value)
            case Square():
                value = _square_bounds(index, result[node.source])
                origins[index] = _Origin(value.low, value.high - value.low, np.arange(node.size))
                result.append(value)
    return tuple(result)


def highest_output(circuit: Circuit, found: tuple[Bounds, ...]) -> int:
    """The highest value of all output elements: as the compiler declares, or as `bounds` found."""
    if circuit.output_maximum is not None:
        return circuit.output_maximum
    return int(found[circuit.output].high.max())


def _input_origin(node: Input) -> _Origin:
    sizes = [group.size for group in node.groups]
    thermometer = np.repeat([group.kind is GroupKind.THERMOMETER for group in node.groups], sizes)
    scale = np.repeat(np.array([group.maximum for group in node.groups], np.int64), sizes)
    # Elements of a RANGE are groups of their own, numbered after the real ones.
    group = np.where(thermometer, np.repeat(np.arange(len(sizes)), sizes), len(sizes) + np.arange(node.size))
    return _Origin(np.zeros(node.size, np.int64), scale, group)


def _linear_bounds(index: int, affine: AffineMap, origins: dict[int, _Origin]) -> Bounds:
    low, high = affine.offset.copy(), affine.offset.copy()
    magnitude = np.abs(affine.offset.astype(np.float64))
    for source, matrix in affine.maps.items():
        if not matrix.rows.size:
            continue
        origin = origins[source]
        base, scale = origin.low[matrix.rows], origin.scale[matrix.rows]
        ends = np.abs(base.astype(np.float64)), np.abs(base.astype(np.float64) + scale)
        largest = np.abs(matrix.weights.astype(np.float64)) * np.maximum(*ends)
        np.add.at(magnitude, matrix.columns, largest)
        if magnitude.max() >= _MAX_BOUND:
            raise CircuitError("its values could overflow 64-bit integers; use a coarser scale", node=index)
        constant = matrix.weights * base
        np.add.at(low, matrix.columns, constant)
        np.add.at(high, matrix.columns, constant)
        minimum, maximum, columns = _extremes(matrix.weights * scale, matrix.columns, origin.group[matrix.rows])
        np.add.at(low, columns, minimum)
        np.add.at(high, columns, maximum)
    return Bounds(low, high)


def _extremes(weights: IntArray, columns: IntArray, groups: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Smallest and largest prefix sum, the empty one included, of each run of one column and group; and its column.

    Within a column the entries stand in the order of the origin's elements, and a group's elements are neighbours.
    """
    first = np.flatnonzero(np.r_[True, (np.diff(columns) != 0) | (np.diff(groups) != 0)])
    sums = np.cumsum(weights)  # may wrap around; the differences below are right all the same
    before = np.r_[0, sums[first[1:] - 1]]
    prefix = sums - np.repeat(before, np.diff(np.r_[first, weights.size]))
    minimum = np.minimum(np.minimum.reduceat(prefix, first), 0)
    maximum = np.maximum(np.maximum.reduceat(prefix, first), 0)
    return minimum, maximum, columns[first]


def _convolution_bounds(index: int, node: Convolution, source: Bounds) -> Bounds:
    """Its source's elements are taken as independent of each other."""
    low, high = source.low[:, None], source.high[:, None]
    largest = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
    magnitude = np.abs(node.offset.astype(np.float64)) + convolved(node, largest, np.abs(node.weights))[:, 0]
    if magnitude.max() >= _MAX_BOUND:
        raise CircuitError("its values could overflow 64-bit integers; use a coarser scale", node=index)
    rising, falling = np.maximum(node.weights, 0), np.minimum(node.weights, 0)
    return Bounds(
        node.offset + (convolved(node, low, rising) + convolved(node, high, falling))[:, 0],
        node.offset + (convolved(node, high, rising) + convolved(node, low, falling))[:, 0],
    )


def _square_bounds(index: int, source: Bounds) -> Bounds:
    """A square of a value that can be 0 is 0 at least."""
    one, other = np.abs(source.low), np.abs(source.high)
    most = np.maximum(one, other)
    if most.max() >= _MAX_SQUARED:
        raise CircuitError(
            f"squares values up to {most.max()}, expected less than {_MAX_SQUARED}; use a coarser scale", node=index
        )
    least = np.where((source.low <= 0) & (source.high >= 0), 0, np.minimum(one, other))
    return Bounds(least * least, most * most)


def _narrowed(
    value: Bounds, affine: AffineMap, circuit: Circuit, maps: dict[int, AffineMap], forms: QuadraticForms
) -> Bounds:
    """What intervals bound, where it is a quadratic form of the Input also by that form's eigenvalues."""
    squared = {
        origin: maps[node.source]
        for origin in affine.maps
        if isinstance(node := circuit.nodes[origin], Square)
        and node.source in maps  # and not a Convolution
        and not set(maps[node.source].maps) - {0}
    }
    if not squared or set(affine.maps) - set(squared) - {0}:
        return value
    form = forms.bounds(affine, squared)
    if form is None:
        return value
    return Bounds(np.maximum(value.low, form[0]), np.minimum(value.high, form[1]))


def _lookup_bounds(index: int, node: Lookup, source: Bounds) -> Bounds:
    entries = 1 << node.width
    if node.mirrors is not None:
        return _mirrored_bounds(node, source)
    bad = np.flatnonzero((source.low < 0) | (source.high >= entries))
    if bad.size:
        element = int(bad[0])
        raise CircuitError(
            f"looks up element {element}, whose values are {source.low[element]} .. {source.high[element]}, "
            f"in a table of width {node.width} (0 .. {entries - 1})",
            node=index,
        )
    return _reachable(node, source.low, source.high)


def _mirrored_bounds(node: Lookup, source: Bounds) -> Bounds:
    """Of elements that stay in their table, as of other lookups; the others can be any entry and any mirrored one."""
    entries = 1 << node.width
    half = (1 << node.dropped_bits) >> 1
    low, high = ((bound + half) >> node.dropped_bits for bound in source)
    inside = (low >= 0) & (high < entries)
    found = _reachable(node, np.where(inside, low, 0), np.where(inside, high, entries - 1))
    mirrors = node.mirrors[node.table_of] if node.mirrors is not None else np.zeros(node.size, np.int64)
    return Bounds(
        np.where(inside, found.low, np.minimum(found.low, mirrors - found.high)),
        np.where(inside, found.high, np.maximum(found.high, mirrors - found.low)),
    )


def _rotation_bounds(index: int, node: Rotation, groups: IntArray) -> Bounds:
    """The sum over neurons of the extremes at those positions that its signed exponents and any leaves reach."""
    turns = node.signed_exponents.T
    neuron, bit = np.nonzero(turns)
    first, last = np.zeros(node.neurons, np.int64), np.zeros(node.neurons, np.int64)
    if neuron.size:
        minimum, maximum, which = _extremes(turns[neuron, bit], neuron, groups[node.bits[bit]])
        np.add.at(first, which, minimum)
        np.add.at(last, which, maximum)
    for tree in node.trees:
        leaves = node.signed(tree.exponents)
        first += leaves.min(axis=0)
        last += leaves.max(axis=0)
    low, high = np.zeros(node.size, np.int64), np.zeros(node.size, np.int64)
    magnitude = np.zeros(node.size)
    for table, start, end in zip(node.tables, first.tolist(), last.tolist(), strict=True):
        both = np.concatenate([table, -table])
        reached = both[np.arange(start, min(end, start + len(both) - 1) + 1) % len(both)]
        low += reached.min(axis=0)
        high += reached.max(axis=0)
        magnitude += np.abs(table.astype(np.float64)).max(axis=0)
    if magnitude.max() >= _MAX_BOUND:
        raise CircuitError("its values could overflow 64-bit integers; use a coarser scale", node=index)
    return Bounds(low, high)


def _reachable(node: Lookup, first: IntArray, last: IntArray) -> Bounds:
    """Smallest and largest entry at the positions `first` .. `last` of each element's table."""
    entries = 1 << node.width
    low, high = np.empty(node.size, np.int64), np.empty(node.size, np.int64)
    position = np.arange(entries)
    step = max(1, _CHUNK_ENTRIES // entries)
    for start in range(0, node.size, step):
        part = slice(start, start + step)
        tables = node.tables[node.table_of[part]]
        reachable = (position >= first[part, None]) & (position <= last[part, None])
        low[part] = np.where(reachable, tables, np.iinfo(np.int64).max).min(axis=1)
        high[part] = np.where(reachable, tables, -1).max(axis=1)
    return Bounds(low, high)
