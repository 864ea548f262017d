"""torch modules, through torch's own export to ONNX."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from cryptable_protocol import InvalidInputError

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Rows
from cryptable.importers.networks.onnx_network import OnnxNetwork
from cryptable.importers.networks.reading import read_model
from cryptable.importers.networks.sources.registry import source

OPSET = 17


@source("torch.Module")
def read(module: Any, X: Rows, labels: Sequence[float] | Sequence[str] | None) -> OnnxNetwork:  # noqa: ANN401
    """Exported on the first row, with a dynamic number of rows.

    Raises:
        UnsupportedModelError: torch cannot export it.
    """
    name = type(module).__name__.lower()
    return read_model(exported(module, X), name=name, row_shape=None, labels=labels)


def exported(module: Any, X: Rows, *, rows: int = 1) -> onnx.ModelProto:  # noqa: ANN401
    """A torch module as an ONNX model, traced on `rows` rows in evaluation mode, which the module is not left in."""
    import torch

    given = np.asarray(X, np.float32)
    if given.ndim < 2 or not len(given):
        raise InvalidInputError(f"X_train has shape {given.shape}, expected (rows, ...) with at least one row")
    parameter = next((each for each in module.parameters() if each.is_floating_point()), None)
    example = torch.tensor(given[:rows], dtype=torch.float32 if parameter is None else parameter.dtype)
    training = [each for each in module.modules() if each.training]
    buffer = io.BytesIO()
    module.eval()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own: of its deprecation, and of tracing
            torch.onnx.export(
                module,
                (example,),
                buffer,  # type: ignore[arg-type]  # which its documentation allows for
                dynamo=False,
                opset_version=OPSET,
                input_names=["x"],
                output_names=["scores"],
                dynamic_axes={"x": {0: "rows"}},
            )
    except Exception as error:  # torch raises whatever the module does
        raise UnsupportedModelError(
            f"torch could not export {type(module).__name__} to ONNX, opset {OPSET}: {error}; "
            "export it yourself with torch.onnx.export, and compile the file"
        ) from error
    finally:
        for each in training:
            each.training = True
    return onnx.load_from_string(buffer.getvalue())
