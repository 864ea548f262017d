"""Conv: convolutions of any number of axes, in groups, with strides, padding and dilation."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csr_array  # type: ignore[import-untyped]

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.symbols import NOT_THERE, Affine, Value
from cryptable.importers.networks.operators.arithmetic import constants
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.operators.windows import Windows
from cryptable.importers.networks.reference import NodeRunner


@operator("Conv", kind="linear", note="1d, 2d, 3d; groups, strides, padding, dilation")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """A sparse matrix with one entry for each weight and place."""
    if inputs[0] is None:
        raise UnsupportedModelError("it has no input")
    tensor = tracer.affine(inputs[0])
    weights, *rest = constants(inputs[1:], "its weights and biases")
    kernel = np.asarray(weights, np.float64)
    groups = next((each.i for each in runner.node.attribute if each.name == "group"), 1)
    batch, channels, *spatial = tensor.shape
    if kernel.shape[1] * groups != channels or kernel.shape[0] % groups:
        raise UnsupportedModelError(f"weights {kernel.shape} in {groups} group(s) do not fit {channels} channels")
    windows = Windows.of(runner.node, tuple(spatial), kernel.shape[2:])
    found = windows.index(channels, tuple(spatial))
    axes = len(spatial)
    places = found.shape[1 : 1 + axes]
    filters = kernel.shape[0] // groups
    # Axes: batch, group, filter, channel within the group, output places, kernel.
    start = np.arange(batch).reshape(batch, *[1] * (3 + 2 * axes)) * (tensor.size // batch)
    grouped = found.reshape(1, groups, 1, channels // groups, *found.shape[1:])
    full = (batch, groups, filters, channels // groups, *found.shape[1:])
    sources = np.broadcast_to(grouped + start, full)
    there = np.broadcast_to(grouped != NOT_THERE, full)
    weighed = kernel.reshape(1, groups, filters, channels // groups, *[1] * axes, *kernel.shape[2:])
    weighed = np.broadcast_to(weighed, full)
    shape = (batch, kernel.shape[0], *places)
    targets = np.arange(int(np.prod(shape))).reshape(batch, groups, filters, 1, *places, *[1] * axes)
    kept = there & (weighed != 0)
    matrix = coo_array(
        (weighed[kept], (np.broadcast_to(targets, full)[kept], sources[kept])),
        shape=(int(np.prod(shape)), tensor.size),
    )
    result = tensor.mapped(csr_array(matrix), shape)
    if rest and rest[0] is not None:
        bias = np.broadcast_to(np.asarray(rest[0], np.float64).reshape(1, -1, *[1] * axes), shape)
        result = result.plus(Affine.of_constant(np.array(bias)))
    return [result]
