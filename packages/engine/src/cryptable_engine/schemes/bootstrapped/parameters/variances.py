"""Bounds on the noise that sums make of the noise of inputs and of looked-up values, node by node.

Noises of different inputs and lookups are independent, so variances add up, times squares of weights: exactly, where a
Linear is composed down to what it sums. Elements of a Convolution may share what they are sums of: where a sum reads
several of them, or one beside what it is made of, standard deviations are added up instead, which none exceeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryptable_engine.circuit.affine import MAX_ENTRIES, AffineMap, SparseMap, compose
from cryptable_engine.circuit.circuit import Circuit, Input, Linear, Lookup
from cryptable_engine.circuit.convolution import Convolution, convolved

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Noise:
    """Variances, shape (size,); which Inputs and Lookups they come from; whether elements have none in common."""

    variance: FloatArray
    roots: frozenset[int]
    is_independent: bool


def variances(circuit: Circuit, fresh: float, looked_up: float) -> list[FloatArray]:
    """Of each node's elements, at most, on the torus at scale 1.

    Args:
        circuit: verified, of sums and lookups.
        fresh: variance of an encrypted input.
        looked_up: variance of a looked-up value.

    Returns:
        Shape (size,) each.
    """
    maps: dict[int, AffineMap] = {}
    found: list[_Noise] = []
    room = MAX_ENTRIES
    for index, node in enumerate(circuit.nodes):
        match node:
            case Linear():
                maps[index] = compose(index, node, maps, room)
                room -= maps[index].work
                found.append(_of_sums(maps[index], found, node.size))
            case Convolution():
                found.append(_convolved(node, found[node.source]))
            case Input() | Lookup():
                variance = fresh if isinstance(node, Input) else looked_up
                found.append(_Noise(np.full(node.size, variance), frozenset((index,)), is_independent=True))
    return [each.variance for each in found]


def _convolved(node: Convolution, source: _Noise) -> _Noise:
    weights = np.abs(node.weights.astype(np.float64))
    if source.is_independent:
        variance: FloatArray = convolved(node, source.variance[:, None], weights**2)[:, 0]
    else:
        variance = np.square(convolved(node, np.sqrt(source.variance)[:, None], weights)[:, 0])
    return _Noise(variance, source.roots, is_independent=False)


def _of_sums(affine: AffineMap, earlier: list[_Noise], size: int) -> _Noise:
    """Origins that have a root in common may vary together; others are independent."""
    related: list[tuple[frozenset[int], list[FloatArray]]] = []
    independent = True
    for origin, matrix in affine.maps.items():
        source = earlier[origin]
        roots, parts = source.roots, [_of_map(matrix, source, size)]
        for other in [each for each in related if each[0] & roots]:
            related.remove(other)
            roots, parts, independent = roots | other[0], parts + other[1], False
        related.append((roots, parts))
        independent &= source.is_independent and np.unique(matrix.rows).size == matrix.rows.size
    total = np.zeros(size)
    for _, parts in related:
        together: FloatArray = np.square(np.sum(np.sqrt(np.stack(parts)), axis=0))
        total += parts[0] if len(parts) == 1 else together
    return _Noise(total, frozenset().union(*(roots for roots, _ in related)), independent)


def _of_map(matrix: SparseMap, source: _Noise, size: int) -> FloatArray:
    """The variance of what one origin adds to each sum."""
    total = np.zeros(size)
    weights = np.abs(matrix.weights.astype(np.float64))
    if source.is_independent:
        np.add.at(total, matrix.columns, np.square(weights) * source.variance[matrix.rows])
        return total
    np.add.at(total, matrix.columns, weights * np.sqrt(source.variance[matrix.rows]))
    return np.square(total)
