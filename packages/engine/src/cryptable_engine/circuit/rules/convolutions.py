"""The rules of convolutions: grids, groups and windows that fit what is convolved."""

from __future__ import annotations

import math

from cryptable_engine.circuit.circuit import Circuit, Input, Linear, Lookup
from cryptable_engine.circuit.convolution import MAX_AXES, Convolution
from cryptable_engine.circuit.rules.shared import MAX_OFFSET, MAX_WEIGHT, check_array, check_size, check_source
from cryptable_engine.errors import CircuitError


def check_convolution(index: int, node: Convolution, circuit: Circuit) -> None:
    """All of its rules but what the circuit's nodes have in all.

    Raises:
        CircuitError: names the node and the rule.
    """
    axes = len(node.shape) - 1
    if not 1 <= axes <= MAX_AXES:
        raise CircuitError(f"a grid of {axes} axes, expected 1 .. {MAX_AXES}", node=index)
    check_array(index, node.weights, 2 + axes, "weights")
    check_array(index, node.offset, 1, "offset")
    check_size(index, node.size)
    check_source(index, node.source)
    source = circuit.nodes[node.source]
    if not isinstance(source, Input | Linear | Lookup):
        raise CircuitError(f"convolves node {node.source}, which is no Input, Linear or Lookup", node=index)
    if not node.weights.size or min(node.shape) < 1 or math.prod(node.shape) != source.size:
        raise CircuitError(
            f"a grid of {node.shape} and weights {node.weights.shape} for {source.size} values", node=index
        )
    if node.groups < 1 or node.filters % node.groups or node.weights.shape[1] * node.groups != node.shape[0]:
        raise CircuitError(
            f"weights {node.weights.shape} in {node.groups} groups for {node.shape[0]} channels", node=index
        )
    if any(len(each) != axes for each in (node.places, node.strides, node.dilations, node.before)):
        raise CircuitError(f"places, strides, dilations or paddings of other than its {axes} axes", node=index)
    if min(node.places) < 1 or math.prod(node.places) * node.filters != node.size:
        raise CircuitError(f"{node.size} offsets for {node.filters} filters of places {node.places}", node=index)
    if min(*node.strides, *node.dilations) < 1 or min(node.before) < 0:
        raise CircuitError("a stride or dilation below 1, or a negative padding", node=index)
    for axis, (extent, taps, places) in enumerate(zip(node.shape[1:], node.taps, node.places, strict=True)):
        before, last = node.before[axis], (places - 1) * node.strides[axis]
        if before > (taps - 1) * node.dilations[axis] or last - before >= extent:
            raise CircuitError(f"windows on axis {axis} that lie outside the grid", node=index)
    if (node.offset > MAX_OFFSET).any() or (node.offset < -MAX_OFFSET).any():
        raise CircuitError(f"an offset beyond ±{MAX_OFFSET}", node=index)
    if (node.weights > MAX_WEIGHT).any() or (node.weights < -MAX_WEIGHT).any():
        raise CircuitError(f"a weight beyond ±{MAX_WEIGHT}", node=index)
