"""scikit-learn's AdaBoostClassifier: a weighted sum of the labels that trees predict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, TreeEnsemble
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.reading.learned_trees import assemble
from cryptable.importers.reading.linear_classifier import decision_function
from cryptable.importers.reading.sklearn_trees import read_tree
from cryptable.importers.registry import importer


def _reference(estimator: Estimator, rows: FloatArray) -> FloatArray:
    """Its decision function, whose softmax its probabilities are once it is divided by the classes less one."""
    scores = decision_function(estimator, rows)
    return scores if scores.ndim == 1 else scores / (scores.shape[1] - 1)


@importer("sklearn.ensemble.AdaBoostClassifier", reference=_reference)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> TreeEnsemble:
    """A tree adds its weight to the class that it predicts, and takes as much, in equal parts, from the others."""
    what = type(estimator).__name__
    labels = labels_of(estimator.classes_, what)
    if not all(hasattr(member, "tree_") for member in estimator.estimators_):
        raise UnsupportedModelError(
            f"{what} of {type(estimator.estimators_[0]).__name__} adds up labels that are not those of trees, which "
            "takes comparisons of encrypted scores; fit it on trees, its default"
        )
    if getattr(estimator, "algorithm", "SAMME") == "SAMME.R":
        raise UnsupportedModelError(f"{what}: algorithm='SAMME.R' adds up logarithms; fit with algorithm='SAMME'")
    count = len(labels)
    weights = np.asarray(estimator.estimator_weights_[: len(estimator.estimators_)], np.float64)
    shares = weights / weights.sum()
    trees = []
    for member, share in zip(estimator.estimators_, shares.tolist(), strict=True):
        counts = np.asarray(member.tree_.value[:, 0, :], np.float64)
        own = np.searchsorted(estimator.classes_, member.classes_)
        predicted = own[counts.argmax(axis=1)]
        if count == 2:
            values = np.where(predicted == 1, 2 * share, -2 * share)[:, None]
        else:
            values = np.full((predicted.size, count), -share / (count - 1) / (count - 1))
            values[np.arange(predicted.size), predicted] = share / (count - 1)
        trees.append(read_tree(member.tree_, values))
    graph = assemble(
        trees,
        feature_names=feature_names,
        base=np.zeros(1 if count == 2 else count),
        link=Link.SIGMOID if count == 2 else Link.SOFTMAX,
        labels=labels,
        as_float32=True,
    )
    return replace(graph, gaps={})
