"""ClientSpec: all that a client needs to encrypt for one model and to read the answer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as pb
from cryptable_protocol.encoding.decoder import Decoder
from cryptable_protocol.encoding.encoders import FeatureEncoder, encoder_from_message, encoder_to_message
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.schemes.bootstrapped.keyset import CiphertextType, KeysetParameters
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes
from cryptable_protocol.wire.names import check_name

MAX_P_ERROR = 2.0**-40
"""Largest probability, of one lookup or reading failing, that a model may be published with."""


@dataclass(frozen=True)
class ClientSpec:
    """Encoders, crypto parameters and decoder of one compiled model.

    Construction checks that the parts are in range and fit together. That the parameters are *secure* is for the
    client to check, before it makes a key (`cryptable_client.schemes.bootstrapped.security`).
    """

    model_name: str
    features: tuple[FeatureEncoder, ...]
    keyset: KeysetParameters
    input: CiphertextType
    output: CiphertextType
    decoder: Decoder
    p_error: float

    def __post_init__(self) -> None:
        check_name(self.model_name, "client spec: model name")
        names = [feature.name for feature in self.features]
        _require(1 <= len(names) <= limits.MAX_VECTOR_SIZE, f"{len(names)} features")
        _require(len(set(names)) == len(names), "two features of one name")
        size = sum(feature.size for feature in self.features)
        _require(size == self.input.size, f"encoders make {size} elements, the input tensor has {self.input.size}")
        maximum = max(feature.maximum for feature in self.features)
        _require(
            maximum < 1 << self.input.width,
            f"an encoder makes values up to {maximum}, the input tensor has {self.input.width} bits",
        )
        _require(
            len(self.decoder.offset) == self.output.size,
            f"decoder of {len(self.decoder.offset)} values, the output tensor has {self.output.size}",
        )
        read = self.output.width + self.decoder.further_bits
        _require(
            not self.decoder.further_bits or read <= limits.MAX_FURTHER_WIDTH,
            f"an output read at {read} bits, expected {limits.MAX_FURTHER_WIDTH} at most",
        )
        for what, tensor in (("input", self.input), ("output", self.output)):
            _require(
                tensor.key in self.keyset.dimensions,
                f"{what} tensor under secret key {tensor.key}, which does not exist",
            )
        _require(self.output.variance == 0.0, "an output tensor has no variance of its own")
        _require(
            0.0 < self.p_error <= MAX_P_ERROR,
            f"p_error {self.p_error} is not in (0, 2^-40]",
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the model's columns, in order."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes: names this specification in every Infer call."""
        return hashlib.sha256(self.to_bytes()).digest()

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        return to_canonical_bytes(
            pb.ClientSpec(
                model_name=self.model_name,
                features=map(encoder_to_message, self.features),
                keyset=self.keyset.to_message(),
                input=self.input.to_message(),
                output=self.output.to_message(),
                decoder=self.decoder.to_message(),
                p_error=self.p_error,
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> ClientSpec:
        """From canonical bytes.

        Raises:
            MalformedMessageError: not canonical, a field missing or out of range, or parts that do not fit together.
        """
        message = from_canonical_bytes(pb.ClientSpec, data, limit=limits.MAX_CLIENT_SPEC_BYTES, what="client spec")
        for part in ("keyset", "input", "output", "decoder"):
            _require(message.HasField(part), f"no {part}")
        return cls(
            message.model_name,
            tuple(map(encoder_from_message, message.features)),
            KeysetParameters.from_message(message.keyset),
            CiphertextType.from_message(message.input),
            CiphertextType.from_message(message.output),
            Decoder.from_message(message.decoder),
            message.p_error,
        )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise MalformedMessageError(f"client spec: {message}")
