"""scikit-learn's nearest centroid classifier: what a squared distance has that differs by class is linear."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, LinearModel, Rows
from cryptable.importers.feature_names import names_are_matched
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.registry import importer

_CLOSE = 1e-3
"""In units of the scores: labels of rows that are as near to two centroids as that may be either."""


def _geometry(estimator: Estimator) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Centroids, the factor of each squared coordinate, twice the log priors, and the unit of the scores."""
    centroids = np.asarray(estimator.centroids_, np.float64)
    factor: FloatArray = np.ones(centroids.shape[1])
    prior: FloatArray = np.zeros(centroids.shape[0])
    priors = np.asarray(getattr(estimator, "class_prior_", prior + 1 / prior.shape[0]), np.float64)
    if not np.isclose(priors, 1 / prior.shape[0]).all():  # then scikit-learn takes account of spreads and priors
        spread = np.asarray(estimator.within_class_std_dev_, np.float64).reshape(-1)
        factor[spread != 0] = spread[spread != 0] ** -2.0
        prior = np.log(priors) * 2.0
    apart = np.square(centroids[:, None] - centroids) @ factor
    return centroids, factor, prior, float(apart.mean()) or 1.0


def _scores(estimator: Estimator, rows: Rows) -> FloatArray:
    """Minus squared distances, in units of the mean squared distance between centroids, less what all have in common.

    It is the distances that scikit-learn compares: its own scores are no more than that, or missing.
    """
    centroids, factor, prior, unit = _geometry(estimator)
    distances = np.square(np.asarray(rows, np.float64)[:, None] - centroids) @ factor
    scores: FloatArray = (prior - distances) / unit
    if scores.shape[1] == 2:
        return scores[:, 1:] - scores[:, :1]
    centred: FloatArray = scores - scores.mean(axis=1, keepdims=True)
    return centred


@importer("sklearn.neighbors.NearestCentroid", reference=_scores, needs_rows=True)
def read(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: object
) -> LinearModel:
    """2 x * centroid - centroid², for each class less the mean of all, or for the second less the first.

    All about the mean of the centroids: squares of numbers far from zero would lose what tells classes apart.
    """
    del may_miss
    what = type(estimator).__name__
    if estimator.metric != "euclidean":
        raise UnsupportedModelError(f"{what}: metric {estimator.metric!r} is not supported, only 'euclidean'")
    labels = labels_of(estimator.classes_, what)
    centroids, factor, prior, unit = _geometry(estimator)
    _check_own_labels(estimator, feature_names, kept, rows)
    middle = centroids.mean(axis=0)
    apart = centroids - middle
    coefficients = (2 * apart * factor).T / unit
    intercept = (prior - np.square(apart) @ factor - 2 * (apart * factor) @ middle) / unit
    if len(labels) == 2:
        coefficients, intercept = coefficients[:, 1:] - coefficients[:, :1], intercept[1:] - intercept[:1]
    else:
        coefficients, intercept = coefficients - coefficients.mean(axis=1, keepdims=True), intercept - intercept.mean()
    return LinearModel(feature_names, coefficients, intercept, Link.MARGIN, labels)


def _check_own_labels(estimator: Estimator, feature_names: tuple[str, ...], kept: Rows, rows: FloatArray) -> None:
    """Refuse an estimator whose own labels are not of the nearest centroids: its squares have lost their digits."""
    scores = _scores(estimator, rows)
    chosen = (scores[:, 0] > 0).astype(np.int64) if scores.shape[1] == 1 else scores.argmax(axis=1)
    highest = np.sort(np.abs(scores) if scores.shape[1] == 1 else scores, axis=1)
    margin = highest[:, -1] - (highest[:, -2] if scores.shape[1] > 1 else 0.0)
    with names_are_matched():
        own = estimator.predict(kept)
    wrong = (np.asarray(estimator.classes_)[chosen] != own) & (margin > _CLOSE)
    if wrong.any():
        farthest = int(np.argmax(np.abs(rows.mean(axis=0)) / np.maximum(rows.std(axis=0), np.finfo(float).tiny)))
        raise UnsupportedModelError(
            f"{type(estimator).__name__} itself gives {int(wrong.sum())} rows of X_train a label that is not of the "
            f"nearest centroid: column {feature_names[farthest]!r}, near {rows[:, farthest].mean():.6g}, is so far "
            "from zero that scikit-learn's squares lose their digits; put StandardScaler before it, in a pipeline, and "
            "fit again"
        )
