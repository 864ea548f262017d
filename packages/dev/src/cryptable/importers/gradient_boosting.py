"""scikit-learn's gradient boosting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, Rows, TreeEnsemble
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.reading.learned_trees import LearnedTree, assemble
from cryptable.importers.reading.sklearn_trees import predictions, read_tree
from cryptable.importers.registry import importer


def _log_odds(estimator: Estimator, rows: Rows) -> FloatArray:
    return np.asarray(estimator.decision_function(rows), np.float64) * _scale(estimator)


def _scale(estimator: Estimator) -> float:
    """AdaBoost's exponential loss estimates half the log-odds."""
    return 2.0 if estimator.loss == "exponential" else 1.0


@importer("sklearn.ensemble.GradientBoostingClassifier", reference=_log_odds)
def read_classifier(estimator: Estimator, feature_names: tuple[str, ...]) -> TreeEnsemble:
    """Log-odds of the second class, or logits of all."""
    labels = labels_of(estimator.classes_, type(estimator).__name__)
    scale = _scale(estimator)
    graph = assemble(
        _trees(estimator, scale),
        feature_names=feature_names,
        base=_base(estimator) * scale,
        link=Link.SIGMOID if len(labels) == 2 else Link.SOFTMAX,
        labels=labels,
        as_float32=True,
    )
    return replace(graph, tie_is_second=True)  # it asks for log-odds >= 0


@importer("sklearn.ensemble.GradientBoostingRegressor", reference=predictions)
def read_regressor(estimator: Estimator, feature_names: tuple[str, ...]) -> TreeEnsemble:
    """Predictions, whatever the loss."""
    return assemble(
        _trees(estimator, 1.0),
        feature_names=feature_names,
        base=_base(estimator),
        link=Link.IDENTITY,
        labels=None,
        as_float32=True,
    )


def _base(estimator: Estimator) -> FloatArray:
    """What boosting started from: the same for every row."""
    if estimator.init not in (None, "zero"):
        raise UnsupportedModelError(
            f"{type(estimator).__name__}: an estimator of your own as init= is not supported, only None or 'zero'"
        )
    row = np.zeros((1, estimator.n_features_in_), np.float32)
    return np.asarray(estimator._raw_predict_init(row)[0], np.float64)


def _trees(estimator: Estimator, scale: float) -> list[LearnedTree]:
    outputs = estimator.estimators_.shape[1]
    trees = []
    for stage in estimator.estimators_:
        for output, member in enumerate(stage):
            values: FloatArray = np.zeros((member.tree_.node_count, outputs))
            values[:, output] = member.tree_.value[:, 0, 0] * (estimator.learning_rate * scale)
            trees.append(read_tree(member.tree_, values))
    return trees
