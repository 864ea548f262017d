"""Rows and answers of the scheme `levelled` as they travel (protos/SPEC-LEVELLED.md, "A row", "An answer")."""

from __future__ import annotations

from dataclasses import dataclass

from cryptable_protocol import limits
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.levelled.keyset import SEED_BYTES
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes


@dataclass(frozen=True)
class RingTensor:
    """Packed words of ring elements: of a row, with the `seed` of its masks; of an answer, without.

    How long `polynomials` is follows from LevelledParameters, whose `check_input` and `check_output` compare it.
    """

    polynomials: bytes
    seed: bytes | None = None

    def __post_init__(self) -> None:
        if self.seed is not None and len(self.seed) != SEED_BYTES:
            raise MalformedMessageError(f"encrypted tensor: a seed of {len(self.seed)} bytes, expected {SEED_BYTES}")
        if not self.polynomials:
            raise MalformedMessageError("encrypted tensor: no polynomials")

    def to_message(self) -> tensor_pb.EncryptedTensor:
        """As protobuf."""
        message = tensor_pb.EncryptedTensor(polynomials=self.polynomials)
        if self.seed is not None:
            message.seed = self.seed
        return message

    @classmethod
    def from_message(cls, message: tensor_pb.EncryptedTensor) -> RingTensor:
        """From protobuf; MalformedMessageError where it is a tensor of another scheme."""
        form = message.WhichOneof("masks")
        if form not in (None, "seed") or message.bodies or message.word_bits:
            raise MalformedMessageError("encrypted tensor: of another scheme, expected polynomials alone")
        return cls(message.polynomials, message.seed if form else None)

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        return to_canonical_bytes(self.to_message())

    @classmethod
    def from_bytes(cls, data: bytes) -> RingTensor:
        """From canonical bytes; raises MalformedMessageError on all others."""
        message = from_canonical_bytes(
            tensor_pb.EncryptedTensor, data, limit=limits.MAX_MESSAGE_BYTES, what="encrypted tensor"
        )
        return cls.from_message(message)
