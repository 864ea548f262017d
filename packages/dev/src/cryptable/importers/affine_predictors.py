"""Regressors of scikit-learn that are affine but keep no plain coefficients: read by predicting the unit vectors."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, LinearModel, Rows
from cryptable.importers.registry import importer

_AFFINE = frozenset({"LinearRegression", "Ridge", "Lasso", "ElasticNet", "HuberRegressor", "TheilSenRegressor"})


def _predict(estimator: Estimator, rows: Rows) -> FloatArray:
    return np.asarray(estimator.predict(rows), np.float64)


@importer(
    "sklearn.cross_decomposition.CCA",
    "sklearn.cross_decomposition.PLSCanonical",
    "sklearn.cross_decomposition.PLSRegression",
    "sklearn.linear_model.RANSACRegressor",
    reference=_predict,
)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> LinearModel:
    """Its prediction for zero, and what each feature adds."""
    inner = getattr(estimator, "estimator_", None)
    if inner is not None and type(inner).__name__ not in _AFFINE:
        raise UnsupportedModelError(
            f"{type(estimator).__name__} around {type(inner).__name__} is not supported, only around "
            f"{', '.join(sorted(_AFFINE))}; compile its estimator_ by itself"
        )
    probes = np.concatenate([np.zeros((1, len(feature_names))), np.eye(len(feature_names))])
    values = np.asarray((inner or estimator).predict(probes), np.float64).reshape(len(probes), -1)
    return LinearModel(feature_names, values[1:] - values[0], values[0], Link.IDENTITY, None)
