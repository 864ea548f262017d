"""Trees that were read from an ONNX graph (`importers.networks.trees`): they are trees already."""

from __future__ import annotations

from cryptable.graphs.graph import Estimator, FloatArray, Rows, TreeEnsemble
from cryptable.importers.registry import importer


def _reference(estimator: Estimator, rows: Rows) -> FloatArray:
    scores: FloatArray = estimator.reference_scores(rows)
    return scores


@importer("cryptable.importers.networks.trees.as_estimator.OnnxTrees", reference=_reference)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> TreeEnsemble:
    """The trees."""
    graph: TreeEnsemble = estimator.tree_graph(feature_names)
    return graph
