"""scikit-learn's histogram gradient boosting: missing values, and categories of its own or of a frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from cryptable_protocol import Labels, Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import LEAF, Estimator, FloatArray, IntArray, Rows, Tree, TreeEnsemble
from cryptable.importers.reading.covers import share_right
from cryptable.importers.reading.labels import categories_of, labels_of
from cryptable.importers.reading.learned_trees import LEFT, MISSING, UNKNOWN, CategoryColumn, LearnedTree, assemble
from cryptable.importers.reading.linear_classifier import decision_function
from cryptable.importers.registry import importer

Predictor: TypeAlias = Any

_LINKS = {
    "squared_error": Link.IDENTITY,
    "absolute_error": Link.IDENTITY,
    "quantile": Link.IDENTITY,
    "gamma": Link.EXPONENTIAL,
    "poisson": Link.EXPONENTIAL,
}


def _raw(estimator: Estimator, rows: Rows) -> FloatArray:
    predicted = np.asarray(estimator.predict(rows), np.float64)
    return np.log(predicted) if _LINKS.get(estimator.loss) is Link.EXPONENTIAL else predicted


@importer("sklearn.ensemble.HistGradientBoostingClassifier", reference=decision_function, takes_gaps=True)
def read_classifier(estimator: Estimator, feature_names: tuple[str, ...]) -> TreeEnsemble:
    """Log-odds of the second class, or logits of all."""
    labels = labels_of(estimator.classes_, type(estimator).__name__)
    return _read(estimator, feature_names, Link.SIGMOID if len(labels) == 2 else Link.SOFTMAX, labels)


@importer("sklearn.ensemble.HistGradientBoostingRegressor", reference=_raw, takes_gaps=True)
def read_regressor(estimator: Estimator, feature_names: tuple[str, ...]) -> TreeEnsemble:
    """Predictions, or their logarithms."""
    if estimator.loss not in _LINKS:
        raise UnsupportedModelError(
            f"{type(estimator).__name__}: loss {estimator.loss!r} is not supported, only {', '.join(_LINKS)}"
        )
    return _read(estimator, feature_names, _LINKS[estimator.loss], None)


def _read(estimator: Estimator, feature_names: tuple[str, ...], link: Link, labels: Labels | None) -> TreeEnsemble:
    categorical = np.zeros(len(feature_names), bool)
    if estimator.is_categorical_ is not None:
        categorical = np.asarray(estimator.is_categorical_, bool)
    # Its preprocessor puts the columns of categories before those of numbers.
    column_of: IntArray = np.concatenate([np.flatnonzero(categorical), np.flatnonzero(~categorical)]).astype(np.int64)
    columns = {}
    if categorical.any():
        encoder = estimator._preprocessor.named_transformers_["encoder"]
        for index, categories in enumerate(encoder.categories_):
            feature = int(column_of[index])
            present = [value for value in categories.tolist() if value is not None and value == value]
            known = categories_of(present, f"{type(estimator).__name__}: feature {feature_names[feature]!r}")
            columns[feature] = CategoryColumn(known, takes_missing=True, takes_unknown=True)
    outputs = len(estimator._predictors[0]) if estimator._predictors else 1
    trees = [
        _tree(predictor, output, outputs, column_of, columns)
        for iteration in estimator._predictors
        for output, predictor in enumerate(iteration)
    ]
    base = np.asarray(estimator._baseline_prediction, np.float64).reshape(-1)
    return assemble(
        trees, feature_names=feature_names, base=base, link=link, labels=labels, as_float32=False, columns=columns
    )


def _tree(
    predictor: Predictor, output: int, outputs: int, column_of: IntArray, columns: dict[int, CategoryColumn]
) -> LearnedTree:
    nodes = predictor.nodes
    inner = nodes["is_leaf"] == 0
    feature: IntArray = np.where(inner, column_of[np.where(inner, nodes["feature_idx"], 0)], LEAF).astype(np.int64)
    # x <= t is x < the next double; all numbers are <= infinity.
    edge: FloatArray = np.nextafter(nodes["num_threshold"].astype(np.float64), np.inf)
    values: FloatArray = np.zeros((nodes.shape[0], outputs))
    values[:, output] = nodes["value"]
    left, right = (np.where(inner, nodes[side], 0).astype(np.int64) for side in ("left", "right"))
    missing = nodes["missing_go_to_left"].astype(np.int8)
    left_sets = {}
    for node in np.flatnonzero(inner & (nodes["is_categorical"] == 1)).tolist():
        known = len(columns[int(feature[node])].categories)
        holds = _holds(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]])
        members = {position for position in range(known) if holds(position)}
        left_sets[node] = frozenset(members | {MISSING, UNKNOWN} if missing[node] == LEFT else members)
    share = share_right(left, right, nodes["count"])
    return LearnedTree(Tree(feature, edge, left, right, values, share), missing, left_sets)


def _holds(words: npt.NDArray[np.uint32]) -> Callable[[int], bool]:
    """Whether a set, stored as 32-bit words, holds a code."""
    return lambda code: bool(int(words[code // 32]) >> (code % 32) & 1)
