"""Networks whose convolutions keep their weights shared: one range of sums, and one step of values, a channel.

Quantizing gives each element a range of its own, which is as fine as tables can be, and makes its weights other
integers than its neighbour's. That is dear where there are many: then all elements of a channel have one range.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.graphs.graph import FloatArray
from cryptable.graphs.integers import Grid
from cryptable.graphs.network import Layer, SegmentedNetwork
from cryptable.planner.networks.convolutions import Segment, Shape, segments, shared_weights
from cryptable.planner.networks.input_grid import input_grid
from cryptable.planner.networks.ranges import Ranges

MANY = 1 << 17
"""Entries of a convolution's matrix from which on its weights are shared, and with them all others' of the network."""


@dataclass(frozen=True, eq=False)
class Sharing:
    """A network whose convolutions have equal weights at all places.

    `pooled` has for each layer the shape of which all elements of a channel are quantized alike, or None; `inputs`
    likewise of the features.
    """

    network: SegmentedNetwork
    pooled: tuple[Shape | None, ...]
    inputs: Shape | None

    def pool(self, layer: int, ranges: Ranges) -> Ranges:
        """The widest of each channel."""
        shape = self.pooled[layer]
        if shape is None:
            return ranges
        places = ranges.low.size // shape[0]
        low, high = ranges.low.reshape(shape[0], -1).min(axis=1), ranges.high.reshape(shape[0], -1).max(axis=1)
        return Ranges(np.repeat(low, places), np.repeat(high, places))

    def input_grid(self, rows: FloatArray, bits: int) -> Grid | None:
        """One step for all features of a channel; None where each has its own."""
        if self.inputs is None:
            return None
        channels = self.inputs[0]
        pooled = rows.reshape(len(rows), channels, -1).transpose(0, 2, 1).reshape(-1, channels)
        grid = input_grid(pooled, np.full(channels, 2.0**bits), np.zeros(channels))
        places = rows.shape[1] // channels
        return Grid(np.repeat(grid.zero, places), np.repeat(grid.step, places), np.repeat(grid.maximum, places))


def shared(network: SegmentedNetwork) -> Sharing:
    """What is to be quantized alike; nothing, where all convolutions are small."""
    layers, nothing = network.layers, Sharing(network, (None,) * len(network.layers), None)
    if network.indicators or not any(layer.matrix.nnz >= MANY and layer.shape for layer in layers):
        return nothing
    parts = segments(len(network.feature_names), network.shape, [(layer.size, layer.shape) for layer in layers])
    found = [_equalized(layer, parts) for layer in layers]
    if network.indicators or all(
        layer.matrix.nnz < MANY or not reads for layer, (_, reads) in zip(layers, found, strict=True)
    ):
        return Sharing(network, (None,) * len(layers), None)
    convolved = {segment for _, reads in found for segment in reads}
    convolved |= {segment for segment, (_, reads) in zip(parts[1:], found, strict=True) if reads}
    pooled = tuple(each.shape if each in convolved else None for each in parts)
    return Sharing(replace(network, layers=tuple(layer for layer, _ in found)), pooled[1:], pooled[0])


def _equalized(layer: Layer, parts: tuple[Segment, ...]) -> tuple[Layer, list[Segment]]:
    """With weights that are equal where they nearly are, and the segments that it convolves."""
    reads: list[Segment] = []
    if layer.shape is None:
        return layer, reads
    data = layer.matrix.data.copy()
    for segment in parts:
        part, mine = segment.part(layer.matrix)
        found = None if segment.shape is None else shared_weights(part, segment.shape, layer.shape)
        if found is not None:
            data[mine] = found.weights.ravel()[found.entry_of]
            reads.append(segment)
    matrix = csr_array((data, layer.matrix.indices, layer.matrix.indptr), shape=layer.matrix.shape)
    return replace(layer, matrix=matrix), reads
