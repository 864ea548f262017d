"""Tables in and out for the command line, CSV or Parquet: columns matched by name with a model's features."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import numpy.typing as npt
from cryptable_protocol.encoding.categorical_encoder import CategoricalEncoder
from cryptable_protocol.encoding.encoders import FeatureEncoder, UnusedFeature, categories_of
from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.files.whole import whole_file

if TYPE_CHECKING:
    from types import ModuleType

STANDARD_STREAM = "-"
PARQUET_SUFFIXES = frozenset({".parquet", ".pq"})


def read_table(path: str, features: Sequence[FeatureEncoder]) -> tuple[npt.NDArray[Any], list[str]]:
    """The model's columns of a file: Parquet by its ending, else CSV.

    Args:
        path: of the file, or "-" for CSV on standard input.
        features: the model's, in order. A model without names ("x0", "x1", …) takes columns by position.

    Returns:
        What `encode_rows` takes, of shape (rows, features): numbers and, in columns of categories, integers or strings;
        NaN or None where a cell is empty. And the names of columns that were left out.

    Raises:
        InvalidInputError: no header, a column missing or twice, or a cell that is no number; the message says where.
    """
    parquet = Path(path).suffix.lower() in PARQUET_SUFFIXES
    header, columns = _read_parquet(path) if parquet else _read_csv(path, [feature.name for feature in features])
    positions = _positions(path, header, [feature.name for feature in features])
    has_categories = any(categories_of(feature) is not None for feature in features)
    rows = len(columns[0]) if columns else 0
    table = np.empty((rows, len(features)), object if has_categories else np.float64)
    for index, (feature, position) in enumerate(zip(features, positions, strict=True)):
        for row, cell in enumerate(columns[position]):
            table[row, index] = _value(path, row, header[position], cell, feature)
    taken = set(positions)
    return table, [name for position, name in enumerate(header) if position not in taken]


def write_table(path: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a file, Parquet by its ending, else CSV, whole or not at all; "-" is CSV on standard output."""
    if path == STANDARD_STREAM:
        with _as_utf8(sys.stdout, "utf-8") as text:
            _write(text, header, rows)
        return
    if Path(path).suffix.lower() in PARQUET_SUFFIXES:
        _write_parquet(path, header, rows)
        return
    with whole_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        _write(text, header, rows)
        text.detach()


def _read_csv(path: str, feature_names: Sequence[str]) -> tuple[list[str], list[Sequence[Any]]]:
    with _reading(path) as file:
        try:
            lines = list(csv.reader(file))
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidInputError(f"{path}: not a CSV file in UTF-8: {error}") from error
    lines = [line for line in lines if line]
    if not lines:
        raise InvalidInputError(f"{path}: empty; the first line must name the columns")
    header = [name.strip() for name in lines[0]]
    if all(map(_is_number, header)):
        raise InvalidInputError(
            f"{path}: the first line has numbers only; it must name the columns: {_some(feature_names)}"
        )
    for index, line in enumerate(lines[1:]):
        if len(line) != len(header):
            raise InvalidInputError(f"{path}: row {index + 1} has {len(line)} cells, the header {len(header)}")
    columns: list[Sequence[Any]] = [[line[position] for line in lines[1:]] for position in range(len(header))]
    return header, columns


def _read_parquet(path: str) -> tuple[list[str], list[Sequence[Any]]]:
    pyarrow = _pyarrow()
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise InvalidInputError(f"{path}: not a Parquet file that can be read: {error}") from error
    return list(table.column_names), [column.to_pylist() for column in table.columns]


def _write_parquet(path: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    pyarrow = _pyarrow()
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in header]
    with whole_file(path) as file:
        pyarrow.parquet.write_table(pyarrow.table(dict(zip(header, columns, strict=True))), file)


def _pyarrow() -> ModuleType:
    try:
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ImportError as error:
        raise InvalidInputError(f"Parquet files need pyarrow ({error}): pip install pyarrow, or use CSV") from error


def _write(file: TextIO, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)


@contextmanager
def _reading(path: str) -> Iterator[TextIO]:
    if path == STANDARD_STREAM:
        with _as_utf8(sys.stdin, "utf-8-sig") as text:
            yield text
        return
    try:
        file = Path(path).open(encoding="utf-8-sig", newline="")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise InvalidInputError(f"the input cannot be read: {error}") from error
    with file:
        yield file


@contextmanager
def _as_utf8(stream: TextIO, encoding: str) -> Iterator[TextIO]:
    # The system's encoding, and its line ends, are not those of CSV files: not on Windows.
    buffer = getattr(stream, "buffer", None)
    if buffer is None:  # a notebook's, which takes text alone
        yield stream
        return
    stream.flush()
    text = io.TextIOWrapper(buffer, encoding=encoding, newline="")
    try:
        yield text
    finally:
        text.detach()


def _positions(path: str, header: Sequence[str], feature_names: Sequence[str]) -> list[int]:
    unnamed = [f"x{index}" for index in range(len(feature_names))]
    if list(feature_names) == unnamed and not set(unnamed) & set(header):
        if len(header) != len(feature_names):
            raise InvalidInputError(
                f"{path}: {len(header)} columns; the model was trained without names and takes {len(feature_names)}"
            )
        return list(range(len(header)))
    missing = [name for name in feature_names if name not in header]
    if missing:
        raise InvalidInputError(f"{path}: {len(missing)} of the model's columns are missing: {_some(missing)}")
    twice = [name for name in feature_names if header.count(name) > 1]
    if twice:
        raise InvalidInputError(f"{path}: columns of the model that are there more than once: {_some(twice)}")
    return [header.index(name) for name in feature_names]


def _value(path: str, row: int, column: str, cell: object, feature: FeatureEncoder) -> object:
    if isinstance(feature, UnusedFeature):
        return 0.0  # nobody reads it, so it may hold anything
    categories = categories_of(feature)
    if categories is not None:
        return _category(cell, categories)
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return float("nan")
    try:
        return float(cell)  # type: ignore[arg-type]  # what is no number raises
    except (ValueError, TypeError, OverflowError):
        raise InvalidInputError(f"{path}: column {column!r}, row {row + 1}: {str(cell)[:40]!r} is no number") from None


def _category(cell: object, feature: CategoricalEncoder) -> object:
    if not isinstance(cell, str):
        return cell
    if isinstance(feature.categories[0], str):
        return None if not cell and cell not in feature.categories else cell
    if not cell.strip():
        return None
    try:
        return int(cell)
    except ValueError:
        return float(cell) if _is_number(cell) else cell  # which the encoder refuses by name, or not: 3.0 is 3


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
