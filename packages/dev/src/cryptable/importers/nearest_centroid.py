"""scikit-learn's nearest centroid classifier: what a squared distance has that differs by class is linear."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, LinearModel, Rows
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.registry import importer


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


@importer("sklearn.neighbors.NearestCentroid", reference=_scores)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> LinearModel:
    """2 x * centroid - centroid², for each class less the mean of all, or for the second less the first."""
    what = type(estimator).__name__
    if estimator.metric != "euclidean":
        raise UnsupportedModelError(f"{what}: metric {estimator.metric!r} is not supported, only 'euclidean'")
    labels = labels_of(estimator.classes_, what)
    centroids, factor, prior, unit = _geometry(estimator)
    coefficients = (2 * centroids * factor).T / unit
    intercept = (prior - np.square(centroids) @ factor) / unit
    if len(labels) == 2:
        coefficients, intercept = coefficients[:, 1:] - coefficients[:, :1], intercept[1:] - intercept[:1]
    else:
        coefficients, intercept = coefficients - coefficients.mean(axis=1, keepdims=True), intercept - intercept.mean()
    return LinearModel(feature_names, coefficients, intercept, Link.MARGIN, labels)
