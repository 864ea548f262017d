"""Max: a step of a chain with constants; two encrypted tensors take one lookup an element."""

from __future__ import annotations

from functools import reduce

from cryptable.networks.operators.arithmetic import broadcast, common_shape, larger, required
from cryptable.networks.operators.registry import Tracer, operator
from cryptable.networks.reference import NodeRunner
from cryptable.networks.values import Affine, Value


@operator("Max", kind="elementwise", note="of different encrypted tensors: one lookup an element and tensor")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Fused where possible, else b plus or minus a rectified difference."""
    values = required(inputs)
    found = tracer.fused(values, runner)
    if found is not None:
        return [found]
    shape, name = common_shape(values), runner.node.name or runner.node.output[0]
    tensors = [broadcast(tracer.affine(value), shape) for value in values]

    def pick(one: Affine, other: Affine) -> Affine:
        return larger(one, other, name, tracer)

    return [reduce(pick, tensors)]
