"""scikit-learn's voting ensembles: a weighted mean of what members predict, or votes that clients count."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, ModelGraph, Rows
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.reading.sums import (
    added,
    mean_of_probabilities,
    members_of_classes,
    members_take_gaps,
    predictions,
    probabilities,
    read_member,
)
from cryptable.importers.reading.votes import counted_votes
from cryptable.importers.registry import importer


def _weights(estimator: Estimator) -> list[float]:
    weights = estimator._weights_not_none
    return [1.0] * len(estimator.estimators_) if weights is None else [float(weight) for weight in weights]


def _scores(estimator: Estimator, rows: Rows) -> FloatArray:
    """Probabilities, or what labels of members get: of two, the second's votes less the first's."""
    if estimator.voting == "soft":
        return probabilities(estimator, rows)
    predicted = estimator.transform(rows)
    classes = len(estimator.classes_)
    votes = (predicted[:, :, None] == np.arange(classes)) * np.asarray(_weights(estimator))[:, None]
    counted: FloatArray = votes.sum(axis=1)
    return counted[:, 1:] - counted[:, :1] if classes == 2 else counted


@importer("sklearn.ensemble.VotingClassifier", reference=_scores, needs_rows=True, takes_gaps=members_take_gaps)
def read_classifier(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: Collection[int]
) -> ModelGraph:
    """The mean of probabilities, or votes that clients count."""
    what = type(estimator).__name__
    labels = labels_of(estimator.classes_, what)
    members_of_classes(estimator.estimators_, range(len(labels)), what)
    graphs = [read_member(each, feature_names, kept, rows, may_miss) for each in estimator.estimators_]
    if estimator.voting == "hard":
        return counted_votes(graphs, rows, _weights(estimator), labels, what)
    return mean_of_probabilities(graphs, rows, _weights(estimator), labels, what)


@importer("sklearn.ensemble.VotingRegressor", reference=predictions, needs_rows=True, takes_gaps=members_take_gaps)
def read_regressor(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: Collection[int]
) -> ModelGraph:
    """The mean of predictions."""
    what = type(estimator).__name__
    graphs = [read_member(each, feature_names, kept, rows, may_miss) for each in estimator.estimators_]
    weights = np.asarray(_weights(estimator))
    return mean_of_predictions(graphs, (weights / weights.sum()).tolist(), what)


def mean_of_predictions(graphs: list[ModelGraph], shares: list[float], what: str) -> ModelGraph:
    """The weighted sum of regressions whose scores are their predictions.

    Raises:
        UnsupportedModelError: a member predicts e to the power of its score, or the like.
    """
    for graph in graphs:
        if graph.link is not Link.IDENTITY:
            raise UnsupportedModelError(
                f"{what} averages predictions of a member with the link {graph.link.name.lower()}, which is not "
                "supported; compile its estimators_ one by one, or fit members without such a link"
            )
    total: ModelGraph = replace(added(graphs, shares, what), link=Link.IDENTITY)
    return total
