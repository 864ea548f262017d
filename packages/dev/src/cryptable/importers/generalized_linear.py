"""scikit-learn's generalized linear regressors, with an identity or a logarithmic link."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import Link

from cryptable.graphs.graph import Estimator, FloatArray, LinearModel, Rows
from cryptable.importers.linear_regression import read_affine
from cryptable.importers.registry import importer


def _link(estimator: Estimator) -> Link:
    link = getattr(estimator, "link", "log")
    if link == "auto":
        link = "identity" if estimator.power <= 0 else "log"
    return Link.EXPONENTIAL if link == "log" else Link.IDENTITY


def _scores(estimator: Estimator, rows: Rows) -> FloatArray:
    predicted = np.asarray(estimator.predict(rows), np.float64)
    return np.log(predicted) if _link(estimator) is Link.EXPONENTIAL else predicted


@importer(
    "sklearn.linear_model.GammaRegressor",
    "sklearn.linear_model.PoissonRegressor",
    "sklearn.linear_model.TweedieRegressor",
    reference=_scores,
)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> LinearModel:
    """An affine function, whose value is the prediction or its logarithm."""
    return read_affine(estimator, feature_names, _link(estimator))
