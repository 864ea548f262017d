"""torch modules, through torch's own export to ONNX."""

from __future__ import annotations

import copy
import inspect
import io
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import onnx
from cryptable_protocol import InvalidInputError

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Rows
from cryptable.importers.networks.onnx_network import OnnxNetwork
from cryptable.importers.networks.reading import read_model
from cryptable.importers.networks.several_inputs import row_shapes
from cryptable.importers.networks.sources.decomposed_quantizers import register_quantizers
from cryptable.importers.networks.sources.registry import source

OPSETS = (17, 18, 20)
"""Tried in this order: some operators are of later ones."""


@source("torch.ExportedProgram")
def read_program(program: Any, X: Rows, labels: Sequence[float] | Sequence[str] | None) -> OnnxNetwork:  # noqa: ANN401
    """What `torch.export.export` returns: its module, of any number of rows, or of one.

    Raises:
        UnsupportedModelError: its number of rows is fixed at another one, or torch cannot export it.
    """
    return read_model(exported(_called(program.module()), X), name="network", row_shape=row_shapes(X), labels=labels)


def _called(module: Any) -> Any:  # noqa: ANN401
    """A module that calls another one, which knows no training mode, as its submodule would be asked for."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of how it copies graphs
        module = copy.deepcopy(module)
    for parameter in module.parameters():
        parameter.requires_grad_(False)

    class Calling(torch.nn.Module):
        def forward(self, *inputs: Any) -> Any:  # noqa: ANN401
            return module(*inputs)

    return Calling()


@source("torch.ONNXProgram")
def read_onnx_program(program: Any, X: Rows, labels: Sequence[float] | Sequence[str] | None) -> OnnxNetwork:  # noqa: ANN401
    """What `torch.onnx.export(dynamo=True)` returns."""
    return read_model(program.model_proto, name="network", row_shape=row_shapes(X), labels=labels)


@source("torch.Module")
def read(module: Any, X: Rows, labels: Sequence[float] | Sequence[str] | None) -> OnnxNetwork:  # noqa: ANN401
    """Exported on the first row, with a dynamic number of rows; what `torch.compile` returns is what it was made of.

    Raises:
        UnsupportedModelError: torch cannot export it.
    """
    module = getattr(module, "_orig_mod", module)
    name = str(getattr(module, "original_name", type(module).__name__)).lower()
    return read_model(exported(module, X), name=name, row_shape=row_shapes(X), labels=labels)


def exported(module: Any, X: Rows, *, rows: int = 1) -> onnx.ModelProto:  # noqa: ANN401
    """A torch module as an ONNX model, traced on `rows` rows in evaluation mode, which the module is not left in.

    Integers are given as numbers, and where torch cannot export it so, as an embedding, as integers.
    """
    import torch

    inputs = _inputs(module, X)
    parameter = next((each for each in module.parameters() if each.is_floating_point()), None)
    dtype = torch.float32 if parameter is None else parameter.dtype
    if dtype in (torch.bfloat16, torch.float16):  # half the digits say how weights are kept, not what they are
        module, dtype = copy.deepcopy(module).float(), torch.float32
    examples = [{name: torch.tensor(each[:rows].astype(np.float64), dtype=dtype) for name, each in inputs.items()}]
    if any(each.dtype.kind in "iu" for each in inputs.values()):
        whole = {name: each[:rows].astype(np.int64) for name, each in inputs.items() if each.dtype.kind in "iu"}
        examples.append(examples[0] | {name: torch.tensor(each) for name, each in whole.items()})
    training = [each for each in module.modules() if each.training]
    if training:
        try:
            module.train(False)
        except NotImplementedError:  # what `torch.export` has made knows no modes
            module, training = _called(module), []
            module.train(False)
    try:
        return _exported(module, examples)
    finally:
        for each in training:
            each.training = True


def _inputs(module: Any, X: Rows) -> dict[str, np.ndarray]:  # type: ignore[type-arg]  # noqa: ANN401
    """Calibration data of each input, by name, in the order in which the module takes them.

    Raises:
        InvalidInputError: a shape without rows, or inputs of other names than the module's parameters.
    """
    if isinstance(X, Mapping):
        taken = [name for name in inspect.signature(module.forward).parameters if name in X]
        if len(taken) != len(X):
            unknown = sorted(set(map(str, X)) - set(taken))
            raise InvalidInputError(
                f"X_train has the input {unknown[0]!r}, which {type(module).__name__} does not take"
            )
        given = {name: np.asarray(X[name]) for name in taken}
    elif isinstance(X, tuple):
        given = {f"x{index}": np.asarray(each) for index, each in enumerate(X)}
    else:
        given = {"x": np.asarray(X)}
    for each in given.values():
        if each.ndim < 1 + (len(given) == 1) or not len(each):
            raise InvalidInputError(f"X_train has shape {each.shape}, expected (rows, ...) with at least one row")
    return given


def _exported(module: Any, examples: list[dict[str, Any]]) -> onnx.ModelProto:  # noqa: ANN401
    """With the first of the examples that torch can export it with, in the first opset that has all operators.

    Raises:
        UnsupportedModelError: torch cannot; says why.
    """
    why: Exception | None = None
    for example in examples:
        for opset in OPSETS:
            try:
                return _exported_by_torch(module, example, opset)
            except Exception as error:  # noqa: BLE001  (torch raises whatever the module does)
                why = error if why is None or (example is examples[-1] and len(examples) > 1) else why
                if "opset" not in str(error):
                    break
    shapes = " and ".join(str(tuple(each.shape)) for each in examples[0].values())
    takes = "one tensor" if len(examples[0]) == 1 else f"{len(examples[0])} tensors"
    name = type(module).__name__
    raise UnsupportedModelError(
        f"torch could not export {name} to ONNX, opset {OPSETS[0]}: {why}; it must take {takes} of shape {shapes}, as "
        "of a row of X_train, and any number of rows; of several inputs, X_train is a tuple or a dictionary of arrays, "
        "and an index is of integers. Or export it yourself with torch.onnx.export, and compile the file"
    ) from why


def _exported_by_torch(module: Any, example: dict[str, Any], opset: int) -> onnx.ModelProto:  # noqa: ANN401
    import torch

    register_quantizers()
    buffer = io.BytesIO()
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it prints graphs that it fails on
        warnings.simplefilter("ignore")  # the exporter's own: of its deprecation, and of tracing
        torch.onnx.export(
            module,
            tuple(example.values()),
            buffer,  # type: ignore[arg-type]  # which its documentation allows for
            dynamo=False,
            opset_version=opset,
            input_names=list(example),
            output_names=["scores"],
            dynamic_axes={name: {0: "rows"} for name in example},
        )
    return onnx.load_from_string(buffer.getvalue())
