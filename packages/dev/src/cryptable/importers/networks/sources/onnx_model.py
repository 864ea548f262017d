"""ONNX models: an .onnx file's path, a ModelProto, or an OnnxNetwork that has been read before."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
from cryptable_protocol import InvalidInputError
from google.protobuf.message import DecodeError

from cryptable.graphs.graph import Rows
from cryptable.importers.networks.onnx_network import OnnxNetwork
from cryptable.importers.networks.reading import read_model
from cryptable.importers.networks.several_inputs import row_shapes
from cryptable.importers.networks.sources.registry import source


@source("onnx.ModelProto")
def read_proto(model: Any, X: Rows, labels: Sequence[float] | Sequence[str] | None) -> OnnxNetwork:  # noqa: ANN401
    """A model in memory."""
    return read_model(model, name=model.graph.name or "network", row_shape=row_shapes(X), labels=labels)


@source("builtins.str", "pathlib.Path")
def read_file(path: str | os.PathLike[str], X: Rows, labels: Sequence[float] | Sequence[str] | None) -> OnnxNetwork:
    """A file, with the files of external data next to it."""
    path = Path(path)
    if not path.is_file():
        raise InvalidInputError(f"{path}: there is no such file; expected an ONNX model")
    try:
        model = onnx.load(path)
    except DecodeError as error:
        raise InvalidInputError(f"{path} is not an ONNX model: {error}") from error
    return read_model(model, name=path.stem, row_shape=row_shapes(X), labels=labels)


@source("cryptable.OnnxNetwork")
def keep(network: OnnxNetwork, X: Rows, labels: Sequence[float] | Sequence[str] | None) -> OnnxNetwork:
    """As it is, or with other labels."""
    if labels is None:
        return network
    again = read_model(network.model, name=network.name, row_shape=network.input_shape, labels=labels)
    return replace(again, parts=network.parts)
