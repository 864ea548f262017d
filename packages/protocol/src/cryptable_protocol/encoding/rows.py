"""Rows as users have them, arrays and frames, taken apart into the columns that encoders read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cryptable_protocol.errors import InvalidInputError

Column: TypeAlias = npt.NDArray[Any]
"""Shape (rows,): doubles, NaN where missing; or else whatever the table holds, None or NaN where missing."""

Table: TypeAlias = Any
"""Rows as users have them."""

_NUMBER_KINDS = frozenset("buifO")
_CATEGORY_KINDS = frozenset("buifOUT")
_MISSING_TYPES = frozenset({"NAType", "NaTType"})
"""Of pandas, by name: the protocol does not depend on it."""


def read_columns(names: Sequence[str], rows: npt.ArrayLike, *, numeric: Sequence[bool], text: bool) -> list[Column]:
    """The columns of a table, in the order of `names`.

    Args:
        names: of the features. Columns that have names are matched by those; where a model has no names, by number if
            they are 0, 1, ..., else by position.
        rows: shape (rows, columns), or (rows, ...) with as many numbers a row, which are taken in C order. A frame, a
            sparse matrix, a row as a pandas Series or a dictionary, a list of dictionaries, a dictionary of columns,
            several inputs of a network as `join_inputs` takes them.
        numeric: for each feature, whether it must hold numbers.
        text: whether a table of strings can make sense.

    Raises:
        InvalidInputError: wrong shape, missing or unknown columns, or not numbers.
    """
    named, rows = _taken_apart(rows)
    order = None if named is None else _column_order(names, named)
    table = _as_table(rows, names, text=text)
    columns = []
    for index, is_numeric in enumerate(numeric):
        column = table[:, index if order is None else order[index]]
        columns.append(_numbers(column, names, index) if is_numeric else _without_missing(column))
    return columns


def join_inputs(rows: Table) -> tuple[list[str] | None, npt.NDArray[Any]] | None:
    """Several inputs of a network side by side, with the names of the columns; None where `rows` are something else.

    Args:
        rows: a tuple of arrays of shape (rows, ...), which have no names, or a dictionary of them by the input's name;
            at least one has two axes or more. The numbers of a row are taken in C order, and are "name.0", "name.1",
            ... where an input has several of them.

    Raises:
        InvalidInputError: they have unequal numbers of rows.
    """
    if isinstance(rows, Mapping):
        arrays = {str(name): np.asarray(values) for name, values in rows.items()}
    elif isinstance(rows, tuple) and all(hasattr(each, "shape") for each in rows):
        arrays = {str(index): np.asarray(each) for index, each in enumerate(rows)}
    else:
        return None
    axes = [each.ndim for each in arrays.values()]
    if max(axes, default=0) < 2 or min(axes) < 1:
        return None
    counts = {name: len(each) for name, each in arrays.items()}
    if len(set(counts.values())) > 1:
        raise InvalidInputError(f"the inputs have different numbers of rows: {counts}")
    flat = {name: each.reshape(len(each), math.prod(each.shape[1:])) for name, each in arrays.items()}
    joined = np.concatenate(list(flat.values()), axis=1)
    if not isinstance(rows, Mapping):
        return None, joined
    return [each for name, part in flat.items() for each in columns_of_input(name, part.shape[1])], joined


def columns_of_input(name: str, count: int) -> list[str]:
    """Names of the numbers of an input, of which a row has `count`."""
    return [name] if count == 1 else [f"{name}.{index}" for index in range(count)]


def _taken_apart(rows: Table) -> tuple[list[str] | None, npt.ArrayLike]:
    """Names of the columns, where there are some, and a table or what NumPy makes one of."""
    several = join_inputs(rows)
    if several is not None:
        return several
    if isinstance(rows, Mapping):
        if rows and all(np.ndim(value) for value in rows.values()):
            return list(map(str, rows)), _side_by_side(list(rows.values()))
        rows = [rows]
    if isinstance(rows, list | tuple) and rows and isinstance(rows[0], Mapping):
        keys = list(rows[0])
        for index, row in enumerate(rows):
            if not isinstance(row, Mapping) or row.keys() != rows[0].keys():
                raise InvalidInputError(f"row {index} has other columns than row 0, which has {keys[:5]}")
        return list(map(str, keys)), _objects([[row[key] for key in keys] for row in rows], len(keys))
    if hasattr(rows, "to_frame") and getattr(rows, "ndim", 0) == 1:  # a row of a frame, whose columns are its index
        return list(map(str, rows.index)), _objects([list(rows)], len(rows))
    if hasattr(rows, "toarray"):
        return None, rows.toarray()
    columns = getattr(rows, "columns", None)
    return (None if columns is None else list(map(str, columns))), rows


def _side_by_side(columns: list[Any]) -> npt.NDArray[Any]:
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise InvalidInputError(f"columns have different lengths: {sorted(lengths)[:5]}")
    return _objects(list(zip(*columns, strict=True)), len(columns))


def _objects(rows: Sequence[Sequence[Any]], columns: int) -> npt.NDArray[Any]:
    """As they are: NumPy would make strings of numbers beside strings, and axes of lists."""
    table = np.empty((len(rows), columns), object)
    for index, row in enumerate(rows):
        table[index, :] = row
    return table


def _as_table(rows: npt.ArrayLike, names: Sequence[str], *, text: bool) -> npt.NDArray[Any]:
    kinds = _CATEGORY_KINDS if text else _NUMBER_KINDS
    expected = f"rows must be numbers{' and categories' if text else ''}, shape (rows, {len(names)})"
    try:
        # A list of numbers and strings would become an array of strings.
        table = np.asarray(rows, object if text and isinstance(rows, list | tuple) else None)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(f"{expected}: {error}") from error
    if table.dtype.kind not in kinds:  # NumPy would drop imaginary parts, count seconds, parse text
        raise InvalidInputError(f"{expected}, got {table.dtype}")
    if table.dtype.kind != "O" and not text:
        table = _as_floats(table, expected)
    if isinstance(rows, np.ma.MaskedArray):
        table = table.astype(object if text else np.float64)
        table[np.broadcast_to(rows.mask, table.shape)] = np.nan
    if table.ndim > 2 and math.prod(table.shape[1:]) == len(names):
        table = table.reshape(len(table), len(names))  # images and other rows with axes of their own
    if table.ndim != 2 or table.shape[1] != len(names):
        if table.ndim != 2 and table.dtype.kind == "O" and not text:
            table = _as_floats(table, expected)
        hint = "; a single row needs two dimensions too: [row]" if table.ndim == 1 else ""
        raise InvalidInputError(f"rows have shape {table.shape}, expected (rows, {len(names)}){hint}")
    return table


def _numbers(column: Column, names: Sequence[str], index: int) -> Column:
    expected = f"feature {names[index]!r} (column {index}): rows must be numbers"
    if column.dtype.kind not in _NUMBER_KINDS:
        column = column.astype(object)
    if column.dtype.kind == "O":
        column = _without_missing(column)
        for row, value in enumerate(column):
            if isinstance(value, str | bytes):
                raise InvalidInputError(f"{expected}, got {value[:40]!r} in row {row}")
    return _as_floats(column, expected)


def _as_floats(array: npt.NDArray[Any], expected: str) -> npt.NDArray[np.float64]:
    try:
        with np.errstate(over="ignore"):  # of a wider float: infinite, which is refused with its place
            return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(f"{expected}: {error}") from error


def _without_missing(column: Column) -> Column:
    """None in place of every other mark of a missing value in a column of objects."""
    if column.dtype.kind != "O":
        return column
    return np.array([None if is_missing(value) else value for value in column] + [None], object)[:-1]


def is_missing(value: object) -> bool:
    """Whether it is NaN, None or pandas' mark of a missing value."""
    return (
        value is None
        or type(value).__name__ in _MISSING_TYPES
        or (isinstance(value, float | np.floating) and value != value)
    )


def _column_order(names: Sequence[str], columns: list[str]) -> list[int] | None:
    """Position in the frame of each feature's column; None where columns are taken by position."""
    names = list(names)
    unnamed = [f"x{index}" for index in range(len(names))]
    if names == unnamed and set(columns) != set(names):
        numbers = [str(index) for index in range(len(names))]
        if sorted(columns) != sorted(numbers):
            return None  # trained without names: by position, as scikit-learn does
        names = numbers
    missing = sorted(set(names) - set(columns))
    unknown = sorted(set(columns) - set(names))
    if missing or unknown:
        raise InvalidInputError(
            f"the frame's columns are not the model's: missing {missing[:5]}, unknown {unknown[:5]}; "
            f"expected {len(names)} columns"
        )
    if len(columns) != len(names):
        raise InvalidInputError("the frame has several columns of one name; the model reads each once")
    positions = {name: index for index, name in enumerate(columns)}
    return [positions[name] for name in names]
