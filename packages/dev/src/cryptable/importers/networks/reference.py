"""Runs single nodes of an ONNX graph in `onnx.reference`, which defines what every operator means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from cryptable_protocol import CryptableError
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_rnn import RNN_14

from cryptable.errors import UnsupportedModelError
from cryptable.importers.networks.qonnx import reference_operators

Array = npt.NDArray[Any]


class RNN(RNN_14):
    """As ONNX has it: `onnx.reference` knows no Relu there, which torch has."""

    op_domain = ""

    def choose_act(self, name: str, alpha: float | None, beta: float | None) -> Callable[[Array], Array]:
        """The function of this name."""
        if name.lower() == "relu":
            return lambda numbers: np.maximum(numbers, 0)
        found: Callable[[Array], Array] = super().choose_act(name, alpha, beta)  # type: ignore[no-untyped-call]
        return found


custom_operators: list[type[OpRun]] = [*reference_operators(), RNN]
"""Operators that `onnx.reference` has not, or not as they are needed."""


_QUANTIZED = "QLinear|QGemm|ConvInteger|MatMulInteger|DynamicQuantize"
"""Operators on integers, of networks that are quantized already."""


@contextmanager
def naming_failures(what: str) -> Iterator[None]:
    """What onnx.reference cannot run, in the words of whatever its operators raise, is told as an error of ours."""
    try:
        yield
    except CryptableError:
        raise
    except Exception as error:
        advice = "express it with operators of ONNX' own domain"
        if re.search(_QUANTIZED, str(error)):
            advice = "quantize it with quant_format=QuantFormat.QDQ, whose operators are those of floats"
        reason = f"{type(error).__name__}: {error}"
        raise UnsupportedModelError(f"{what} cannot be evaluated by onnx.reference: {reason}; {advice}") from error


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
        with naming_failures(self.label):
            self._evaluator = ReferenceEvaluator(model, new_ops=custom_operators or None)

    def run(self, inputs: Sequence[Array | None]) -> list[Array]:
        """Outputs for the node's inputs, None where one is left out."""
        feeds = {name: value for name, value in zip(self.node.input, inputs, strict=True) if name}
        with np.errstate(all="ignore"), naming_failures(self.label):  # a table's ends may lie where it is infinite
            return [np.asarray(value) for value in self._evaluator.run(None, feeds)]

    @property
    def label(self) -> str:
        """The node as messages name it."""
        return f"{self.node.op_type} node {self.node.name or self.node.output[0]!r}"
