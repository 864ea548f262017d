"""A network of one node, of one test: one encrypted row that its inputs are cut from, and one row of results."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]


def array_of(value: Any) -> Array:  # noqa: ANN401
    """What a test gives or expects, as an array."""
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def wrapped(
    model: onnx.ModelProto, inputs: dict[str, Array], encrypted: list[str], expected: list[Array]
) -> tuple[onnx.ModelProto, Array, Array]:
    """Wrap a test.

    Args:
        model: of one node.
        inputs: by name.
        encrypted: names of those inputs whose finite numbers are encrypted; everything else is a constant.
        expected: the node's outputs.

    Returns:
        A model from (1, numbers) to (1, results), the numbers, and the finite ones of the expected results.
    """
    build = _Builder(model.opset_import[0].version)
    parts, start = [], 0
    for name in encrypted:
        array = inputs[name]
        finite = np.isfinite(array).ravel()
        stop = start + int(finite.sum())
        build.reassembled(name, array, finite, start, stop)
        parts.append(array.ravel()[finite])
        start = stop
    for name, value in inputs.items():
        if name not in encrypted:
            build.constant(name, value)
    node = onnx.NodeProto()
    node.CopyFrom(model.graph.node[0])
    build.nodes.append(node)
    flat = [build.flattened(each.name) for each in model.graph.output]
    if len(flat) > 1:
        flat = [build.node("Concat", [build.node("Cast", [each], to=TensorProto.DOUBLE) for each in flat], axis=1)]
    results = np.concatenate([each.astype(np.float64).ravel() for each in expected])
    kept = np.isfinite(results)
    output = (
        flat[0] if kept.all() else build.node("Gather", [flat[0], build.constant("", np.flatnonzero(kept))], axis=1)
    )
    dtype = next(each.type.tensor_type.elem_type for each in model.graph.input if each.name == encrypted[0])
    graph = helper.make_graph(
        build.nodes,
        "node",
        [helper.make_tensor_value_info("row", dtype, [1, start])],
        [
            helper.make_tensor_value_info(
                output, model.graph.output[0].type.tensor_type.elem_type, [1, results[kept].size]
            )
        ],
        build.initializers,
    )
    made = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return made, np.concatenate(parts).astype(np.float64), results[kept]


class _Builder:
    """Nodes and constants with names of their own."""

    def __init__(self, opset: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._opset = opset

    def constant(self, name: str, value: Array) -> str:
        """A constant, under a new name where none is given."""
        name = name or f"constant {len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def node(self, operator: str, inputs: list[str], output: str = "", **attributes: Any) -> str:  # noqa: ANN401
        """One more node; gives the name of its output."""
        output = output or f"value {len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def reassembled(self, name: str, array: Array, finite: Array, start: int, stop: int) -> None:
        """Numbers of the row, and constants where the test's are not finite, in the tensor `name`."""
        if self._opset >= 10:
            ends = [self.constant("", np.array([each])) for each in (start, stop, 1)]
            part = self.node("Slice", ["row", *ends])
        else:
            part = self.node("Slice", ["row"], starts=[start], ends=[stop], axes=[1])
        if not finite.all():
            rest = self.constant("", array.ravel()[~finite][None])
            joined = self.node("Concat", [part, rest], axis=1)
            place = np.where(finite, np.cumsum(finite) - 1, finite.sum() + np.cumsum(~finite) - 1)
            part = self.node("Gather", [joined, self.constant("", place.astype(np.int64))], axis=1)
        self.node("Reshape", [part, self.constant("", np.array(array.shape, np.int64))], name)

    def flattened(self, name: str) -> str:
        """All numbers of a tensor in one row."""
        return self.node("Reshape", [name, self.constant("", np.array([1, -1]))])
