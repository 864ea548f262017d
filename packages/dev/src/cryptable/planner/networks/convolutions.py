"""Convolutions found again in matrices between grids: which entries share their weights, whatever made them so.

A layer and what it reads have shapes, (channels, *grid). A matrix between them is a convolution where an entry depends
on filter, channel and distance alone, and is there wherever the grid is. So convolutions, pools, their products with
batch normalization and with each other are found alike, and what only looks like one is not taken for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from cryptable_engine.circuit.convolution import MAX_AXES
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.graphs.graph import IntArray

Shape = tuple[int, ...]
_EQUAL = 1e-9
"""Of the largest weight: sums of a row of products differ by their order."""
_STRIDES = (1, 2, 3, 4)
_MOST_TAPS = 1 << 12
_SAVED = 2
"""A kernel has fewer weights that are used than the matrix has entries, by this factor at least."""


@dataclass(frozen=True)
class Segment:
    """Variables from `first` on, as many as a layer has values; `shape` where they are channels of a grid."""

    first: int
    size: int
    shape: Shape | None

    def part(self, matrix: csr_array) -> tuple[csr_array, npt.NDArray[np.bool_]]:
        """The columns of a matrix that are these variables, and which of its entries stand there."""
        mine = (matrix.indices >= self.first) & (matrix.indices < self.first + self.size)
        before = np.concatenate([[0], np.cumsum(mine)])
        found = csr_array(
            (matrix.data[mine], matrix.indices[mine] - self.first, before[matrix.indptr]),
            shape=(matrix.shape[0], self.size),
        )
        return found, mine


def segments(features: int, shape: Shape | None, layers: Sequence[tuple[int, Shape | None]]) -> tuple[Segment, ...]:
    """The features of a network, then its layers, each with its number of values and their shape."""
    found = [Segment(0, features, shape)]
    for size, of_layer in layers:
        found.append(Segment(found[-1].first + found[-1].size, size, of_layer))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class SharedWeights:
    """A matrix by its kernel, in the terms of the engine's Convolution."""

    weights: npt.NDArray[np.generic]
    """Shape (filters, channels / groups, *taps)."""
    groups: int
    strides: Shape
    before: Shape
    entry_of: IntArray
    """Where each entry of the matrix, in the order of its data, stands in the flat weights."""


def shared_weights(matrix: csr_array, source: Shape, target: Shape) -> SharedWeights | None:
    """A matrix of shape (target elements, source elements) as a convolution; None where it is none, or saves nothing.

    Args:
        matrix: without entries of 0.
        source: (channels, *grid) of what it multiplies.
        target: (filters, *places) of the product.
    """
    axes = len(source) - 1
    if not matrix.nnz or len(target) != len(source) or not 1 <= axes <= MAX_AXES or math.prod(target[1:]) < _SAVED:
        return None
    elements = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    filters, *places = np.unravel_index(elements, target)
    channels, *positions = np.unravel_index(matrix.indices, source)
    groups, depth = _groups(filters, channels, target[0], source[0])
    first_channel = filters // (target[0] // groups) * depth
    for strides in _candidates(places, positions):
        taps_at = [
            position - stride * place for position, stride, place in zip(positions, strides, places, strict=True)
        ]
        before = tuple(max(0, -int(at.min())) for at in taps_at)
        taps_at = [at + shift for at, shift in zip(taps_at, before, strict=True)]
        taps = tuple(int(at.max()) + 1 for at in taps_at)
        shape = (target[0], depth, *taps)
        reach = [tap - 1 >= shift for tap, shift in zip(taps, before, strict=True)]
        if math.prod(taps) > _MOST_TAPS or math.prod(shape) > matrix.nnz or not all(reach):
            continue
        entry_of = np.ravel_multi_index((filters, channels - first_channel, *taps_at), shape)
        weights = np.zeros(math.prod(shape), matrix.data.dtype)
        weights[entry_of] = matrix.data
        is_smaller = np.count_nonzero(weights) * _SAVED <= matrix.nnz
        if not is_smaller or np.abs(weights[entry_of] - matrix.data).max() > _EQUAL * np.abs(matrix.data).max():
            continue
        if _entries(weights.reshape(shape), source[1:], target[1:], strides, before) == matrix.nnz:
            return SharedWeights(weights.reshape(shape), groups, strides, before, entry_of)
    return None


def _groups(filters: IntArray, channels: IntArray, filter_count: int, channel_count: int) -> tuple[int, int]:
    """As many groups as there can be, and the channels of each."""
    reads = np.zeros((filter_count, channel_count), np.bool_)
    reads[filters, channels] = True
    filter_of, channel_of = np.nonzero(reads)
    for groups in range(math.gcd(filter_count, channel_count), 0, -1):
        if filter_count % groups or channel_count % groups:
            continue
        if (filter_of // (filter_count // groups) == channel_of // (channel_count // groups)).all():
            return groups, channel_count // groups
    return 1, channel_count


def _candidates(places: list[IntArray], positions: list[IntArray]) -> list[Shape]:
    """Strides that there may be, the likely ones first."""
    guesses = []
    for place, position in zip(places, positions, strict=True):
        count = int(place.max()) + 1
        least, most = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
        np.minimum.at(least, place, position)
        np.maximum.at(most, place, position)
        seen = most >= 0
        moved = np.concatenate([np.diff(least[seen]), np.diff(most[seen])])
        moved = moved[moved > 0]
        guesses.append(int(np.median(moved)) if moved.size else 1)
    found = [
        tuple(guesses),
        *product(_STRIDES[:2], repeat=len(places)),
        *((each,) * len(places) for each in _STRIDES[2:]),
    ]
    return list(dict.fromkeys(found))


def _entries(weights: npt.NDArray[np.generic], grid: Shape, places: Shape, strides: Shape, before: Shape) -> int:
    """How many entries the matrix of such a convolution has that are not 0."""
    counts = np.ones((1,) * len(grid), np.int64)
    for axis, (extent, count, stride, shift) in enumerate(zip(grid, places, strides, before, strict=True)):
        position = np.arange(count)[:, None] * stride + np.arange(weights.shape[2 + axis]) - shift
        there = ((position >= 0) & (position < extent)).sum(axis=0)
        counts = counts * there.reshape([-1 if other == axis else 1 for other in range(len(grid))])
    return int(((weights != 0).sum(axis=(0, 1)) * counts).sum())


def dilated(found: SharedWeights) -> tuple[npt.NDArray[np.generic], Shape]:
    """Its weights without taps between those that are used, and how far these are apart."""
    weights, dilations = found.weights, []
    for axis in range(2, weights.ndim):
        used = np.flatnonzero(weights.any(axis=tuple(other for other in range(weights.ndim) if other != axis)))
        apart = int(np.gcd.reduce(used)) or 1
        dilations.append(apart)
        weights = weights.take(range(0, weights.shape[axis], apart), axis=axis)
    return weights, tuple(dilations)
