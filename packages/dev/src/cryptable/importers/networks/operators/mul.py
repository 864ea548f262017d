"""Mul: free with a constant; two encrypted tensors take two lookups an element."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.symbols import Value, is_encrypted
from cryptable.importers.networks.operators.arithmetic import (
    broadcast,
    common_shape,
    elementwise_or_none,
    product,
    required,
)
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


@operator("Mul", kind="linear", note="of two encrypted tensors: two lookups an element")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Scaled where one side is a constant; one lookup where both are functions of the same numbers."""
    values = required(inputs)
    both = all(is_encrypted(value) for value in values)
    found = tracer.fused(values, runner) if both else elementwise_or_none(values, runner, tracer)
    if found is not None:
        return [found]
    shape = common_shape(values)
    if both:
        one, other = (broadcast(tracer.affine(value), shape) for value in values)
        return [product(one, other, runner.node.name or runner.node.output[0], tracer)]
    encrypted, factor = values if is_encrypted(values[0]) else values[::-1]
    tensor = broadcast(tracer.affine(encrypted), shape)
    return [tensor.scaled(np.broadcast_to(np.asarray(factor, np.float64), shape))]
