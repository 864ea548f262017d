"""Neg: a factor of -1."""

from __future__ import annotations

import numpy as np

from cryptable.networks.operators.arithmetic import elementwise_or_none, required
from cryptable.networks.operators.registry import Tracer, operator
from cryptable.networks.reference import NodeRunner
from cryptable.networks.values import Value


@operator("Neg", kind="linear")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Affine, unless it is part of a chain."""
    values = required(inputs)
    tensor = elementwise_or_none(values, runner, tracer)
    if tensor is not None:
        return [tensor]
    affine = tracer.affine(values[0])
    return [affine.scaled(np.full(affine.shape, -1.0))]
