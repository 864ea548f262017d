"""What a column of a user's table holds, decided from its own values alone: no string is read as a number."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property
from numbers import Number
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol.encoding.rows import is_missing

from cryptable.graphs.graph import FloatArray, Rows

_NUMBER_KINDS = "buif"


class Kind(enum.Enum):
    """Of the values that are not missing."""

    NUMBERS = "numbers"
    """Booleans too. Also of a column where every value is missing."""
    TEXT = "text"
    MIXED = "text and numbers"
    OTHER = "something else"
    """Dates, complex numbers, lists: nothing that a client sends."""


@dataclass(frozen=True, eq=False)
class Values:
    """A column: its values, shape (rows,), doubles or whatever the table holds, and what kind they are."""

    values: npt.NDArray[Any]
    kind: Kind

    @classmethod
    def of(cls, values: npt.NDArray[Any]) -> Values:
        """By dtype where that says it, else value by value."""
        if values.dtype.kind in _NUMBER_KINDS:
            return cls(values, Kind.NUMBERS)
        if values.dtype.kind in "UT":
            return cls(values.astype(object), Kind.TEXT)
        if values.dtype.kind != "O":
            return cls(np.array([*values, None], object)[:-1], Kind.OTHER)
        kinds = {_kind_of(value) for value in values if not is_missing(value)}
        match len(kinds):
            case 0:
                return cls(values, Kind.NUMBERS)
            case 1:
                return cls(values, kinds.pop())
        return cls(values, Kind.OTHER if Kind.OTHER in kinds else Kind.MIXED)

    @cached_property
    def numbers(self) -> FloatArray:
        """As doubles, NaN where missing: of a column of numbers. Of dates and the like, zeros, which nothing reads."""
        if self.kind is Kind.OTHER:
            return np.zeros(len(self.values))
        if self.values.dtype.kind != "O":
            return self.values.astype(np.float64)
        return np.array([np.nan if is_missing(value) else value for value in self.values], np.float64)

    @property
    def told(self) -> str:
        """For messages, with the first value."""
        first = next((value for value in self.values if not is_missing(value)), None)
        shown = repr(str(first))[:40] if self.kind is Kind.OTHER else repr(first)[:40]
        what = f"values of type {type(first).__name__}" if self.kind is Kind.OTHER else self.kind.value
        return f"{what}, such as {shown}"


def column_of(table: Rows, index: int) -> npt.NDArray[Any]:
    """A column of an array or a frame, shape (rows,)."""
    return np.asarray(table.iloc[:, index] if hasattr(table, "iloc") else table[:, index])


def _kind_of(value: object) -> Kind:
    if isinstance(value, str):
        return Kind.TEXT
    is_real = isinstance(value, Number | np.bool_) and not isinstance(value, complex | np.complexfloating)
    return Kind.NUMBERS if is_real else Kind.OTHER
