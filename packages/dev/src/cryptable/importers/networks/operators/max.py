"""Max: a step of a chain with constants; two encrypted tensors take one lookup an element."""

from __future__ import annotations

from cryptable.graphs.symbols import Value
from cryptable.importers.networks.operators.arithmetic import larger, picked
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


@operator("Max", kind="elementwise", note="of different encrypted tensors: one lookup an element and tensor")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Fused where possible, else b plus or minus a rectified difference."""
    return [picked(inputs, runner, tracer, larger)]
