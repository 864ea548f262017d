"""scikit-learn's Gaussian process regression: its mean, where the kernel is one function of scaled distances."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, Rows
from cryptable.graphs.kernels import KernelMachine
from cryptable.importers.reading.kernels import decaying
from cryptable.importers.registry import importer


def _prediction(estimator: Estimator, rows: Rows) -> FloatArray:
    return np.asarray(estimator.predict(rows), np.float64)


@importer("sklearn.gaussian_process.GaussianProcessRegressor", reference=_prediction)
def read_regressor(estimator: Estimator, feature_names: tuple[str, ...]) -> KernelMachine:
    """The mean: a sum over all rows that it was fitted on; the deviation is no such sum, and is not computed."""
    vectors = getattr(estimator, "X_train_", None)
    if vectors is None:
        raise UnsupportedModelError(
            "GaussianProcessRegressor has not been fitted, and predicts 0 for every row; fit it"
        )
    vectors = np.asarray(vectors, np.float64)
    height, scale = _height_and_scale(estimator.kernel_)
    deviation = np.atleast_1d(np.asarray(estimator._y_train_std, np.float64))
    mean = np.atleast_1d(np.asarray(estimator._y_train_mean, np.float64))
    weights = height * np.asarray(estimator.alpha_, np.float64).reshape(len(vectors), -1) * deviation
    # |(x − v) / scale|² / 2, scale being one number or one a feature.
    curvatures = np.broadcast_to(0.5 / np.asarray(scale, np.float64) ** 2, vectors.shape[1:]).astype(np.float64)
    return KernelMachine(
        feature_names,
        slopes=-2 * (vectors * curvatures).T,
        curvatures=curvatures,
        offset=(vectors**2 * curvatures).sum(axis=1),
        function=decaying,
        weights=weights,
        base=np.broadcast_to(mean, weights.shape[1:]).astype(np.float64),
        link=Link.IDENTITY,
        labels=None,
    )


def _height_and_scale(kernel: Estimator) -> tuple[float, FloatArray]:
    """Of height times exp(−|x / scale|² / 2), by which rows differ; noise is of each row alone, and nothing of it left.

    Raises:
        UnsupportedModelError: another kernel; names it.
    """
    name = type(kernel).__name__
    if name == "RBF":
        return 1.0, np.asarray(kernel.length_scale, np.float64)
    if name in ("Product", "Sum"):
        parts = {type(part).__name__: part for part in (kernel.k1, kernel.k2)}
        plain = "ConstantKernel" if name == "Product" else "WhiteKernel"
        others = [part for part in (kernel.k1, kernel.k2) if type(part).__name__ != plain]
        if plain in parts and len(others) == 1:
            height, scale = _height_and_scale(others[0])
            return height * (float(parts[plain].constant_value) if name == "Product" else 1.0), scale
    raise UnsupportedModelError(
        f"GaussianProcessRegressor has the kernel {kernel}, which is not known as a function of one sum over features; "
        "fit it with RBF(), times a ConstantKernel() and plus a WhiteKernel() at most"
    )
