"""Reading what the subcommands are given: estimators, rows and passphrases."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
from cryptable_protocol import InvalidInputError

from cryptable.graphs.graph import Estimator, FloatArray

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


def read_table(path: Path) -> FloatArray:
    """Rows of numbers, shape (rows, columns), from a .npy file, or a CSV file, whose header line may be there or not.

    Raises:
        InvalidInputError: no such file, or it holds something else.
    """
    if not path.is_file():
        raise InvalidInputError(f"{path}: there is no such file; expected rows of numbers, as .npy or .csv")
    try:
        if path.suffix == ".npy":
            table = np.asarray(np.load(path, allow_pickle=False), np.float64)
        else:
            lines = path.read_text(encoding="utf-8").splitlines()
            table = np.loadtxt(lines[_header_lines(lines) :], delimiter=",", ndmin=2)
    except (ValueError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path}: must hold numbers only, a header line aside: {error}") from error
    if table.size == 0:
        raise InvalidInputError(f"{path}: has no rows")
    return table.reshape(len(table), -1)


def read_passphrase(path: Path | None) -> str | None:
    """The first line of a file; None without one."""
    if path is None:
        return None
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or not lines[0]:
        raise InvalidInputError(f"{path}: the first line, which should be the passphrase, is empty")
    return lines[0]


def _header_lines(lines: list[str]) -> int:
    try:
        [float(cell) for cell in lines[0].split(",")] if lines else None
    except ValueError:
        return 1
    return 0
