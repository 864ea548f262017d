"""From scikit-learn's fitted trees to trees of the model graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from cryptable_protocol import Link

from cryptable.graphs.graph import LEAF, Estimator, FloatArray, IntArray, Rows, Tree, TreeEnsemble
from cryptable.importers.reading.covers import share_right
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.reading.learned_trees import LearnedTree, assemble

SklearnTree: TypeAlias = Any

_SKLEARN_LEAF = -1


def read_averaged_trees(estimator: Estimator, members: Sequence[Any], feature_names: tuple[str, ...]) -> TreeEnsemble:
    """A forest that averages its members: class probabilities, or predictions of one target or several.

    scikit-learn rounds numbers to float32 and goes left where x <= threshold, a double.
    """
    labels = labels_of(estimator.classes_, type(estimator).__name__) if hasattr(estimator, "classes_") else None
    trees = [read_tree(member.tree_, _averaged(member.tree_, labels is not None) / len(members)) for member in members]
    return assemble(
        trees,
        feature_names=feature_names,
        base=np.zeros(trees[0].tree.values.shape[1]),
        link=Link.IDENTITY if labels is None else Link.PROBABILITY,
        labels=labels,
        as_float32=True,
    )


def probability(estimator: Estimator, rows: Rows) -> FloatArray:
    """Reference of classifiers: the probability of the second class, or of all."""
    probabilities = np.asarray(estimator.predict_proba(rows), np.float64)
    return probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities


def predictions(estimator: Estimator, rows: Rows) -> FloatArray:
    """Reference of regressors."""
    return np.asarray(estimator.predict(rows), np.float64)


def read_tree(tree: SklearnTree, values: FloatArray, *, features: IntArray | None = None) -> LearnedTree:
    """One tree.

    Args:
        tree: a `tree_`.
        values: what its nodes add to the scores, shape (nodes, outputs).
        features: the column of each feature that the tree was fitted on, where it is not its own index.
    """
    inner = tree.children_left != _SKLEARN_LEAF
    column = tree.feature if features is None else features[np.where(inner, tree.feature, 0)]
    feature: IntArray = np.where(inner, column, LEAF).astype(np.int64)
    left, right = (np.where(inner, side, 0).astype(np.int64) for side in (tree.children_left, tree.children_right))
    edges = _next_float32_above(np.asarray(tree.threshold, np.float64))
    share = share_right(left, right, tree.weighted_n_node_samples)
    return LearnedTree(Tree(feature, edges, left, right, values, share), tree.missing_go_to_left.astype(np.int8))


def _averaged(tree: SklearnTree, is_classifier: bool) -> FloatArray:
    """Shape (nodes, outputs): predictions; or probabilities, of the second class alone where there are two."""
    if not is_classifier:
        return np.asarray(tree.value[:, :, 0], np.float64)
    counts = np.asarray(tree.value[:, 0, :], np.float64)
    values: FloatArray = counts / counts.sum(axis=1, keepdims=True)
    return values[:, 1:] if values.shape[1] == 2 else values


def _next_float32_above(thresholds: FloatArray) -> FloatArray:
    """The least float32 above each: x <= t, for a float32 x and a double t, is x < that."""
    rounded = thresholds.astype(np.float32)
    above = np.where(rounded > thresholds, rounded, np.nextafter(rounded, np.float32(np.inf)))
    return above.astype(np.float64)
