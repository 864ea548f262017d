"""From a number to the binary digits of its level: what schemes that take bits alone read numbers by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as pb
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.wire.names import check_name

_MOST_DIGITS = limits.MAX_AFFINE_LEVELS.bit_length() - 1


@dataclass(frozen=True)
class DigitsEncoder:
    """Bits: the binary digits of u = clip(round_half_to_even((x - lower) / step), 0, 2^digits - 1), the lowest first.

    Where `squared`, the 2 * digits binary digits of u * u follow.
    """

    name: str
    lower: float
    step: float
    digits: int
    squared: bool = False

    def __post_init__(self) -> None:
        check_name(self.name, "feature")
        if not math.isfinite(self.lower) or not math.isfinite(self.step) or self.step <= 0:
            raise MalformedMessageError(
                f"feature {self.name!r}: lower {self.lower} and step {self.step} must be finite, and step positive"
            )
        if not 1 <= self.digits <= _MOST_DIGITS:
            raise MalformedMessageError(
                f"feature {self.name!r}: {self.digits} binary digits, expected 1 .. {_MOST_DIGITS}"
            )

    @property
    def size(self) -> int:
        """Elements that this feature contributes to the input tensor."""
        return 3 * self.digits if self.squared else self.digits

    @property
    def maximum(self) -> int:
        """Largest value of an element."""
        return 1

    @property
    def takes_missing(self) -> bool:
        """Whether a row may have a missing value here: nothing says which digits it has."""
        return False

    def levels(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """U of each number, shape (rows,)."""
        with np.errstate(over="ignore"):  # a huge input overflows to infinity, which is clipped like any other
            level = np.rint((column - self.lower) / self.step)
        clipped: npt.NDArray[np.float64] = np.clip(level, 0.0, 2.0**self.digits - 1.0)
        return clipped.astype(np.int64)

    def encode(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Shape (rows,) to (rows, size)."""
        level = self.levels(column)[:, None]
        bits = level >> np.arange(self.digits) & 1
        if not self.squared:
            return bits
        return np.concatenate([bits, level * level >> np.arange(2 * self.digits) & 1], axis=1)

    def to_message(self) -> pb.DigitsEncoder:
        """As protobuf."""
        return pb.DigitsEncoder(lower=self.lower, step=self.step, digits=self.digits, squared=self.squared)

    @classmethod
    def from_message(cls, name: str, message: pb.DigitsEncoder) -> DigitsEncoder:
        """From protobuf; raises MalformedMessageError where a field is missing or out of range."""
        return cls(name, message.lower, message.step, message.digits, message.squared)
