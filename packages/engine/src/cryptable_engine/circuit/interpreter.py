"""The NumPy interpreter of a circuit: the definition of what the encrypted model computes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptable_protocol import InvalidInputError

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
    Term,
)
from cryptable_engine.circuit.convolution import Convolution, convolved
from cryptable_engine.errors import CircuitError

_CHUNK_VALUES = 1 << 22
DENSE_IS_FASTER_BY = 50
"""A multiply-add of a dense float product costs about this many times less than one by coordinates."""
_FLOAT_EXACT = float(1 << 53)


def interpret(circuit: Circuit, values: npt.ArrayLike) -> IntArray:
    """What the circuit computes on encoded rows.

    Args:
        circuit: verified.
        values: integers of shape (rows, input size), as honest encoders make them.

    Returns:
        Integers of shape (rows, output size).

    Raises:
        InvalidInputError: another shape, not integers, or values that no honest encoder makes; names row and element.
        CircuitError: a Lookup of a value outside its table (never in a verified circuit), or an output beyond the
            maximum that the circuit declares.
    """
    rows = checked_rows(circuit.input, values)
    last_use = _last_uses(circuit)
    widest = max(node.neurons if isinstance(node, Rotation) else node.size for node in circuit.nodes)
    step = max(1, _CHUNK_VALUES // widest)
    output = circuit.nodes[circuit.output]
    result = np.empty((rows.shape[0], output.size), np.int64)
    for start in range(0, rows.shape[0], step):
        chunk = np.ascontiguousarray(rows[start : start + step].T)
        result[start : start + step] = _interpret_chunk(circuit, chunk, last_use).T
    _check_declared(circuit, result)
    return result


def _check_declared(circuit: Circuit, result: IntArray) -> None:
    declared = circuit.output_maximum
    if declared is not None and result.size and (result.min() < 0 or result.max() > declared):
        row = int(np.argwhere((result < 0) | (result > declared))[0, 0])
        raise CircuitError(
            f"row {row} leads to outputs {result[row].tolist()}, it declares 0 .. {declared}: the compiler erred; "
            "under encryption they would wrap around",
            node=circuit.output,
        )


def checked_rows(node: Input, values: npt.ArrayLike) -> IntArray:
    """`values` as int64 of shape (rows, input size), if an honest encoder could have made them.

    Raises:
        InvalidInputError: see `interpret`.
    """
    rows = np.asarray(values)
    if rows.ndim != 2 or rows.shape[1] != node.size:
        raise InvalidInputError(f"encoded rows have shape {rows.shape}, expected (rows, {node.size})")
    if rows.dtype.kind not in "iub":
        raise InvalidInputError(f"encoded rows have dtype {rows.dtype}, expected integers: encode them first")
    if rows.dtype == np.uint64 and rows.size and int(rows.max()) >= 1 << 63:
        raise InvalidInputError(f"encoded rows hold {int(rows.max())}, which no encoder makes")
    rows = rows.astype(np.int64, copy=False)
    sizes = [group.size for group in node.groups]
    maximum = np.repeat(np.array([group.maximum for group in node.groups], np.int64), sizes)
    bad = np.argwhere((rows < 0) | (rows > maximum))
    if bad.size:
        row, element = bad[0]
        raise InvalidInputError(
            f"row {row}, element {element} is {rows[row, element]}, expected 0 .. {maximum[element]}: encoders clip"
        )
    start = 0
    for index, group in enumerate(node.groups):
        part = rows[:, start : start + group.size]
        start += group.size
        if group.kind is GroupKind.THERMOMETER:
            rising = np.flatnonzero((np.diff(part, axis=1) > 0).any(axis=1))
            if rising.size:
                raise InvalidInputError(
                    f"row {rising[0]}: input group {index} is a thermometer, whose bits never increase (1 1 0 0)"
                )
    return rows


def _interpret_chunk(circuit: Circuit, chunk: IntArray, last_use: list[int]) -> IntArray:
    """Values stand transposed, shape (size, rows), so that picking elements copies whole lines."""
    values: dict[int, IntArray] = {}
    for index, node in enumerate(circuit.nodes):
        match node:
            case Input():
                values[index] = chunk
            case Linear():
                values[index] = linear_value(node, values, chunk.shape[1])
            case Convolution():
                values[index] = convolution_value(node, values[node.source])
            case Lookup():
                values[index] = _lookup(index, node, values[node.source])
            case Product():
                values[index] = values[node.source] * np.repeat(chunk[node.bits], node.block, axis=0)
            case Rotation():
                values[index] = _turned(node, chunk)
            case Square():
                values[index] = values[node.source] * values[node.source]
        for past in [key for key in values if last_use[key] <= index and key != circuit.output]:
            del values[past]
    return values[circuit.output]


def linear_value(node: Linear, values: dict[int, IntArray], count: int) -> IntArray:
    """A Linear of earlier values, which have shape (size, rows), for `count` rows."""
    total = np.repeat(node.offset[:, None], count, axis=1)
    for term in node.terms:
        if term.rows.size:
            _add_product(total, term, values[term.source])
    return total


def convolution_value(node: Convolution, source: IntArray) -> IntArray:
    """A Convolution of its source's values, shape (source size, rows)."""
    largest = np.abs(source).max(initial=0) * np.abs(node.weights.astype(np.float64)).reshape(node.filters, -1).sum(
        axis=1
    )
    if largest.max() < _FLOAT_EXACT:  # as of a dense product, see `_add_product`
        return node.offset[:, None] + convolved(node, source.astype(np.float64)).astype(np.int64)
    return node.offset[:, None] + convolved(node, source)


