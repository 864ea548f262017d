"""From a number to the height of a curve there: one element for any curve of one feature."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as pb
from cryptable_protocol.encoding.missing_elements import MissingElements, check_missing, with_missing
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.wire.names import check_name


@dataclass(frozen=True)
class PolylineEncoder:
    """One element: a curve of x, straight from knot to knot, constant beyond the outer ones, rounded to an integer.

    `levels_at` are the curve's heights at the knots, in 0 .. levels - 1. `missing` are the elements of a missing value;
    empty where a row with one is refused.
    """

    name: str
    knots: tuple[float, ...]
    levels_at: tuple[float, ...]
    levels: int
    missing: MissingElements = ()

    def __post_init__(self) -> None:
        check_name(self.name, "feature")
        if not 2 <= self.levels <= limits.MAX_AFFINE_LEVELS:
            raise MalformedMessageError(
                f"feature {self.name!r}: {self.levels} levels are not in 2 .. {limits.MAX_AFFINE_LEVELS}"
            )
        if not 2 <= len(self.knots) <= limits.MAX_KNOTS or len(self.knots) != len(self.levels_at):
            raise MalformedMessageError(
                f"feature {self.name!r}: {len(self.knots)} knots with {len(self.levels_at)} levels, "
                f"expected 2 to {limits.MAX_KNOTS}, one level a knot"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            steps, reach = np.diff(self._knots), self._knots[-1] - self._knots[0]
        if not (np.isfinite(self._knots).all() and (steps > 0).all() and np.isfinite(reach)):
            raise MalformedMessageError(f"feature {self.name!r}: knots must be finite and strictly increasing")
        if not ((self._heights >= 0) & (self._heights <= self.levels - 1)).all():
            raise MalformedMessageError(f"feature {self.name!r}: levels at knots must be in 0 .. {self.levels - 1}")
        check_missing(self.name, self.missing, elements=1, levels=self.levels)

    @property
    def size(self) -> int:
        """Elements that this feature contributes to the input tensor."""
        return max(1, len(self.missing))

    @property
    def takes_missing(self) -> bool:
        """Whether a row may have a missing value here."""
        return bool(self.missing)

    @property
    def maximum(self) -> int:
        """Largest value of an element."""
        return self.levels - 1

    @cached_property
    def _knots(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.knots, np.float64)

    @cached_property
    def _heights(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.levels_at, np.float64)

    def encode(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Shape (rows,) to (rows, size)."""
        x = np.clip(np.where(np.isnan(column), self._knots[0], column), self._knots[0], self._knots[-1])
        left = np.searchsorted(self._knots[1:-1], x, side="right")
        low, high = self._heights[left], self._heights[left + 1]
        along = (x - self._knots[left]) / (self._knots[left + 1] - self._knots[left])
        level: npt.NDArray[np.float64] = np.clip(np.rint(low + (high - low) * along), 0, self.levels - 1)
        return with_missing(level.astype(np.int64)[:, None], column, self.missing)

    def to_message(self) -> pb.PolylineEncoder:
        """As protobuf."""
        return pb.PolylineEncoder(knots=self.knots, levels_at=self.levels_at, levels=self.levels, missing=self.missing)

    @classmethod
    def from_message(cls, name: str, message: pb.PolylineEncoder) -> PolylineEncoder:
        """From protobuf; raises MalformedMessageError where a field is missing or out of range."""
        return cls(name, tuple(message.knots), tuple(message.levels_at), message.levels, tuple(message.missing))
