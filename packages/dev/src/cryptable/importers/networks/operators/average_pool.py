"""AveragePool: means over windows."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csr_array  # type: ignore[import-untyped]

from cryptable.graphs.symbols import NOT_THERE, Value
from cryptable.importers.networks.operators.arithmetic import required
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.operators.windows import Windows
from cryptable.importers.networks.reference import NodeRunner


@operator("AveragePool", kind="linear")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """A sparse matrix with one entry for each element of a window."""
    tensor = tracer.affine(required(inputs)[0])
    batch, channels, *spatial = tensor.shape
    attributes = {each.name: each for each in runner.node.attribute}
    windows = Windows.of(runner.node, tuple(spatial), tuple(attributes["kernel_shape"].ints))
    axes = len(spatial)
    index = windows.index(batch * channels, tuple(spatial))
    places = index.shape[1 : 1 + axes]
    there = index != NOT_THERE
    size = there.sum(axis=tuple(range(1 + axes, index.ndim)))
    if "count_include_pad" in attributes and attributes["count_include_pad"].i:
        size = np.broadcast_to(windows.counted(tuple(spatial)), size.shape)
    weights = np.broadcast_to((1.0 / np.maximum(size, 1)).reshape(*size.shape, *[1] * axes), index.shape)
    targets = np.broadcast_to(np.arange(size.size).reshape(*size.shape, *[1] * axes), index.shape)
    matrix = coo_array((weights[there], (targets[there], index[there])), shape=(size.size, tensor.size))
    return [tensor.mapped(csr_array(matrix), (batch, channels, *places))]
