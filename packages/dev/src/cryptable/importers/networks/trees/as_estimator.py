"""OnnxTrees: trees that came as a graph of tensors, as an estimator that the planner of trees takes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from cryptable_protocol import Labels, Link
from google.protobuf.message import DecodeError
from onnx import helper
from onnx.reference import ReferenceEvaluator

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray, Rows, TreeEnsemble
from cryptable.importers.networks.onnx_network import check_labels
from cryptable.importers.networks.trees.graph import TreeGraph, read_tree_graph

_LEAST_ROWS = 2
"""hummingbird squeezes its tensors, and so one row alone would lose its axis."""


class OnnxTrees:
    """An ensemble of trees, and the ONNX model that it was read from, which predicts."""

    def __init__(self, model: onnx.ModelProto, found: TreeGraph, labels: Labels | None, name: str) -> None:
        self._model, self._found, self.labels, self.name = model, found, labels, name
        self._input = model.graph.input[0]
        self._evaluator = ReferenceEvaluator(model)

    def tree_graph(self, feature_names: tuple[str, ...]) -> TreeEnsemble:
        """The trees, for the planner."""
        double = self._input.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE
        found = self._found
        return TreeEnsemble(feature_names, found.trees, found.base, found.link, self.labels, not double)

    def reference_scores(self, X: Rows) -> FloatArray:
        """What the ONNX model computes, before the link, shape (rows, outputs)."""
        rows = np.asarray(X, helper.tensor_dtype_to_np_dtype(self._input.type.tensor_type.elem_type))
        padded = rows if len(rows) >= _LEAST_ROWS else np.repeat(rows, _LEAST_ROWS, axis=0)
        (scores,) = self._evaluator.run([self._found.scores_name], {self._input.name: padded})
        found = np.asarray(scores, np.float64).reshape(len(padded), -1)[: len(rows)]
        return found[:, 1:] if found.shape[1] == len(self._found.base) + 1 else found

    def predict(self, X: Rows) -> npt.NDArray[Any]:
        """Labels, or a regression's predictions."""
        scores = self.reference_scores(X)
        if self.labels is None:
            return scores[:, 0] if scores.shape[1] == 1 else scores
        limit = 0.5 if self._found.link is Link.PROBABILITY else 0.0
        chosen = (scores[:, 0] > limit).astype(np.int64) if scores.shape[1] == 1 else scores.argmax(axis=1)
        found: npt.NDArray[Any] = np.asarray(self.labels)[chosen]
        return found


def read_trees(model: object, X: Rows, labels: Sequence[float] | Sequence[str] | None) -> OnnxTrees | None:
    """The trees of an ONNX model, or of a container of hummingbird's; None where it is something else.

    Args:
        model: an onnx.ModelProto, the path of an .onnx file, or what `hummingbird.ml.convert` returns.
        X: calibration data.
        labels: of the classes, where the model has only their numbers.
    """
    if isinstance(X, tuple | Mapping):  # of several inputs
        return None
    proto, name = _proto_of(model, X)
    shape = np.shape(X)
    if proto is None or len(shape) != 2 or len(proto.graph.input) != 1:
        return None
    found = read_tree_graph(proto, shape[1])
    if found is None:
        return None
    named = found.labels if labels is None or found.labels is None else tuple(np.asarray(labels).tolist())
    check_labels(named, len(found.base))
    with_scores = onnx.ModelProto()
    with_scores.CopyFrom(proto)
    if found.scores_name not in {each.name for each in proto.graph.output}:
        kind = proto.graph.input[0].type.tensor_type.elem_type
        with_scores.graph.output.append(helper.make_tensor_value_info(found.scores_name, kind, None))
    return OnnxTrees(with_scores, found, named, name)


def _proto_of(model: object, X: Rows) -> tuple[onnx.ModelProto | None, str]:
    if isinstance(model, onnx.ModelProto):
        return model, model.graph.name or "trees"
    if isinstance(model, str | os.PathLike):
        path = Path(model)
        try:
            return onnx.load(path), path.stem
        except (OSError, DecodeError):  # what is wrong with the file is for the reader of networks to say
            return None, ""
    inner = getattr(model, "model", None)
    if inner is None or not type(model).__module__.startswith("hummingbird."):
        return None, ""
    if isinstance(inner, onnx.ModelProto):
        return inner, "trees"
    from cryptable.importers.networks.sources.torch_module import exported

    try:
        return exported(inner, X, rows=_LEAST_ROWS), "trees"
    except UnsupportedModelError:
        return None, ""
