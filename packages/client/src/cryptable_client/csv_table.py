"""CSV in and out for the command line: values under a header, matched by name with a model's features."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InvalidInputError

from cryptable_client.files import whole_file

STANDARD_STREAM = "-"


def read_table(
    path: str, feature_names: Sequence[str], *, text_columns: Collection[str] = ()
) -> tuple[npt.NDArray[Any], list[str]]:
    """The model's columns of a CSV file.

    Args:
        path: of the file, or "-" for standard input.
        feature_names: the model's, in order. A model without names ("x0", "x1", …) takes columns by position.
        text_columns: names of the features that are strings, not numbers.

    Returns:
        Values of shape (rows, features), and the names of columns that were left out. Doubles, NaN where a cell is
        empty; with text columns, objects, None where a cell of those is empty.

    Raises:
        InvalidInputError: no header, a column missing or twice, or a cell that is no number; the message says where.
    """
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
    positions = _positions(path, header, feature_names)
    is_text = [name in text_columns for name in feature_names]
    table = np.empty((len(lines) - 1, len(positions)), object if any(is_text) else np.float64)
    for index, line in enumerate(lines[1:]):
        if len(line) != len(header):
            raise InvalidInputError(f"{path}: row {index + 1} has {len(line)} cells, the header {len(header)}")
        for feature, position in enumerate(positions):
            if is_text[feature]:
                table[index, feature] = line[position] or None
            else:
                table[index, feature] = _number(path, index, header[position], line[position])
    taken = set(positions)
    return table, [name for position, name in enumerate(header) if position not in taken]


def write_table(path: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file, whole or not at all; "-" is standard output."""
    if path == STANDARD_STREAM:
        _write(sys.stdout, header, rows)
        return
    with whole_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        _write(text, header, rows)
        text.detach()


def _write(file: TextIO, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)


@contextmanager
def _reading(path: str) -> Iterator[TextIO]:
    if path == STANDARD_STREAM:
        yield sys.stdin
        return
    try:
        file = Path(path).open(encoding="utf-8-sig", newline="")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise InvalidInputError(f"the input cannot be read: {error}") from error
    with file:
        yield file


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


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(path: str, index: int, column: str, cell: str) -> float:
    if not cell.strip():
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        raise InvalidInputError(f"{path}: column {column!r}, row {index + 1}: {cell[:40]!r} is no number") from None
