"""Neg: a factor of -1."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.symbols import Value
from cryptable.importers.networks.operators.arithmetic import elementwise_or_none, required
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


@operator("Neg", kind="linear")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Affine, unless it is part of a chain."""
    values = required(inputs)
    tensor = elementwise_or_none(values, runner, tracer)
    if tensor is not None:
        return [tensor]
    affine = tracer.affine(values[0])
    return [affine.scaled(np.full(affine.shape, -1.0))]
