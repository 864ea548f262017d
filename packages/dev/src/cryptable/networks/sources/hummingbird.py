"""What `hummingbird.ml.convert` returns, where it is a network: its ONNX model, or its torch module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx

from cryptable.model_graph import Rows
from cryptable.networks.onnx_network import OnnxNetwork
from cryptable.networks.reading import read_model
from cryptable.networks.sources.onnx_model import row_shape
from cryptable.networks.sources.registry import source
from cryptable.networks.sources.torch_module import exported


@source("hummingbird.SklearnContainer")
def read(container: Any, X: Rows, labels: Sequence[int] | Sequence[str] | None) -> OnnxNetwork:  # noqa: ANN401
    """By the backend that it was converted for, "onnx" or "torch"."""
    inner = container.model
    model = inner if isinstance(inner, onnx.ModelProto) else exported(inner, X)
    return read_model(model, name="network", row_shape=row_shape(X), labels=labels)
