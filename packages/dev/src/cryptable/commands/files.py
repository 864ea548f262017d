"""Reading what the subcommands are given: estimators, rows and passphrases."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_client.files.tables import read_table as read_by_features
from cryptable_protocol import FeatureEncoder, InvalidInputError, Labels
from cryptable_protocol.encoding.encoders import categories_of

from cryptable.graphs.graph import Estimator, Rows

_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*|(?=\.\d))(\.\d*)?([eE][+-]?\d+)?")
"""As programs write them: a zero before other digits is of a code, such as a postal one."""

PICKLE_WARNING = (
    "Loading a pickle or joblib file RUNS WHATEVER CODE IT CONTAINS, with your rights: open only files that you made "
    "yourself or whose maker you trust."
)


def read_estimator(path: Path) -> Estimator:
    """A fitted estimator from a pickle or joblib file. The caller has warned the user: this runs the file's code.

    Raises:
        InvalidInputError: no such file, or it cannot be loaded.
    """
    import joblib  # type: ignore[import-untyped]

    if not path.is_file():
        raise InvalidInputError(f"{path}: there is no such file; expected a fitted estimator, pickled or joblib-dumped")
    try:
        return joblib.load(path)  # which reads plain pickles, too
    except ModuleNotFoundError as error:
        raise InvalidInputError(f"{path}: the estimator needs {error.name}, which is not installed") from error
    except (pickle.UnpicklingError, ValueError, EOFError, KeyError, AttributeError, IndexError) as error:
        raise InvalidInputError(f"{path}: cannot be loaded as a pickle or joblib file: {error}") from error


def read_table(path: Path, *, of: Estimator = None) -> Rows:
    """Rows of a table: an array, or a frame where the file has names of columns and pandas is installed.

    A column of a CSV file holds numbers where all of its cells are numbers as a program writes them ("02" is none),
    else text; an empty cell is a missing value. Text becomes pandas' categories for libraries that take no other.

    Args:
        path: of a .npy file, a .parquet file, whose columns have kinds, or a CSV file, with a header or without.
        of: the estimator that the rows are for.

    Raises:
        InvalidInputError: no such file, or it holds no table.
    """
    if not path.is_file():
        raise InvalidInputError(f"{path}: there is no such file; expected rows, as .csv, .parquet or .npy")
    try:
        if path.suffix == ".npy":
            table = np.load(path, allow_pickle=False)
            header: list[str] = []
            columns = [table.reshape(len(table), -1)[:, index] for index in range(int(np.prod(table.shape[1:])))]
        elif path.suffix in (".parquet", ".pq"):
            return _pandas(path).read_parquet(path)
        else:
            header, columns = _read_csv(path)
    except (ValueError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"{path}: holds no table: {error}") from error
    if not columns or not len(columns[0]):
        raise InvalidInputError(f"{path}: has no rows")
    kinds = {column.dtype for column in columns}
    if header and importlib.util.find_spec("pandas") is not None:
        frame = _pandas(path).DataFrame(dict(zip(header, columns, strict=True)))
        texts = [name for name, column in zip(header, columns, strict=True) if column.dtype.kind == "O"]
        return frame.astype(dict.fromkeys(texts, "category")) if texts and _wants_categories(of) else frame
    table = np.empty((len(columns[0]), len(columns)), kinds.pop() if len(kinds) == 1 else object)
    for index, column in enumerate(columns):
        table[:, index] = column
    return table


def read_rows(path: Path, features: Sequence[FeatureEncoder]) -> Rows:
    """A table by the kinds of a model's features, where it has categories: text may look like numbers there."""
    if path.suffix != ".npy" and any(categories_of(feature) is not None for feature in features):
        return read_by_features(str(path), features)[0]
    return read_table(path)


def read_truth(path: Path, of: Labels | None) -> npt.NDArray[Any]:
    """Labels of the model's own kind, or numbers."""
    truth = np.asarray(read_table(path))[:, 0]
    labels = of or ()
    by_text = {str(label): label for label in labels}
    if truth.dtype.kind == "O" and by_text.keys() >= set(map(str, truth)):
        return np.asarray([by_text[str(value)] for value in truth])
    if truth.dtype.kind == "f" and (truth == np.rint(truth)).all():
        return truth.astype(np.int64)
    return truth


def _read_csv(path: Path) -> tuple[list[str], list[npt.NDArray[Any]]]:
    """The header, empty where there is none, and the columns: doubles, or objects where they hold text."""
    lines = [line for line in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if line]
    if not lines:
        return [], []
    wrong = next((number for number, line in enumerate(lines, 1) if len(line) != len(lines[0])), 0)
    if wrong:
        raise ValueError(f"row {wrong} has {len(lines[wrong - 1])} cells, the first one {len(lines[0])}")
    header_over_numbers = any(
        not _is_number(lines[0][index]) and all(_is_number(line[index]) for line in lines[1:])
        for index in range(len(lines[0]))
    )
    has_header = header_over_numbers or not any(map(_is_number, lines[0]))
    header = [cell.strip() for cell in lines[0]] if has_header else []
    if len(set(header)) < len(header):
        raise ValueError(f"its header names a column twice: {header}")
    rows = lines[1:] if has_header else lines
    return header, [_column([row[index].strip() for row in rows]) for index in range(len(lines[0]))]


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell.strip()) is not None


def _column(cells: list[str]) -> npt.NDArray[Any]:
    if all(not cell or cell.lower() == "nan" or _is_number(cell) for cell in cells):
        return np.array([float(cell) if cell else np.nan for cell in cells])
    return np.array([cell or np.nan for cell in cells] + [None], object)[:-1]


def _wants_categories(estimator: Estimator) -> bool:
    """Whether it is of a library that takes text as a frame's categories only."""
    return type(estimator).__name__.startswith(("LGBM", "XGB", "HistGradientBoosting"))


def _pandas(path: Path) -> ModuleType:
    try:
        return importlib.import_module("pandas")
    except ModuleNotFoundError as error:
        raise InvalidInputError(f"{path}: reading it takes pandas, which is not installed") from error


def read_passphrase(path: Path | None) -> str | None:
    """The first line of a file; None without one."""
    if path is None:
        return None
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or not lines[0]:
        raise InvalidInputError(f"{path}: the first line, which should be the passphrase, is empty")
    return lines[0]
