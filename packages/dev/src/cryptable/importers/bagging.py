"""scikit-learn's bagging: the mean of what members predict that were fitted on samples of rows and columns."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from cryptable.graphs.graph import Estimator, FloatArray, ModelGraph, Rows
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.reading.sums import (
    mean_of_probabilities,
    members_of_classes,
    members_take_gaps,
    predictions,
    probabilities,
    read_member,
)
from cryptable.importers.registry import importer
from cryptable.importers.voting import mean_of_predictions


def _read_members(
    estimator: Estimator, names: tuple[str, ...], kept: Rows, rows: FloatArray, may_miss: Collection[int]
) -> list[ModelGraph]:
    """Members have seen arrays, whatever the ensemble was fitted on."""
    array = np.asarray(kept)
    return [
        read_member(member, names, array, rows, may_miss, columns=np.asarray(columns, np.int64))
        for member, columns in zip(estimator.estimators_, estimator.estimators_features_, strict=True)
    ]


@importer("sklearn.ensemble.BaggingClassifier", reference=probabilities, needs_rows=True, takes_gaps=members_take_gaps)
def read_classifier(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: Collection[int]
) -> ModelGraph:
    """The mean of probabilities."""
    what = type(estimator).__name__
    labels = labels_of(estimator.classes_, what)
    members_of_classes(estimator.estimators_, range(len(labels)), what)
    graphs = _read_members(estimator, feature_names, kept, rows, may_miss)
    return mean_of_probabilities(graphs, rows, [1.0] * len(graphs), labels, what)


@importer("sklearn.ensemble.BaggingRegressor", reference=predictions, needs_rows=True, takes_gaps=members_take_gaps)
def read_regressor(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: Collection[int]
) -> ModelGraph:
    """The mean of predictions."""
    graphs = _read_members(estimator, feature_names, kept, rows, may_miss)
    return mean_of_predictions(graphs, [1.0 / len(graphs)] * len(graphs), type(estimator).__name__)
