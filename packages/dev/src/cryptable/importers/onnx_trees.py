"""Trees that were read from an ONNX graph (`cryptable.networks.onnx_trees`): they are trees already."""

from __future__ import annotations

from cryptable.importers.registry import importer
from cryptable.model_graph import AdditiveTrees, Estimator, FloatArray, Rows


def _reference(estimator: Estimator, rows: Rows) -> FloatArray:
    scores: FloatArray = estimator.reference_scores(rows)
    return scores


@importer("cryptable.networks.onnx_trees.OnnxTrees", reference=_reference)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> AdditiveTrees:
    """The trees."""
    graph: AdditiveTrees = estimator.tree_graph(feature_names)
    return graph
