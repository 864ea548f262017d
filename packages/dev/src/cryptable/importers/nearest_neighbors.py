"""scikit-learn's nearest neighbours: their training rows and targets."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray
from cryptable.graphs.neighbors import NeighborsModel
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.reading.sklearn_trees import predictions, probability
from cryptable.importers.registry import importer


@importer("sklearn.neighbors.KNeighborsClassifier", reference=probability)
def read_classifier(estimator: Estimator, feature_names: tuple[str, ...]) -> NeighborsModel:
    """Fractions of votes: of each class, or of the second of two."""
    labels = labels_of(estimator.classes_, type(estimator).__name__)
    votes: FloatArray = np.eye(len(labels))[np.asarray(estimator._y, np.int64)]
    targets = votes[:, 1:] if len(labels) == 2 else votes
    return NeighborsModel(feature_names, _points(estimator), targets, estimator.n_neighbors, Link.PROBABILITY, labels)


@importer("sklearn.neighbors.KNeighborsRegressor", reference=predictions)
def read_regressor(estimator: Estimator, feature_names: tuple[str, ...]) -> NeighborsModel:
    """Means of the target."""
    targets = np.asarray(estimator._y, np.float64).reshape(len(estimator._y), -1)
    if targets.shape[1] > 1:
        raise UnsupportedModelError(
            f"{type(estimator).__name__}: {targets.shape[1]} targets are not supported; fit one estimator a target"
        )
    return NeighborsModel(feature_names, _points(estimator), targets, estimator.n_neighbors, Link.IDENTITY, None)


def _points(estimator: Estimator) -> FloatArray:
    what = type(estimator).__name__
    if estimator.effective_metric_ not in ("euclidean", "sqeuclidean"):
        raise UnsupportedModelError(
            f"{what}: metric {estimator.effective_metric_!r} is not supported: only differences of squared Euclidean "
            "distances are linear; fit with metric='euclidean', on features that are transformed to suit it"
        )
    if estimator.weights not in ("uniform", None):
        raise UnsupportedModelError(
            f"{what}: weights={estimator.weights!r} is not supported: it needs distances, not only their order; "
            "fit with weights='uniform'"
        )
    if hasattr(estimator._fit_X, "toarray"):
        raise UnsupportedModelError(f"{what} was fitted on a sparse matrix; fit it on an array")
    return np.asarray(estimator._fit_X, np.float64)
