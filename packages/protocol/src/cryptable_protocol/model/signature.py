"""ModelSignature: a developer's Ed25519 signature of a model, which a client can verify with what a server tells it."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cryptable_protocol._generated.cryptable.v1 import artifact_pb2 as pb
from cryptable_protocol.errors import MalformedMessageError

PUBLIC_KEY_BYTES, SIGNATURE_BYTES = 32, 64
_CONTEXT = b"cryptable.v1 model signature\0"


@dataclass(frozen=True)
class ModelSignature:
    """Who vouches for a model: an Ed25519 public key, and its signature (protos/SPEC.md, "Signatures")."""

    public_key: bytes
    signature: bytes

    def __post_init__(self) -> None:
        if len(self.public_key) != PUBLIC_KEY_BYTES or len(self.signature) != SIGNATURE_BYTES:
            raise MalformedMessageError(
                f"model signature: a public key of {len(self.public_key)} bytes and a signature of "
                f"{len(self.signature)}, expected {PUBLIC_KEY_BYTES} and {SIGNATURE_BYTES}"
            )

    @classmethod
    def sign(cls, private_key: Ed25519PrivateKey, *, client_spec: bytes, artifact: bytes) -> ModelSignature:
        """Sign a model.

        Args:
            private_key: the developer's.
            client_spec: SHA-256 of the canonical ClientSpec.
            artifact: SHA-256 of the canonical ModelArtifact.
        """
        signature = private_key.sign(_CONTEXT + client_spec + artifact)
        return cls(private_key.public_key().public_bytes_raw(), signature)

    def verify(self, *, client_spec: bytes, artifact: bytes) -> None:
        """Check that this key signed the model of these digests.

        Raises:
            MalformedMessageError: it did not.
        """
        try:
            key = Ed25519PublicKey.from_public_bytes(self.public_key)
            key.verify(self.signature, _CONTEXT + client_spec + artifact)
        except (InvalidSignature, ValueError) as error:
            raise MalformedMessageError(
                f"model signature: not that of key {self.public_key.hex()[:16]}… over this model; it was made for "
                "another model, or the model was changed after it was signed"
            ) from error

    def to_message(self) -> pb.ModelSignature:
        """As protobuf."""
        return pb.ModelSignature(public_key=self.public_key, signature=self.signature)

    @classmethod
    def from_message(cls, message: pb.ModelSignature) -> ModelSignature:
        """From protobuf; raises MalformedMessageError where a part has another length."""
        return cls(message.public_key, message.signature)
