"""Mean: of several tensors, element by element."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.symbols import Value
from cryptable.importers.networks.operators.arithmetic import elementwise_or_none, required, total
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


@operator("Mean", kind="linear", note="also of several encrypted tensors")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Affine, unless it is part of a chain on the same numbers."""
    values = required(inputs)
    found = elementwise_or_none(values, runner, tracer)
    if found is None:
        summed = total(values, [1.0] * len(values), tracer)
        return [summed.scaled(np.full(summed.shape, 1.0 / len(values)))]
    return [found]
