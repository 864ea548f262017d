"""scikit-learn's isolation forest: how soon random splits set a row apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from cryptable_protocol import Link

from cryptable.graphs.graph import Estimator, FloatArray, Rows, TreeEnsemble
from cryptable.importers.reading.learned_trees import assemble
from cryptable.importers.reading.sklearn_trees import read_tree
from cryptable.importers.registry import importer


def _reference(estimator: Estimator, rows: Rows) -> FloatArray:
    return np.asarray(np.log2(-estimator.offset_) - np.log2(-estimator.score_samples(rows)), np.float64)


@importer("sklearn.ensemble.IsolationForest", reference=_reference, takes_gaps=True)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> TreeEnsemble:
    """log2(offset_ / score_samples), which is positive for inliers, label 1, and else not, label -1.

    score_samples is -2^-(d / c), where d is the sum over trees of a leaf's depth and c a constant (Liu et al., 2008).
    So d / c + log2(-offset_) is what a circuit can add up: score_samples is offset_ * 2^-score.
    """
    # Of a leaf that still holds n rows, the depth counts as many levels more as would be needed to part them.
    scale = 1.0 / (len(estimator.estimators_) * _average_path_length(estimator._max_samples))
    trees = []
    for member, features, depths, more in zip(
        estimator.estimators_,
        estimator.estimators_features_,
        estimator._decision_path_lengths,
        estimator._average_path_length_per_tree,
        strict=True,
    ):
        values = (np.asarray(depths, np.float64) + np.asarray(more, np.float64) - 1.0)[:, None] * scale
        trees.append(read_tree(member.tree_, values, features=np.asarray(features, np.int64)))
    graph = assemble(
        trees,
        feature_names=feature_names,
        base=np.array([np.log2(-estimator.offset_)]),
        link=Link.MARGIN,
        labels=(-1, 1),
        as_float32=True,
    )
    return replace(graph, tie_is_second=True)  # outliers are below offset_, which contamination= puts on a row's score


def _average_path_length(samples: int) -> float:
    """Average depth of an unsuccessful search in a binary tree of so many samples (Liu et al., 2008, equation 1)."""
    if samples <= 2:
        return float(max(samples - 1, 0))
    return 2.0 * (float(np.log(samples - 1.0)) + np.euler_gamma) - 2.0 * (samples - 1.0) / samples
