"""Calibration data: the rows that an import is verified on and that encoders take their ranges from."""

from __future__ import annotations

from typing import Any

import numpy as np
from cryptable_protocol import InvalidInputError

from cryptable.model_graph import Estimator, FloatArray, Rows

MAX_ROWS = 10_000
"""More rows than this prove nothing further about an import; the first ones are taken."""


def feature_names_of(estimator: Estimator, features: int) -> tuple[str, ...]:
    """The names that the estimator was fitted with, else x0, x1, ..."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and len(names) == features:
        return tuple(map(str, names))
    return tuple(f"x{index}" for index in range(features))


def read_rows(estimator: Estimator, data: Rows) -> tuple[Any, FloatArray, tuple[str, ...]]:
    """Calibration data, as the estimator takes it and as numbers.

    Args:
        estimator: fitted.
        data: array or pandas frame of shape (rows, features).

    Returns:
        The rows as they came (a frame stays one), the same as doubles, and the feature names.

    Raises:
        InvalidInputError: another shape, no rows, not numbers, NaN or infinite; the message names the column.
    """
    kept = (data.iloc if hasattr(data, "iloc") else np.asarray(data))[:MAX_ROWS]
    try:
        rows = np.asarray(kept, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"X_train must hold numbers, shape (rows, features): {error}") from error
    expected = getattr(estimator, "n_features_in_", None)
    if rows.ndim != 2 or rows.shape[0] == 0 or (expected is not None and rows.shape[1] != expected):
        wanted = "features" if expected is None else expected
        raise InvalidInputError(f"X_train has shape {rows.shape}, expected (rows, {wanted}) with at least one row")
    names = feature_names_of(estimator, rows.shape[1])
    _check_columns(data, names)
    bad = np.argwhere(~np.isfinite(rows))
    if bad.size:
        row, column = map(int, bad[0])
        raise InvalidInputError(
            f"X_train: feature {names[column]!r} (column {column}) is {rows[row, column]} in row {row}; missing "
            "values are not supported yet: impute them, and fit on the imputed data"
        )
    return kept, rows, names


def _check_columns(data: Rows, names: tuple[str, ...]) -> None:
    columns = getattr(data, "columns", None)
    if columns is None or names[0] == "x0":
        return
    got = tuple(map(str, columns))
    if got != names:
        place = next(index for index, pair in enumerate(zip(got, names, strict=True)) if pair[0] != pair[1])
        raise InvalidInputError(
            f"X_train: column {place} is {got[place]!r}, but the estimator was fitted with {names[place]!r} there; "
            "use X_train[list(estimator.feature_names_in_)]"
        )
