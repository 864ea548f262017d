"""Pad: constants, or elements repeated, around a tensor."""

from __future__ import annotations

import numpy as np
import onnx

from cryptable.graphs.symbols import NOT_THERE, Value
from cryptable.importers.networks.operators.arithmetic import constants, required
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


@operator("Pad", kind="structural")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Run on the elements' numbers, from 1 on: 0 is where the constant goes."""
    tensor = tracer.affine(required(inputs[:1])[0])
    others = constants(inputs[1:], "pads and the constant")
    attributes = {each.name: each for each in runner.node.attribute}
    fill = attributes["value"].f if "value" in attributes else 0.0
    if len(others) > 1 and others[1] is not None:
        fill = float(np.asarray(others[1]).ravel()[0])
    node = onnx.NodeProto()
    node.CopyFrom(runner.node)
    del node.attribute[:], node.input[2:3]
    node.attribute.extend(each for name, each in attributes.items() if name != "value")
    if len(node.input) > 2:
        node.input.insert(2, "")
    numbers = 1 + np.arange(tensor.size, dtype=np.float32).reshape(tensor.shape)
    given = [others[0] if others else None, None, *others[2:]][: len(node.input) - 1]
    index = np.rint(NodeRunner(node, runner.opsets).run([numbers, *given])[0]).astype(np.int64)
    return [tensor.take(np.where(index == 0, NOT_THERE, index - 1), fill)]
