"""From a category, an integer or a string, to the bits of a thermometer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as pb
from cryptable_protocol.errors import InvalidInputError, MalformedMessageError
from cryptable_protocol.wire.names import check_name

Categories = tuple[int, ...] | tuple[str, ...]
_SHOWN = 5


@dataclass(frozen=True)
class CategoricalEncoder:
    """Element j is 1 where the category's level is above j, else 0.

    `levels` has one level a category; `missing` is that of a missing value and `unknown` that of a value which is no
    category: None where a row with one is refused.
    """

    name: str
    categories: Categories
    levels: tuple[int, ...]
    missing: int | None = None
    unknown: int | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "feature")
        what = f"feature {self.name!r}"
        if not 1 <= len(self.categories) <= limits.MAX_VECTOR_SIZE or len(self.levels) != len(self.categories):
            raise MalformedMessageError(
                f"{what}: {len(self.categories)} categories with {len(self.levels)} levels, expected 1 .. "
                f"{limits.MAX_VECTOR_SIZE}, each with its level"
            )
        if len(set(self.categories)) != len(self.categories):
            raise MalformedMessageError(f"{what}: a category stands twice")
        for category in self.categories:
            if isinstance(category, str):
                check_name(category, "category", may_be_empty=True)
            elif not -(2**63) <= category < 2**63:
                raise MalformedMessageError(f"{what}: category {category} is not a 64-bit integer")
        if not 1 <= self.size <= limits.MAX_VECTOR_SIZE or min(self._all_levels) < 0:
            raise MalformedMessageError(
                f"{what}: the highest level is {self.size}, expected 1 .. {limits.MAX_VECTOR_SIZE}, and none below 0"
            )

    @property
    def _all_levels(self) -> tuple[int, ...]:
        return (*self.levels, *(level for level in (self.missing, self.unknown) if level is not None))

    @property
    def size(self) -> int:
        """Elements that this feature contributes to the input tensor: the highest level."""
        return max(self._all_levels)

    @property
    def maximum(self) -> int:
        """Largest value of an element."""
        return 1

    @property
    def takes_missing(self) -> bool:
        """Whether a row may have a missing value here."""
        return self.missing is not None

    @cached_property
    def _level_of(self) -> dict[int | str, int]:
        return dict(zip(self.categories, self.levels, strict=True))

    def levels_of(self, column: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The level of each value; shape (rows,) both.

        Raises:
            InvalidInputError: a missing or unknown value that is refused; the message names the feature and the row.
        """
        known: dict[Any, int] = {}
        levels: npt.NDArray[np.int64] = np.empty(column.shape[0], np.int64)
        for row, value in enumerate(column.tolist()):
            try:
                level = known.get(value)
            except TypeError:  # a list or the like, which is no category
                level = None
            if level is None:
                level = known[value] = self._level(value, row)
            levels[row] = level
        return levels

    def encode(self, column: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Shape (rows,) to (rows, size); errors as `levels_of`."""
        return (self.levels_of(column)[:, None] > np.arange(self.size)).astype(np.int64)

    def _level(self, value: object, row: int) -> int:
        if value is None or (isinstance(value, float) and value != value):
            if self.missing is None:
                raise InvalidInputError(
                    f"feature {self.name!r} is missing in row {row}; this model needs a category there: {self._known()}"
                )
            return self.missing
        category = self._category(value, row)
        level = self._level_of.get(category)
        if level is None:
            level = self.unknown
        if level is None:
            raise InvalidInputError(
                f"feature {self.name!r} is {_shorten(value)} in row {row}, which is none of its categories: "
                f"{self._known()}"
            )
        return level

    def _category(self, value: object, row: int) -> int | str:
        if isinstance(self.categories[0], str):
            if isinstance(value, str):
                return value
        elif isinstance(value, int | np.integer) or (
            isinstance(value, float | np.floating) and float(value).is_integer()
        ):
            return int(value)
        kind = "strings" if isinstance(self.categories[0], str) else "whole numbers"
        raise InvalidInputError(
            f"feature {self.name!r} is {_shorten(value)}, a {type(value).__name__}, in row {row}; "
            f"its categories are {kind}: {self._known()}"
        )

    def _known(self) -> str:
        shown = ", ".join(map(repr, self.categories[:_SHOWN]))
        more = len(self.categories) - _SHOWN
        return f"{shown} and {more} more" if more > 0 else shown

    def to_message(self) -> pb.CategoricalEncoder:
        """As protobuf."""
        message = pb.CategoricalEncoder(levels=self.levels, missing=self.missing, unknown=self.unknown)
        if isinstance(self.categories[0], str):
            message.strings.values.extend(map(str, self.categories))
        else:
            message.integers.values.extend(map(int, self.categories))
        return message

    @classmethod
    def from_message(cls, name: str, message: pb.CategoricalEncoder) -> CategoricalEncoder:
        """From protobuf.

        Raises:
            MalformedMessageError: a field missing or out of range.
        """
        kind = message.WhichOneof("categories")
        if kind is None:
            raise MalformedMessageError(f"feature {name!r}: no categories")
        categories = tuple(message.integers.values) if kind == "integers" else tuple(message.strings.values)
        return cls(
            name,
            categories,
            tuple(message.levels),
            message.missing if message.HasField("missing") else None,
            message.unknown if message.HasField("unknown") else None,
        )


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
