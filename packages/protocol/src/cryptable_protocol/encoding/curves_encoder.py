"""From a number to the heights of several curves there, an element each: models may read a feature in several ways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as pb
from cryptable_protocol.encoding.polyline_encoder import PolylineEncoder
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.wire.names import check_name


@dataclass(frozen=True)
class CurvesEncoder:
    """Elements of the curves, in order; each is an encoder of this column that takes no missing value."""

    name: str
    curves: tuple[PolylineEncoder, ...]

    def __post_init__(self) -> None:
        check_name(self.name, "feature")
        if not 2 <= len(self.curves) <= limits.MAX_CURVES:
            raise MalformedMessageError(
                f"feature {self.name!r}: an encoder of {len(self.curves)} curves, expected 2 .. {limits.MAX_CURVES}"
            )
        if any(curve.name != self.name or curve.takes_missing for curve in self.curves):
            raise MalformedMessageError(
                f"feature {self.name!r}: a curve of its encoder is of another column, or says what a missing value is"
            )

    @property
    def size(self) -> int:
        """Elements that this feature contributes to the input tensor."""
        return len(self.curves)

    @property
    def maximum(self) -> int:
        """Largest value of an element."""
        return max(curve.maximum for curve in self.curves)

    @property
    def takes_missing(self) -> bool:
        """Whether a row may have a missing value here: nothing says what its elements are."""
        return False

    def encode(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Shape (rows,) to (rows, size)."""
        return np.concatenate([curve.encode(column) for curve in self.curves], axis=1)

    def to_message(self) -> pb.CurvesEncoder:
        """As protobuf."""
        return pb.CurvesEncoder(curves=[curve.to_message() for curve in self.curves])

    @classmethod
    def from_message(cls, name: str, message: pb.CurvesEncoder) -> CurvesEncoder:
        """From protobuf; raises MalformedMessageError where a field is missing or out of range."""
        if len(message.curves) > limits.MAX_CURVES:
            raise MalformedMessageError(f"feature {name!r}: an encoder of {len(message.curves)} curves")
        return cls(name, tuple(PolylineEncoder.from_message(name, curve) for curve in message.curves))
