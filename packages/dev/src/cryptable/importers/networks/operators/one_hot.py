"""OneHot: of a feature, whose categories clients send bit by bit."""

from __future__ import annotations

import numpy as np
from onnx import helper

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.symbols import Value, is_encrypted
from cryptable.importers.networks.operators.arithmetic import required
from cryptable.importers.networks.operators.gather import rows_of_feature
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


@operator("OneHot", kind="structural", note="of a feature")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """A category's row of a table that has `on` on its diagonal, and `off` elsewhere."""
    index, depth, values = required(inputs)
    if is_encrypted(depth) or is_encrypted(values):
        raise UnsupportedModelError("its depth or its values depend on encrypted numbers; they must be constants")
    off, on = np.asarray(values).ravel()
    table = np.where(np.eye(int(np.asarray(depth).ravel()[0]), dtype=np.bool_), on, off)
    found = rows_of_feature(table, index, tracer)
    if found is None:
        raise UnsupportedModelError(
            "its index is computed; give the index as an input, or compare with each category (x == torch.arange(n))"
        )
    axis = next((int(helper.get_attribute_value(each)) for each in runner.node.attribute if each.name == "axis"), -1)
    return [found.take(np.moveaxis(np.arange(found.size).reshape(found.shape), -1, axis))]
