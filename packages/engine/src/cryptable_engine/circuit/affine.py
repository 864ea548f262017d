"""Sparse affine maps and their composition: what a chain of Linear nodes does to the values that it starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryptable_engine.circuit.circuit import IntArray, Linear, Term
from cryptable_engine.errors import CircuitError

MAX_MAGNITUDE = 1 << 61
"""Largest sum of |weight| that a composed map may have: far from 64-bit overflow."""
MAX_ENTRIES = 1 << 23
"""Largest number of products of weights that all compositions of a circuit may make together."""


@dataclass(frozen=True, eq=False)
class SparseMap:
    """A sparse integer matrix of shape (origin size, value size) by coordinates, sorted by (column, row), each once."""

    rows: IntArray
    columns: IntArray
    weights: IntArray

    @classmethod
    def from_coordinates(cls, rows: IntArray, columns: IntArray, weights: IntArray, node: int) -> SparseMap:
        """Sort, and add up what falls on the same coordinates.

        Raises:
            CircuitError: the weights are so large that their sums could overflow.
        """
        _require_magnitude(np.abs(weights.astype(np.float64)).sum(), node)
        order = np.lexsort((rows, columns))
        rows, columns, weights = rows[order], columns[order], weights[order]
        if rows.size:
            first = np.flatnonzero(np.r_[True, (np.diff(rows) != 0) | (np.diff(columns) != 0)])
            rows, columns, weights = rows[first], columns[first], np.add.reduceat(weights, first)
        kept = weights != 0
        return cls(rows[kept], columns[kept], weights[kept])


@dataclass(frozen=True, eq=False)
class AffineMap:
    """value = offset + the sum over origins of (origin's value) @ (map of the origin); origins are not Linear.

    `work` is the number of products of weights that were made to get here from the maps before it.
    """

    offset: IntArray
    maps: dict[int, SparseMap]
    work: int


def compose(node: int, linear: Linear, earlier: dict[int, AffineMap], room: int) -> AffineMap:
    """`linear` as an affine map of Input and Lookup nodes.

    Args:
        node: index of `linear`, for error messages.
        linear: well-formed.
        earlier: the affine maps of the Linear nodes before it.
        room: how many products of weights may be made.

    Raises:
        CircuitError: weights, or the number of products, grow beyond what is accepted.
    """
    offset = linear.offset.copy()
    magnitude = np.abs(offset.astype(np.float64))
    parts: dict[int, list[tuple[IntArray, IntArray, IntArray]]] = {}
    work = 0
    for term in linear.terms:
        source = earlier.get(term.source)
        if source is None:
            parts.setdefault(term.source, []).append((term.rows, term.columns, term.weights))
            continue
        weights = np.abs(term.weights.astype(np.float64))
        np.add.at(magnitude, term.columns, weights * np.abs(source.offset[term.rows].astype(np.float64)))
        _require_magnitude(magnitude.max(initial=0.0), node)
        np.add.at(offset, term.columns, term.weights * source.offset[term.rows])
        for origin, matrix in source.maps.items():
            product = _product(node, matrix, term, room - work)
            work += product[0].size
            parts.setdefault(origin, []).append(product)
    _require_magnitude(magnitude.max(initial=0.0), node)
    maps = {}
    for origin, pieces in sorted(parts.items()):
        rows, columns, weights_of = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
        maps[origin] = SparseMap.from_coordinates(rows, columns, weights_of, node)
    return AffineMap(offset, maps, work)


def _product(node: int, matrix: SparseMap, term: Term, room: int) -> tuple[IntArray, IntArray, IntArray]:
    """`matrix` @ (`term`'s matrix), by coordinates that may repeat: each entry of `term` meets a column of `matrix`."""
    begin = np.searchsorted(matrix.columns, term.rows, "left")
    count = np.searchsorted(matrix.columns, term.rows, "right") - begin
    total = int(count.sum())
    if total > room:
        raise CircuitError(
            f"composed with the Linear nodes before it, it takes more than {MAX_ENTRIES} products "
            "of weights; merge Linear nodes",
            node=node,
        )
    entry = np.repeat(np.arange(term.rows.size), count)
    position = np.arange(total) - np.repeat(np.cumsum(count) - count, count) + begin[entry]
    _require_magnitude(
        np.abs(term.weights[entry].astype(np.float64) * matrix.weights[position].astype(np.float64)).sum(), node
    )
    return matrix.rows[position], term.columns[entry], matrix.weights[position] * term.weights[entry]


def _require_magnitude(magnitude: float, node: int) -> None:
    if magnitude >= MAX_MAGNITUDE:
        raise CircuitError("its weights could overflow 64-bit integers; use a coarser scale", node=node)
