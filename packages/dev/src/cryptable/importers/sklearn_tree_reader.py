"""From scikit-learn's fitted trees to trees of the model graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError
from cryptable.importers.labels import labels_of
from cryptable.model_graph import LEAF, AdditiveTrees, Estimator, FloatArray, IntArray, Rows, Tree

SklearnTree: TypeAlias = Any

_SKLEARN_LEAF = -1


def read_averaged_trees(estimator: Estimator, members: Sequence[Any], feature_names: tuple[str, ...]) -> AdditiveTrees:
    """A forest that averages its members: class probabilities, or predictions.

    scikit-learn rounds numbers to float32 and goes left where x <= threshold, a double.
    """
    what = type(estimator).__name__
    if estimator.n_outputs_ != 1:
        raise UnsupportedModelError(
            f"{what}: several targets are not supported; fit and compile one estimator a target"
        )
    labels = labels_of(estimator.classes_, what) if hasattr(estimator, "classes_") else None
    trees = tuple(_read_tree(member.tree_, labels is not None, len(members)) for member in members)
    link = Link.IDENTITY if labels is None else Link.PROBABILITY
    base = np.zeros(trees[0].values.shape[1])
    return AdditiveTrees(feature_names, trees, base, link, labels, as_float32=True)


def probability(estimator: Estimator, rows: Rows) -> FloatArray:
    """Reference of classifiers: the probability of the second class, or of all."""
    probabilities = np.asarray(estimator.predict_proba(rows), np.float64)
    return probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities


def _read_tree(tree: SklearnTree, is_classifier: bool, members: int) -> Tree:
    inner = tree.children_left != _SKLEARN_LEAF
    feature: IntArray = np.where(inner, tree.feature, LEAF).astype(np.int64)
    values: FloatArray = np.asarray(tree.value[:, 0, :], np.float64)
    if is_classifier:
        values = values / values.sum(axis=1, keepdims=True)
        if values.shape[1] == 2:
            values = values[:, 1:]
    left, right = (np.where(inner, side, 0).astype(np.int64) for side in (tree.children_left, tree.children_right))
    return Tree(feature, _next_float32_above(np.asarray(tree.threshold, np.float64)), left, right, values / members)


def _next_float32_above(thresholds: FloatArray) -> FloatArray:
    """The least float32 above each: x <= t, for a float32 x and a double t, is x < that."""
    rounded = thresholds.astype(np.float32)
    above = np.where(rounded > thresholds, rounded, np.nextafter(rounded, np.float32(np.inf)))
    return above.astype(np.float64)
