"""Tables in and out for the command line, CSV or Parquet: columns matched by name with a model's features."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
from cryptable_protocol.encoding.categorical_encoder import CategoricalEncoder
from cryptable_protocol.encoding.encoders import FeatureEncoder, UnusedFeature, categories_of
from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.files.whole import whole_file

from cryptable_client.files.parquet import ParquetSource, is_parquet, parquet_writer

STANDARD_STREAM = "-"
ROWS_AT_ONCE = 1 << 14
"""Of a long table, in memory: one or two tensors of rows in bulk."""


class Table:
    """A file's columns that a model reads, some rows at a time, as often as asked: Parquet by its ending, else CSV.

    Args:
        path: of the file, or "-" for CSV on standard input, which is kept in memory.
        features: the model's, in order. A model without names ("x0", "x1", …) takes columns by position.

    Attributes:
        left_out: names of columns that the model does not read.

    Raises:
        InvalidInputError: no header, or a column missing or twice; the message says where.
    """

    def __init__(self, path: str, features: Sequence[FeatureEncoder]) -> None:
        self._path, self._features = path, features
        names = [feature.name for feature in features]
        self._source: ParquetSource | _CsvSource = ParquetSource(path) if is_parquet(path) else _CsvSource(path, names)
        header = self._source.header
        self._positions = _positions(path, header, names)
        taken = set(self._positions)
        self.left_out = [name for position, name in enumerate(header) if position not in taken]
        has_categories = any(categories_of(feature) is not None for feature in features)
        self._kind = object if has_categories else np.float64

    def chunks(self, rows_at_once: int) -> Iterator[npt.NDArray[Any]]:
        """What `encode_rows` takes, of shape (rows, features), so many rows at most.

        Numbers, and in columns of categories integers or strings; NaN or None where a cell is empty.

        Raises:
            InvalidInputError: a cell that is no number, or a row of another length; the message says where.
        """
        first, header = 0, self._source.header
        for columns in self._source.chunks(self._positions, rows_at_once):
            table = np.empty((len(columns[0]) if columns else 0, len(self._features)), self._kind)
            for index, (feature, position) in enumerate(zip(self._features, self._positions, strict=True)):
                for row, cell in enumerate(columns[index]):
                    table[row, index] = _value(self._path, first + row, header[position], cell, feature)
            yield table
            first += len(table)

    def whole(self) -> npt.NDArray[Any]:
        """All rows."""
        return np.concatenate([np.empty((0, len(self._features)), self._kind), *self.chunks(ROWS_AT_ONCE)])


def read_table(path: str, features: Sequence[FeatureEncoder]) -> tuple[npt.NDArray[Any], list[str]]:
    """All rows of a `Table`, and the names of columns that were left out."""
    table = Table(path, features)
    return table.whole(), table.left_out


@contextmanager
def table_writer(path: str, header: Sequence[str]) -> Iterator[Callable[[Iterable[Sequence[Any]]], None]]:
    """What writes rows to a file, Parquet by its ending, else CSV; "-" is CSV on standard output.

    The file is there, whole, when the block has ended well, else what was there before. What goes to standard output is
    kept in memory until then.
    """
    if path == STANDARD_STREAM:
        held: list[Sequence[Any]] = []
        yield held.extend
        with _as_utf8(sys.stdout, "utf-8") as text:
            _csv_writer(text, header)(held)
    elif is_parquet(path):
        with parquet_writer(path, header) as write:
            yield write
    else:
        with whole_file(path) as file:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="")
            try:
                yield _csv_writer(text, header)
            finally:
                text.detach()


def write_table(path: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write all rows at once, as `table_writer` does."""
    with table_writer(path, header) as write:
        write(rows)


class _CsvSource:
    def __init__(self, path: str, feature_names: Sequence[str]) -> None:
        self._path = path
        self._kept: str | None = None
        if path == STANDARD_STREAM:
            with self._checked(), _reading(path) as file:
                self._kept = file.read()
        lines = self._lines()
        self.header = [name.strip() for name in next(lines, [])]
        lines.close()
        if not self.header:
            raise InvalidInputError(f"{path}: empty; the first line must name the columns")
        if all(map(_is_number, self.header)):
            raise InvalidInputError(
                f"{path}: the first line has numbers only; it must name the columns: {_some(feature_names)}"
            )

    def chunks(self, positions: Sequence[int], rows_at_once: int) -> Iterator[list[Sequence[Any]]]:
        """Columns at these positions, of so many rows at most."""
        lines, first = self._lines(), 0
        next(lines)
        while some := list(islice(lines, rows_at_once)):
            for index, line in enumerate(some):
                if len(line) != len(self.header):
                    raise InvalidInputError(
                        f"{self._path}: row {first + index + 1} has {len(line)} cells, the header {len(self.header)}"
                    )
            yield [[line[position] for line in some] for position in positions]
            first += len(some)

    def _lines(self) -> Generator[list[str], None, None]:
        """Those that are not empty."""
        with self._checked(), self._opened() as file:
            for line in csv.reader(file):
                if line:
                    yield line

    @contextmanager
    def _opened(self) -> Iterator[TextIO]:
        if self._kept is not None:
            yield io.StringIO(self._kept, newline="")
            return
        with _reading(self._path) as file:
            yield file

    @contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidInputError(f"{self._path}: not a CSV file in UTF-8: {error}") from error


def _csv_writer(file: TextIO, header: Sequence[str]) -> Callable[[Iterable[Sequence[Any]]], None]:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    return writer.writerows


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
