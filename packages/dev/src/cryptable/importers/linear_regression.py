"""scikit-learn's linear regressors: one affine function a target."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import Link

from cryptable.graphs.graph import Estimator, FloatArray, LinearModel, Rows
from cryptable.importers.registry import importer


def _predict(estimator: Estimator, rows: Rows) -> FloatArray:
    return np.asarray(estimator.predict(rows), np.float64)


@importer(
    "sklearn.linear_model.ARDRegression",
    "sklearn.linear_model.BayesianRidge",
    "sklearn.linear_model.ElasticNet",
    "sklearn.linear_model.ElasticNetCV",
    "sklearn.linear_model.HuberRegressor",
    "sklearn.linear_model.Lars",
    "sklearn.linear_model.LarsCV",
    "sklearn.linear_model.Lasso",
    "sklearn.linear_model.LassoCV",
    "sklearn.linear_model.LassoLars",
    "sklearn.linear_model.LassoLarsCV",
    "sklearn.linear_model.LassoLarsIC",
    "sklearn.linear_model.LinearRegression",
    "sklearn.linear_model.MultiTaskElasticNet",
    "sklearn.linear_model.MultiTaskElasticNetCV",
    "sklearn.linear_model.MultiTaskLasso",
    "sklearn.linear_model.MultiTaskLassoCV",
    "sklearn.linear_model.OrthogonalMatchingPursuit",
    "sklearn.linear_model.OrthogonalMatchingPursuitCV",
    "sklearn.linear_model.PassiveAggressiveRegressor",
    "sklearn.linear_model.QuantileRegressor",
    "sklearn.linear_model.Ridge",
    "sklearn.linear_model.RidgeCV",
    "sklearn.linear_model.SGDRegressor",
    "sklearn.linear_model.TheilSenRegressor",
    "sklearn.svm.LinearSVR",
    reference=_predict,
)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> LinearModel:
    """Coefficients and intercepts, which all these classes call the same."""
    return read_affine(estimator, feature_names, Link.IDENTITY)


def read_affine(estimator: Estimator, feature_names: tuple[str, ...], link: Link) -> LinearModel:
    """`coef_` and `intercept_`, one column a target."""
    coefficients = np.atleast_2d(np.asarray(estimator.coef_, np.float64)).T
    intercept = np.broadcast_to(np.asarray(estimator.intercept_, np.float64).reshape(-1), (coefficients.shape[1],))
    return LinearModel(feature_names, coefficients, np.array(intercept), link, None)
