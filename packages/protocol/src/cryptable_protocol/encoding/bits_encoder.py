"""From a column to bits alone: what several encoders make of it, numbers as their binary digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as pb
from cryptable_protocol.encoding.categorical_encoder import CategoricalEncoder
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.wire.names import check_name

MOST_PARTS = 4
"""Of an encoder: thresholds of trees, steps, a line or parabola, and a curve."""


class BitsPart(Protocol):
    """What all encoders have."""

    @property
    def name(self) -> str:
        """Of the column."""

    @property
    def size(self) -> int:
        """Elements."""

    @property
    def maximum(self) -> int:
        """Largest value of an element."""

    @property
    def takes_missing(self) -> bool:
        """Whether a row may have a missing value here."""

    def encode(self, column: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Shape (rows,) to (rows, size)."""


@dataclass(frozen=True)
class BitsEncoder:
    """Elements of the parts, one part after the other; each as as many binary digits, the lowest first, as can be set.

    Parts are encoders of this column: of categories all of them, or none.
    """

    name: str
    parts: tuple[BitsPart, ...]

    def __post_init__(self) -> None:
        check_name(self.name, "feature")
        if not 1 <= len(self.parts) <= MOST_PARTS:
            raise MalformedMessageError(
                f"feature {self.name!r}: an encoder of {len(self.parts)} parts, expected 1 .. {MOST_PARTS}"
            )
        for part in self.parts:
            if isinstance(part, BitsEncoder) or not part.size or part.name != self.name:
                raise MalformedMessageError(
                    f"feature {self.name!r}: a part of its encoder is of another column, of parts itself, or of no "
                    "elements"
                )
        if len({isinstance(part, CategoricalEncoder) for part in self.parts}) > 1:
            raise MalformedMessageError(f"feature {self.name!r}: one part of its encoder takes categories, another not")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Elements of each part."""
        return tuple(part.size * part.maximum.bit_length() for part in self.parts)

    @property
    def size(self) -> int:
        """Elements that this feature contributes to the input tensor."""
        return sum(self.sizes)

    @property
    def maximum(self) -> int:
        """Largest value of an element."""
        return 1

    @property
    def takes_missing(self) -> bool:
        """Whether a row may have a missing value here."""
        return all(part.takes_missing for part in self.parts)

    def encode(self, column: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Shape (rows,) to (rows, size)."""
        return np.concatenate([_binary(part.encode(column), part.maximum) for part in self.parts], axis=1)

    def to_message(self, write: Callable[[Any], pb.FeatureEncoder]) -> pb.BitsEncoder:
        """As protobuf; `write` does it of a part."""
        message = pb.BitsEncoder(parts=map(write, self.parts))
        for part in message.parts:
            part.name = ""
        return message

    @classmethod
    def from_message(
        cls, name: str, message: pb.BitsEncoder, read: Callable[[pb.FeatureEncoder], BitsPart]
    ) -> BitsEncoder:
        """From protobuf; `read` does it of a part. Raises MalformedMessageError where one is out of range."""
        if len(message.parts) > MOST_PARTS:
            raise MalformedMessageError(f"feature {name!r}: an encoder of {len(message.parts)} parts")
        parts = []
        for part in message.parts:
            if part.name or part.WhichOneof("kind") == "bits":
                raise MalformedMessageError(f"feature {name!r}: a part of its encoder has a name, or parts itself")
            named = pb.FeatureEncoder()
            named.CopyFrom(part)
            named.name = name
            parts.append(read(named))
        return cls(name, tuple(parts))


def _binary(elements: npt.NDArray[np.int64], maximum: int) -> npt.NDArray[np.int64]:
    """Elements of shape (rows, elements) as digits, shape (rows, elements * digits)."""
    digits = elements[:, :, None] >> np.arange(maximum.bit_length()) & 1
    return digits.reshape(len(elements), -1)
