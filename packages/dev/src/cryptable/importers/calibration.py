"""Calibration data: the rows that an import is verified on and that encoders take their ranges from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol import InvalidInputError
from cryptable_protocol.encoding.rows import is_missing

from cryptable.graphs.graph import Estimator, FloatArray, Rows

MAX_ROWS = 10_000
"""More rows than this prove nothing further about an import; the first ones are taken."""


def feature_names_of(estimator: Estimator, features: int) -> tuple[str, ...]:
    """The names that the estimator was fitted with, else x0, x1, ..."""
    for attribute in ("feature_names_in_", "feature_names_"):  # the latter is CatBoost's: "0", "1", ... for none
        names = getattr(estimator, attribute, None)
        if names is not None and len(names) == features and list(names) != [str(index) for index in range(features)]:
            return tuple(map(str, names))
    return tuple(f"x{index}" for index in range(features))


def read_rows(estimator: Estimator, data: Rows, *, with_gaps: bool = False) -> tuple[Any, FloatArray, tuple[str, ...]]:
    """Calibration data, as the estimator takes it and as numbers.

    Args:
        estimator: fitted.
        data: array or pandas frame of shape (rows, features).
        with_gaps: whether missing values and categories are taken. With text, the rows are objects, not doubles.

    Returns:
        The rows as they came (a frame stays one), the same as doubles, and the feature names.

    Raises:
        InvalidInputError: another shape, no rows, not numbers, NaN or infinite; the message names the column.
    """
    kept = (data.iloc if hasattr(data, "iloc") else np.asarray(data))[:MAX_ROWS]
    try:
        rows = np.asarray(kept, np.float64)
    except (TypeError, ValueError) as error:
        if with_gaps:
            return _objects(estimator, kept)
        raise InvalidInputError(f"X_train must hold numbers, shape (rows, features): {error}") from error
    names = _names_of_columns(estimator, data, rows)
    bad = np.argwhere(np.isinf(rows) if with_gaps else ~np.isfinite(rows))
    if bad.size:
        row, column = map(int, bad[0])
        raise InvalidInputError(
            f"X_train: feature {names[column]!r} (column {column}) is {rows[row, column]} in row {row}; "
            f"{type(estimator).__name__} needs finite numbers here: impute them, and fit on the imputed data"
        )
    return kept, rows, names


def columns_that_may_miss(
    missing: str | Sequence[str], rows: npt.NDArray[Any], names: tuple[str, ...]
) -> frozenset[int]:
    """Indices of the columns that may hold missing values.

    Args:
        missing: "seen": those that do in the calibration data; "all"; or their names.
        rows: calibration data, doubles or objects.
        names: of the columns.

    Raises:
        InvalidInputError: a name that no column has.
    """
    if missing == "all":
        return frozenset(range(len(names)))
    seen = frozenset(
        index
        for index in range(len(names))
        if (np.isnan(rows[:, index]).any() if rows.dtype.kind == "f" else any(map(is_missing, rows[:, index])))
    )
    if missing == "seen":
        return seen
    unknown = [missing] if isinstance(missing, str) else [name for name in missing if name not in names]
    if unknown:
        raise InvalidInputError(
            f"missing={missing!r}: {unknown[0]!r} is no column, expected 'seen', 'all' or names of columns: "
            f"{', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"
        )
    return seen | {names.index(name) for name in missing}


def _objects(estimator: Estimator, kept: Rows) -> tuple[Any, npt.NDArray[Any], tuple[str, ...]]:
    rows = np.asarray(kept, object)
    return kept, rows, _names_of_columns(estimator, kept, rows)


def _names_of_columns(estimator: Estimator, data: Rows, rows: npt.NDArray[Any]) -> tuple[str, ...]:
    expected = getattr(estimator, "n_features_in_", None)
    if rows.ndim != 2 or rows.shape[0] == 0 or (expected is not None and rows.shape[1] != expected):
        wanted = "features" if expected is None else expected
        raise InvalidInputError(f"X_train has shape {rows.shape}, expected (rows, {wanted}) with at least one row")
    names = feature_names_of(estimator, rows.shape[1])
    _check_columns(data, names)
    return names


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
