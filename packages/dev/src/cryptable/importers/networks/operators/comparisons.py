"""Greater, Less, Equal and the like: a step of a chain; of two encrypted tensors, a lookup of their difference."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.symbols import Constant, Value
from cryptable.importers.networks.operators.arithmetic import required, total
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


@operator(
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    kind="elementwise",
    note="of two encrypted tensors: one lookup an element",
)
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Fused where possible, else applied to the difference and 0."""
    values = required(inputs)
    found = tracer.fused(values, runner)
    if found is not None:
        return [found]
    difference = total(values, [1.0, -1.0], tracer)

    def compared(numbers: Constant) -> Constant:
        given = numbers.astype(difference.dtype)
        return runner.run([given, np.zeros_like(given)])[0]

    return [tracer.apply(difference, compared, runner.node.name or runner.node.output[0])]
