"""Convolutions: sums of windows of a grid with weights that all places share, and how they are added up tap by tap."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
MAX_AXES = 3
"""Of a grid."""
OUTSIDE = -1
"""Where a window reaches beyond the grid."""

Index = tuple[Any, ...]
"""Numbers or slices, one an axis."""
Numbers = TypeVar("Numbers", IntArray, FloatArray)


@dataclass(frozen=True, eq=False)
class Convolution:
    """value[f, place] = offset[f, place] + the sum over channels c, taps t of weights[f, c, t] * source[c', position].

    The source is read as channels of a grid, of `shape` (channels, *grid); c' is channel c of the group that filter f
    is of, and position = place * strides + t * dilations - before, axis by axis. A position outside the grid counts
    as 0: where 0 stands for another number than 0, the zero point, offsets make up for it. `places` are those of the
    value, so that it has filters * places elements, the places of the first filter first.
    """

    source: int
    shape: tuple[int, ...]
    """Of the source: (channels, *grid), one axis of the grid at least."""
    weights: IntArray
    """Shape (filters, channels / groups, *taps)."""
    offset: IntArray
    """One entry an element."""
    places: tuple[int, ...]
    groups: int
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    """By how many positions the first window begins before the grid."""

    @property
    def size(self) -> int:
        """Elements of the value."""
        return int(self.offset.shape[0])

    @property
    def filters(self) -> int:
        """Channels of the value."""
        return int(self.weights.shape[0])

    @property
    def taps(self) -> tuple[int, ...]:
        """Extents of a window."""
        return tuple(self.weights.shape[2:])

    @property
    def window(self) -> int:
        """Weights of one element."""
        return int(math.prod(self.weights.shape[1:]))

    def tapped(self) -> Iterator[tuple[Index, Index, Index]]:
        """Each tap, the places at which it lies on the grid, and where it lies there."""
        for tap in itertools.product(*map(range, self.taps)):
            ranges = [self._along(axis, at) for axis, at in enumerate(tap)]
            if all(places.stop > places.start for places, _ in ranges):
                yield tap, tuple(places for places, _ in ranges), tuple(read for _, read in ranges)

    def _along(self, axis: int, tap: int) -> tuple[slice, slice]:
        """Of one axis."""
        stride, extent = self.strides[axis], self.shape[1 + axis]
        shift = tap * self.dilations[axis] - self.before[axis]
        first = max(0, -(shift // stride))  # the least place whose position is 0 or more
        last = min(self.places[axis] - 1, (extent - 1 - shift) // stride)
        begin = first * stride + shift
        return slice(first, last + 1), slice(begin, begin + max(0, last - first) * stride + 1, stride)

    def windows(self) -> IntArray:
        """Elements of a group's first channels that each place's window holds, in the order of a filter's weights.

        Shape (places, window); OUTSIDE where it reaches beyond the grid. Group g reads as many elements further on as
        the channels before its own have.
        """
        depth, cells = self.weights.shape[1], math.prod(self.shape[1:])
        found = np.full((*self.places, depth, *self.taps), OUTSIDE, np.int64)
        grid = np.arange(cells).reshape(self.shape[1:])
        channels = np.arange(depth) * cells
        for tap, places, read in self.tapped():
            found[(*places, slice(None), *tap)] = grid[read][..., None] + channels
        return found.reshape(math.prod(self.places), self.window)


def convolved(node: Convolution, source: Numbers, weights: IntArray | FloatArray | None = None) -> Numbers:
    """A Convolution's value without its offset, in the arithmetic of the source's type.

    Args:
        node: of a verified circuit.
        source: shape (source size, columns).
        weights: in the place of the node's own, of the same shape.

    Returns:
        Shape (size, columns).
    """
    used = (node.weights if weights is None else weights).astype(source.dtype)
    columns = source.shape[1]
    every: Index = (slice(None),)
    whole = every + every
    grid = source.reshape(node.groups, used.shape[1], *node.shape[1:], columns)
    grouped = used.reshape(node.groups, node.filters // node.groups, *used.shape[1:])
    total = np.zeros((node.groups, grouped.shape[1], *node.places, columns), source.dtype)
    for tap, places, read in node.tapped():
        part = np.ascontiguousarray(grid[whole + read])
        flat = part.reshape(node.groups, part.shape[1], -1)
        # Floats are multiplied by BLAS; integers, by NumPy's loops.
        product = np.matmul(grouped[whole + every + tap], flat)
        total[whole + places] += product.reshape(*product.shape[:2], *part.shape[2:])
    return total.reshape(node.size, columns)
