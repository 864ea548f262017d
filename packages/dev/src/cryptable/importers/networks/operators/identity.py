"""Identity, Dropout, casts to floats: nothing happens in inference."""

from __future__ import annotations

import numpy as np
import onnx

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.symbols import Affine, Value
from cryptable.importers.networks.operators.arithmetic import required
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner
from cryptable.importers.networks.several_inputs import WHOLE_INPUT

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16)


@operator("Identity", "StopGradient", kind="structural")
def identity(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """The input."""
    return required(inputs)[:1]


@operator("Dropout", kind="structural", note="in inference")
def dropout(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """The input, and a mask that says that all elements are kept."""
    data = required(inputs[:1])[0]
    training = inputs[2] if len(inputs) > 2 else None
    if training is not None and bool(np.asarray(training).any()):
        raise UnsupportedModelError("it is in training mode; export the network in evaluation mode (model.eval())")
    return [data, np.ones(data.shape, np.bool_)]


@operator("Cast", kind="elementwise")
def cast(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Between floats, and from integers to floats, nothing happens; to integers or booleans it is a step of a chain."""
    values = required(inputs)
    (to,) = (attribute.i for attribute in runner.node.attribute if attribute.name == "to")
    is_given = runner.node.name.startswith(WHOLE_INPUT)
    if isinstance(values[0], Affine) and (is_given or (values[0].dtype.kind in "fiu" and to in _FLOATS)):
        return [values[0].as_type(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(to)))]
    found = tracer.fused(values, runner)
    if found is None:
        raise UnsupportedModelError("it casts nothing")
    return [found]