def _add_product(total: IntArray, term: Term, source: IntArray) -> None:
    cells = source.shape[0] * total.shape[0]
    if cells < DENSE_IS_FASTER_BY * term.rows.size:
        largest = np.abs(source).max(initial=0) * np.abs(term.weights.astype(np.float64)).sum()
        if largest < _FLOAT_EXACT:
            # Every partial sum is an integer below 2^53, so the float product, which BLAS does, is exact.
            dense = term.to_dense(source.shape[0], total.shape[0]).T.astype(np.float64)
            total += (dense @ source.astype(np.float64)).astype(np.int64)
            return
    order = np.argsort(term.columns, kind="stable")
    rows, columns, weights = term.rows[order], term.columns[order], term.weights[order]
    first = np.flatnonzero(np.r_[True, np.diff(columns) != 0])
    step = max(1, _CHUNK_VALUES // rows.size)
    for start in range(0, source.shape[1], step):
        part = slice(start, start + step)
        total[columns[first], part] += np.add.reduceat(source[rows, part] * weights[:, None], first, axis=0)


def _lookup(index: int, node: Lookup, source: IntArray) -> IntArray:
    if node.mirrors is not None:
        return read_around(node, source)
    if source.size and (source.min() < 0 or source.max() >= 1 << node.width):
        raise CircuitError(f"looks up a value outside 0 .. {(1 << node.width) - 1}", node=index)
    looked_up: IntArray = node.tables[node.table_of[:, None], source]
    return looked_up


def read_around(node: Lookup, source: IntArray) -> IntArray:
    """What a Lookup makes of its source's values, shape (size, rows), wherever on the torus they lie.

    In the second half of a turn, entries are mirrored; those of a Lookup without mirrors are negated.
    """
    entries = 1 << node.width
    mirrors = np.zeros(len(node.tables), np.int64) if node.mirrors is None else node.mirrors
    position = ((source + ((1 << node.dropped_bits) >> 1)) >> node.dropped_bits) & (2 * entries - 1)
    looked_up = node.tables[node.table_of[:, None], position & (entries - 1)]
    mirrored: IntArray = np.where(position < entries, looked_up, mirrors[node.table_of][:, None] - looked_up)
    return mirrored


def _turned(node: Rotation, chunk: IntArray) -> IntArray:
    """Of bits of shape (inputs, rows): shape (outputs, rows)."""
    position = node.exponents.T @ chunk[node.bits]
    for tree in node.trees:
        position += tree.exponents[tree.leaf_of(chunk)].T
    position &= 2 * node.positions - 1
    place = position & (node.positions - 1)
    sign = np.where(position < node.positions, 1, -1)
    total = np.zeros((node.size, chunk.shape[1]), np.int64)
    for table, at, signs in zip(node.tables, place, sign, strict=True):
        total += table[at].T * signs
    return total


def _last_uses(circuit: Circuit) -> list[int]:
    last = list(range(len(circuit.nodes)))
    for index, node in enumerate(circuit.nodes):
        match node:
            case Linear():
                for term in node.terms:
                    last[term.source] = index
            case Convolution() | Lookup() | Product() | Square():
                last[node.source] = index
    return last
