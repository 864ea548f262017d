"""ReduceMax, ReduceMin, GlobalMaxPool: tournaments along axes."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.symbols import Value
from cryptable.importers.networks.operators.arithmetic import constants, extreme, required
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


@operator(
    "GlobalMaxPool", "ReduceMax", "ReduceMin", kind="lookups", note="one lookup less than elements, for each result"
)
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """The reduced axes last, then a tournament; the result's shape is the operator's own."""
    tensor = tracer.affine(required(inputs[:1])[0])
    others = constants(inputs[1:], "axes")
    numbers = np.arange(tensor.size, dtype=np.float32).reshape(tensor.shape)
    result = runner.run([numbers, *others])[0]
    if result.shape == tensor.shape:
        return [tensor]
    # Of rising numbers the largest is the last of its group: it tells groups apart, whatever the axes are.
    axes = _reduced_axes(runner, others, len(tensor.shape))
    index = np.moveaxis(np.arange(tensor.size).reshape(tensor.shape), axes, range(-len(axes), 0))
    index = index.reshape(*index.shape[: index.ndim - len(axes)], -1)
    name = runner.node.name or runner.node.output[0]
    largest = runner.node.op_type != "ReduceMin"
    return [extreme(tensor.take(index), name, tracer, largest=largest).reshaped(result.shape)]


def _reduced_axes(runner: NodeRunner, others: list[np.ndarray | None], dimensions: int) -> list[int]:  # type: ignore[type-arg]
    if runner.node.op_type == "GlobalMaxPool":
        return list(range(2, dimensions))
    attributes = {each.name: each for each in runner.node.attribute}
    axes: list[int] = []
    if others and others[0] is not None:
        axes = [int(axis) for axis in np.asarray(others[0]).ravel()]
    elif "axes" in attributes:
        axes = list(attributes["axes"].ints)
    return sorted(axis % dimensions for axis in axes) or list(range(dimensions))
