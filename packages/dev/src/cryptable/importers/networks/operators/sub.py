"""Sub: differences are free."""

from __future__ import annotations

from cryptable.graphs.symbols import Value
from cryptable.importers.networks.operators.arithmetic import elementwise_or_none, required, total
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


@operator("Sub", kind="linear", note="also of two encrypted tensors")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Affine, unless it is part of a chain on the same numbers."""
    values = required(inputs)
    return [elementwise_or_none(values, runner, tracer) or total(values, [1.0, -1.0], tracer)]
