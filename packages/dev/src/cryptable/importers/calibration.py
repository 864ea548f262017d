"""Calibration data: the rows that an import is verified on and that encoders take their ranges from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol import CategoricalEncoder, InvalidInputError
from cryptable_protocol.encoding.rows import is_missing

from cryptable.graphs.graph import Estimator, FloatArray, ModelGraph, Rows, TreeEnsemble
from cryptable.graphs.several_kinds import SumOfKinds
from cryptable.importers.column_values import Kind, Values, column_of
from cryptable.importers.feature_names import match_columns
from cryptable.importers.parts import has_steps

MAX_ROWS = 10_000
"""More rows than this prove nothing further about an import; the first ones are taken."""
MAX_CELLS = 100_000_000
"""Of a sparse matrix that is made dense: 0.8 GB."""


def read_rows(estimator: Estimator, data: Rows, *, with_gaps: bool = False) -> tuple[Any, FloatArray, tuple[str, ...]]:
    """Calibration data, as the estimator takes it and as numbers.

    Each column is what its own values are: text that looks like a number is text.

    Args:
        estimator: fitted.
        data: array, sparse matrix or frame of shape (rows, features).
        with_gaps: whether missing values and categories are taken. With text, the rows are objects, not doubles.

    Returns:
        The rows as they came (a frame stays one, with its columns in the estimator's order), the same as doubles (0 in
        columns of dates and the like, which a pipeline may leave out), and the feature names.

    Raises:
        InvalidInputError: another shape, no rows, columns that the estimator was not fitted with, not numbers, NaN or
            infinite; the message names the column.
    """
    what = type(estimator).__name__
    kept = _first_rows(data)
    features = _checked_shape(kept, estimator)
    kept, named = match_columns(estimator, kept)
    _check_count(kept, features)
    names = named if named is not None and len(named) == kept.shape[1] else _numbered(kept.shape[1])
    columns = [Values.of(column_of(kept, index)) for index in range(len(names))]
    may_drop = has_steps(estimator)  # a pipeline may leave out what no model takes
    for place, (name, column) in enumerate(zip(names, columns, strict=True)):
        if column.kind is not Kind.NUMBERS and (not with_gaps or (column.kind is Kind.OTHER and not may_drop)):
            raise _no_numbers(name, column, what)
        _check_numbers(name, place, column, what, with_gaps=with_gaps)
    if not any(column.kind in (Kind.TEXT, Kind.MIXED) for column in columns):
        return kept, np.stack([column.numbers for column in columns], axis=1), names
    rows = np.empty((len(kept), len(names)), object)
    for index, column in enumerate(columns):
        rows[:, index] = column.numbers if column.kind is Kind.OTHER else column.values
    return kept, rows, names


def check_kinds(graph: ModelGraph, rows: npt.NDArray[Any], what: str) -> None:
    """Refuse text in a column that a model of trees reads as numbers: its library may have parsed it, clients do not.

    Raises:
        InvalidInputError: there is some; the message names the column.
    """
    trees = graph.trees if isinstance(graph, SumOfKinds) else graph
    if rows.dtype.kind != "O" or not isinstance(trees, TreeEnsemble):
        return
    for index, name in enumerate(graph.feature_names):
        column = Values.of(rows[:, index])
        if column.kind is not Kind.NUMBERS and not isinstance(trees.gaps.get(index), CategoricalEncoder):
            raise _no_numbers(name, column, what)


def _no_numbers(name: str, column: Values, what: str) -> InvalidInputError:
    return InvalidInputError(
        f"X_train: feature {name!r} holds {column.told}; {what} takes numbers here: put an encoder before it, in a "
        "pipeline, or convert the column before fitting"
    )


def _first_rows(data: Rows) -> Rows:
    """The first rows, of which there may be too many; a sparse matrix becomes a dense one."""
    if hasattr(data, "toarray"):
        width = max(1, int(np.prod(data.shape[1:])))
        return data[: max(1, min(MAX_ROWS, MAX_CELLS // width))].toarray()
    if hasattr(data, "iloc"):
        return data.iloc[:MAX_ROWS]
    if hasattr(data, "columns"):
        return data[:MAX_ROWS]
    try:
        # NumPy would make strings of numbers beside strings.
        array = np.asarray(data)
        return (np.asarray(data, object) if array.dtype.kind in "US" and isinstance(data, list) else array)[:MAX_ROWS]
    except (TypeError, ValueError, IndexError) as error:
        raise InvalidInputError(f"X_train must be a table of shape (rows, features): {error}") from error


def _checked_shape(kept: Rows, estimator: Estimator) -> int | None:
    """Features that the estimator was fitted with, where it says so. CatBoost says 0 after it was copied."""
    expected = getattr(estimator, "n_features_in_", None) or None
    shape = np.shape(kept)
    if len(shape) != 2 or not shape[0] or not shape[1]:
        wanted = "features" if expected is None else expected
        raise InvalidInputError(f"X_train has shape {shape}, expected (rows, {wanted}) with at least one row")
    return expected


def _check_count(kept: Rows, expected: int | None) -> None:
    if expected is not None and kept.shape[1] != expected:
        raise InvalidInputError(f"X_train has shape {kept.shape}, expected (rows, {expected}) with at least one row")


def _check_numbers(name: str, place: int, column: Values, what: str, *, with_gaps: bool) -> None:
    if column.kind is not Kind.NUMBERS:
        return
    bad = np.flatnonzero(np.isinf(column.numbers) if with_gaps else ~np.isfinite(column.numbers))
    if bad.size:
        row = int(bad[0])
        raise InvalidInputError(
            f"X_train: feature {name!r} (column {place}) is {column.numbers[row]} in row {row}; {what} needs finite "
            "numbers here: impute them, and fit on the imputed data"
        )


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"x{index}" for index in range(count))


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
