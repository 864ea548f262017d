"""torch modules, through torch's own export to ONNX."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import onnx
from cryptable_protocol import InvalidInputError

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Rows
from cryptable.importers.networks.onnx_network import OnnxNetwork
from cryptable.importers.networks.reading import read_model
from cryptable.importers.networks.sources.onnx_model import row_shape
from cryptable.importers.networks.sources.registry import source

OPSETS = (17, 18, 20)
"""Tried in this order: some operators are of later ones."""


@source("torch.ExportedProgram")
def read_program(program: Any, X: Rows, labels: Sequence[float] | Sequence[str] | None) -> OnnxNetwork:  # noqa: ANN401
    """What `torch.export.export` returns: its module, of any number of rows, or of one.

    Raises:
        UnsupportedModelError: its number of rows is fixed at another one, or torch cannot export it.
    """
    return read_model(exported(_called(program.module()), X), name="network", row_shape=None, labels=labels)


def _called(module: Any) -> Any:  # noqa: ANN401
    """A module that calls another one, which knows no training mode, as its submodule would be asked for."""
    import torch

    module = copy.deepcopy(module)
    for parameter in module.parameters():
        parameter.requires_grad_(False)

    class Calling(torch.nn.Module):
        def forward(self, rows: Any) -> Any:  # noqa: ANN401
            return module(rows)

    return Calling()


@source("torch.ONNXProgram")
def read_onnx_program(program: Any, X: Rows, labels: Sequence[float] | Sequence[str] | None) -> OnnxNetwork:  # noqa: ANN401
    """What `torch.onnx.export(dynamo=True)` returns."""
    return read_model(program.model_proto, name="network", row_shape=row_shape(X), labels=labels)


@source("torch.Module")
def read(module: Any, X: Rows, labels: Sequence[float] | Sequence[str] | None) -> OnnxNetwork:  # noqa: ANN401
    """Exported on the first row, with a dynamic number of rows; what `torch.compile` returns is what it was made of.

    Raises:
        UnsupportedModelError: torch cannot export it.
    """
    module = getattr(module, "_orig_mod", module)
    name = str(getattr(module, "original_name", type(module).__name__)).lower()
    return read_model(exported(module, X), name=name, row_shape=None, labels=labels)


def exported(module: Any, X: Rows, *, rows: int = 1) -> onnx.ModelProto:  # noqa: ANN401
    """A torch module as an ONNX model, traced on `rows` rows in evaluation mode, which the module is not left in."""
    import torch

    given = np.asarray(X, np.float32)
    if given.ndim < 2 or not len(given):
        raise InvalidInputError(f"X_train has shape {given.shape}, expected (rows, ...) with at least one row")
    parameter = next((each for each in module.parameters() if each.is_floating_point()), None)
    dtype = torch.float32 if parameter is None else parameter.dtype
    if dtype in (torch.bfloat16, torch.float16):  # half the digits say how weights are kept, not what they are
        module, dtype = copy.deepcopy(module).float(), torch.float32
    example = torch.tensor(given[:rows], dtype=dtype)
    training = [each for each in module.modules() if each.training]
    if training:
        module.train(False)
    try:
        return _exported(module, example)
    finally:
        for each in training:
            each.training = True


def _exported(module: Any, example: Any) -> onnx.ModelProto:  # noqa: ANN401
    """In the first opset that has all operators.

    Raises:
        UnsupportedModelError: torch cannot; says why.
    """
    import torch

    why: Exception | None = None
    for opset in OPSETS:
        buffer = io.BytesIO()
        try:
            with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it prints graphs that it fails on
                warnings.simplefilter("ignore")  # the exporter's own: of its deprecation, and of tracing
                torch.onnx.export(
                    module,
                    (example,),
                    buffer,  # type: ignore[arg-type]  # which its documentation allows for
                    dynamo=False,
                    opset_version=opset,
                    input_names=["x"],
                    output_names=["scores"],
                    dynamic_axes={"x": {0: "rows"}},
                )
            return onnx.load_from_string(buffer.getvalue())
        except Exception as error:  # noqa: BLE001  (torch raises whatever the module does)
            why = why or error
            if "opset" not in str(error):
                break
    name = type(module).__name__
    raise UnsupportedModelError(
        f"torch could not export {name} to ONNX, opset {OPSETS[0]}: {why}; it must take one tensor of shape "
        f"{tuple(example.shape)}, that of a row of X_train, and any number of rows. Or export it yourself with "
        "torch.onnx.export, and compile the file"
    ) from why
