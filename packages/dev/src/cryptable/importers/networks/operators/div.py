"""Div: free where the divisor is a constant."""

from __future__ import annotations

import numpy as np

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.symbols import Affine, Value, is_encrypted
from cryptable.importers.networks.operators.arithmetic import broadcast, common_shape, elementwise_or_none, required
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


@operator("Div", kind="linear", note="by a constant, or of a constant")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Scaled by the reciprocal; a constant divided by an encrypted number is a step of a chain."""
    values = required(inputs)
    found = elementwise_or_none(values, runner, tracer)
    divisor = values[1]
    is_scale = isinstance(values[0], Affine) and values[0].dtype.kind == "f" and not is_encrypted(divisor)
    if found is None and not is_scale:
        found = tracer.fused(values, runner)
        if found is None:
            raise UnsupportedModelError(
                "it divides one encrypted number by another; multiply by Reciprocal, at three lookups an element"
            )
    if found is not None:
        return [found]
    shape = common_shape(values)
    tensor = broadcast(tracer.affine(values[0]), shape)
    return [tensor.scaled(1.0 / np.broadcast_to(np.asarray(divisor, np.float64), shape))]
