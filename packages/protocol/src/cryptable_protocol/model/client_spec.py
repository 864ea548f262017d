"""ClientSpec: all that a client needs to encrypt for one model and to read the answer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as pb
from cryptable_protocol.encoding.decoder import Decoder
from cryptable_protocol.encoding.encoders import FeatureEncoder, encoder_from_message, encoder_to_message
from cryptable_protocol.errors import InvalidInputError, MalformedMessageError
from cryptable_protocol.schemes.bootstrapped.keyset import CiphertextType, KeysetParameters
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from cryptable_protocol.schemes.scheme import SchemeParameters, read_parameters
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes
from cryptable_protocol.wire.names import check_name

MAX_P_ERROR = 2.0**-40
"""Largest probability, of one lookup or reading failing, that a model may be published with."""
DEFAULT_P_ERROR = MAX_P_ERROR
"""Where no other probability is asked for: no smaller one is free."""


@dataclass(frozen=True)
class ClientSpec:
    """Encoders, parameters of a scheme, and decoder of one compiled model.

    Construction checks that the parts are in range and fit together. That the parameters are *secure* is for the
    client to check, before it makes a key (`check_security` of the client's scheme).
    """

    model_name: str
    features: tuple[FeatureEncoder, ...]
    parameters: SchemeParameters
    decoder: Decoder

    def __post_init__(self) -> None:
        parameters = self.parameters
        check_name(self.model_name, "client spec: model name")
        names = [feature.name for feature in self.features]
        _require(1 <= len(names) <= limits.MAX_VECTOR_SIZE, f"{len(names)} features")
        _require(len(set(names)) == len(names), "two features of one name")
        size = sum(feature.size for feature in self.features)
        _require(size == parameters.inputs, f"encoders make {size} elements, the input tensor has {parameters.inputs}")
        maximum = max(feature.maximum for feature in self.features)
        _require(
            maximum < 1 << parameters.input_bits,
            f"an encoder makes values up to {maximum}, the input tensor has {parameters.input_bits} bits",
        )
        _require(
            len(self.decoder.offset) == parameters.outputs,
            f"decoder of {len(self.decoder.offset)} values, the output tensor has {parameters.outputs}",
        )
        further, most = self.decoder.further_bits, parameters.most_further_bits
        _require(
            not further or further <= most,
            f"an output read at {parameters.output_bits + further} bits, expected {parameters.output_bits + most} "
            "at most",
        )
        _require(
            0.0 < self.p_error <= MAX_P_ERROR,
            f"p_error {self.p_error} is not in (0, 2^-40]",
        )

    @property
    def scheme(self) -> str:
        """Name of the scheme that the model is evaluated by."""
        return self.parameters.scheme

    @property
    def p_error(self) -> float:
        """Probability that one operation, or the reading of the result, fails."""
        return self.parameters.p_error

    @property
    def bootstrapped(self) -> BootstrappedParameters:
        """The parameters of a model of the scheme `bootstrapped`.

        Raises:
            InvalidInputError: the model is of another scheme.
        """
        if isinstance(self.parameters, BootstrappedParameters):
            return self.parameters
        raise InvalidInputError(
            f"model {self.model_name!r} is of scheme {self.scheme!r}, which has no bootstrapped parameters"
        )

    @property
    def keyset(self) -> KeysetParameters:
        """Of the scheme `bootstrapped`; of any, `parameters.keyset`."""
        return self.bootstrapped.keyset

    @property
    def input(self) -> CiphertextType:
        """Of the scheme `bootstrapped`: ciphertexts of a row."""
        return self.bootstrapped.input

    @property
    def output(self) -> CiphertextType:
        """Of the scheme `bootstrapped`: ciphertexts of an answer."""
        return self.bootstrapped.output

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
        message = pb.ClientSpec(
            model_name=self.model_name,
            features=map(encoder_to_message, self.features),
            decoder=self.decoder.to_message(),
        )
        self.parameters.write(message)
        return to_canonical_bytes(message)

    @classmethod
    def from_bytes(cls, data: bytes) -> ClientSpec:
        """From canonical bytes.

        Raises:
            MalformedMessageError: not canonical, a field missing or out of range, or parts that do not fit together.
        """
        message = from_canonical_bytes(pb.ClientSpec, data, limit=limits.MAX_CLIENT_SPEC_BYTES, what="client spec")
        parameters = read_parameters(message)
        _require(message.HasField("decoder"), "no decoder")
        return cls(
            message.model_name,
            tuple(map(encoder_from_message, message.features)),
            parameters,
            Decoder.from_message(message.decoder),
        )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise MalformedMessageError(f"client spec: {message}")
