"""EvaluationKeysHeader: what the raw bytes of evaluation keys are (protos/SPEC.md, "Evaluation keys")."""

from __future__ import annotations

from dataclasses import dataclass

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import keys_pb2 as pb
from cryptable_protocol.errors import LimitExceededError, MalformedMessageError

DIGEST_BYTES = 32


@dataclass(frozen=True)
class EvaluationKeysHeader:
    """Keyset, length in bytes and SHA-256 of evaluation keys; the SHA-256 is their name."""

    keyset_name: bytes
    size: int
    sha256: bytes

    def __post_init__(self) -> None:
        check_digest(self.keyset_name, "keyset name")
        check_digest(self.sha256, "digest of evaluation keys")
        if self.size < 1:
            raise MalformedMessageError("evaluation keys of 0 bytes")
        if self.size > limits.MAX_EVALUATION_KEYS_BYTES:
            raise LimitExceededError(
                f"evaluation keys of {self.size} bytes, at most {limits.MAX_EVALUATION_KEYS_BYTES} are accepted"
            )

    def to_message(self) -> pb.EvaluationKeysHeader:
        """As protobuf."""
        return pb.EvaluationKeysHeader(keyset_name=self.keyset_name, size=self.size, sha256=self.sha256)

    @classmethod
    def from_message(cls, message: pb.EvaluationKeysHeader) -> EvaluationKeysHeader:
        """From protobuf; raises MalformedMessageError where a field is out of range."""
        return cls(message.keyset_name, message.size, message.sha256)


def check_digest(value: bytes, what: str) -> bytes:
    """`value`, if it has the length of a SHA-256; else MalformedMessageError."""
    if len(value) != DIGEST_BYTES:
        raise MalformedMessageError(f"{what}: {len(value)} bytes, expected the {DIGEST_BYTES} of a SHA-256")
    return value
