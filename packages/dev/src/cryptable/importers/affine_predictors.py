"""Regressors of scikit-learn that are affine but keep no plain coefficients: read by predicting near the data."""

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
    needs_rows=True,
)
def read(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: object
) -> LinearModel:
    """Its prediction for the mean of the rows, and what each feature adds there.

    Zero may be so far from the data, in units of a feature's deviation, that differences there are lost in rounding.
    """
    del kept, may_miss
    inner = getattr(estimator, "estimator_", None)
    if inner is not None and type(inner).__name__ not in _AFFINE:
        raise UnsupportedModelError(
            f"{type(estimator).__name__} around {type(inner).__name__} is not supported, only around "
            f"{', '.join(sorted(_AFFINE))}; compile its estimator_ by itself"
        )
    centre, deviation = rows.mean(axis=0), rows.std(axis=0)
    step = np.where(deviation > 0, deviation, np.maximum(1.0, np.abs(centre)))
    probes = np.concatenate([centre[None], centre + np.diag(step)])
    taken = (probes - centre).sum(axis=1)[1:]  # steps as doubles far from zero have them
    values = np.asarray((inner or estimator).predict(probes), np.float64).reshape(len(probes), -1)
    coefficients = (values[1:] - values[0]) / taken[:, None]
    return LinearModel(feature_names, coefficients, values[0] - centre @ coefficients, Link.IDENTITY, None)
