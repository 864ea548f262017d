"""Runs single nodes of an ONNX graph in `onnx.reference`, which defines what every operator means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from cryptable.importers.networks.qonnx import reference_operators

Array = npt.NDArray[Any]

custom_operators: list[type[OpRun]] = reference_operators()
"""Operators of other domains than ONNX' own."""


class NodeRunner:
    """One node, ready to be run on arrays: the operator's meaning in the opset of its model."""

    def __init__(self, node: onnx.NodeProto, opsets: dict[str, int]) -> None:
        self.node = node
        self.opsets = opsets
        self._given = [name for name in dict.fromkeys(node.input) if name]
        unknown = onnx.TensorProto.UNDEFINED
        graph = helper.make_graph(
            [node],
            "node",
            [helper.make_tensor_value_info(name, unknown, None) for name in self._given],
            [helper.make_tensor_value_info(name, unknown, None) for name in node.output if name],
        )
        imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
        model = helper.make_model(graph, opset_imports=imports)
        self._evaluator = ReferenceEvaluator(model, new_ops=custom_operators or None)

    def run(self, inputs: Sequence[Array | None]) -> list[Array]:
        """Outputs for the node's inputs, None where one is left out."""
        feeds = {name: value for name, value in zip(self.node.input, inputs, strict=True) if name}
        with np.errstate(all="ignore"):  # a table's ends may lie where a function is infinite
            return [np.asarray(value) for value in self._evaluator.run(None, feeds)]

    @property
    def label(self) -> str:
        """The node as messages name it."""
        return f"{self.node.op_type} node {self.node.name or self.node.output[0]!r}"
