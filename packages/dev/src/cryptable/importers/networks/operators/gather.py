"""Gather: slices by constant indices; and rows of constants by a feature that is an index, as of an embedding."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.symbols import Value, is_encrypted
from cryptable.importers.networks.operators.matmul import times
from cryptable.importers.networks.operators.registry import Tracer, moving, operator
from cryptable.importers.networks.reference import NodeRunner

MOST_CATEGORIES = 4096
"""Clients send a bit for each but one."""
_moved = moving(1)


@operator("Gather", kind="structural", note="or an embedding: rows of constants by a feature, whose bits clients send")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Elements by constant indices are moved; constants by an encrypted index are a product with its one-hot bits."""
    data, index = inputs
    if data is None or index is None or is_encrypted(data) or not is_encrypted(index):
        return _moved(runner, inputs, tracer)
    table = np.asarray(data, np.float64)
    axis = _axis(runner.node)
    if axis not in (0, -table.ndim):
        raise UnsupportedModelError(f"it takes constants by an encrypted index along axis {axis}; only 0 is supported")
    if not 2 <= len(table) <= MOST_CATEGORIES:
        raise UnsupportedModelError(
            f"it has {len(table)} categories, for which clients would send a bit each; expected 2 to "
            f"{MOST_CATEGORIES}: join rare ones"
        )
    found = times(tracer.one_hot(index, len(table)), table.reshape(len(table), -1))
    return [found.reshaped((*index.shape, *table.shape[1:])).as_type(np.asarray(data).dtype)]


def _axis(node: onnx.NodeProto) -> int:
    return next((int(helper.get_attribute_value(each)) for each in node.attribute if each.name == "axis"), 0)
