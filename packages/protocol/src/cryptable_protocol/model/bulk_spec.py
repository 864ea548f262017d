"""BulkSpec: what a server says of a second way to evaluate a model, for many rows at once (SPEC-SQUARES.md, "Bulk")."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as pb
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes


@dataclass(frozen=True)
class BulkSpec:
    """Another specification of a model: the same encoders and decoder, and parameters of rows in bulk.

    Attributes:
        spec: that specification; calls that evaluate rows in bulk name its digest.
        parameters: its own.
        least_rows: from how many rows on a tensor of them is less work, for server and client together, than so many.

    Raises:
        MalformedMessageError: parts that do not fit together.
    """

    spec: ClientSpec
    parameters: BulkParameters
    least_rows: int

    def __post_init__(self) -> None:
        if not 1 <= self.least_rows <= self.parameters.rows:
            raise MalformedMessageError(
                f"bulk spec: {self.least_rows} rows at least, expected 1 .. {self.parameters.rows}"
            )

    @classmethod
    def of(cls, model: ClientSpec, parameters: BulkParameters, least_rows: int) -> BulkSpec:
        """Of the model that `model` specifies."""
        return cls(replace(model, parameters=parameters), parameters, least_rows)

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        return to_canonical_bytes(pb.BulkSpec(parameters=self.parameters.to_message(), least_rows=self.least_rows))

    @classmethod
    def from_bytes(cls, data: bytes, model: ClientSpec) -> BulkSpec:
        """From canonical bytes, for a model; raises as the class, and where a part is missing or damaged."""
        message = from_canonical_bytes(pb.BulkSpec, data, limit=limits.MAX_CLIENT_SPEC_BYTES, what="bulk spec")
        if not message.HasField("parameters"):
            raise MalformedMessageError("bulk spec: it has no parameters")
        parameters = BulkParameters.from_message(message.parameters, model.p_error)
        return cls.of(model, parameters, message.least_rows)
