"""SignedDocument: what a developer says of a model in JSON, signed with the key that signs models (Ed25519).

The file is canonical JSON (RFC 8785) of an object of four members: "content", "kind", "public_key" and "signature", the
last two in hexadecimal. What is signed is the kind in UTF-8, a zero byte, and the content in canonical JSON: a
signature of one kind is none of another, nor of a model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.model.signature import PUBLIC_KEY_BYTES, SIGNATURE_BYTES
from cryptable_protocol.wire.canonical_json import Json, from_canonical_json, to_canonical_json

_MEMBERS = {"content", "kind", "public_key", "signature"}
_PUBLIC_KEY = re.compile(f"[0-9a-f]{{{2 * PUBLIC_KEY_BYTES}}}")
_SIGNATURE = re.compile(f"[0-9a-f]{{{2 * SIGNATURE_BYTES}}}")


@dataclass(frozen=True)
class SignedDocument:
    """Content, and who vouches for it; the signature was verified when this was made or read.

    Attributes:
        kind: what the content is, as "cryptable.v1 model card".
        content: members of a JSON object.
        public_key: of the signer, in hexadecimal.
        signature: in hexadecimal.
    """

    kind: str
    content: dict[str, Any]
    public_key: str
    signature: str

    @classmethod
    def sign(cls, private_key: Ed25519PrivateKey, *, kind: str, content: dict[str, Any]) -> SignedDocument:
        """Sign content; InvalidInputError where it has no canonical form."""
        signature = private_key.sign(_signed_bytes(kind, content))
        return cls(kind, content, private_key.public_key().public_bytes_raw().hex(), signature.hex())

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        return to_canonical_json(
            {
                "content": self.content,
                "kind": self.kind,
                "public_key": self.public_key,
                "signature": self.signature,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes, *, kind: str, limit: int) -> SignedDocument:
        """From a file's bytes.

        Args:
            data: the bytes.
            kind: that the document must be of.
            limit: bytes accepted at most.

        Raises:
            MalformedMessageError: no document of that kind, not in canonical form, or a wrong signature.
            LimitExceededError: more bytes than `limit`.
        """
        value = from_canonical_json(data, limit=limit, what=kind)
        if not isinstance(value, dict) or value.keys() != _MEMBERS or value["kind"] != kind:
            raise MalformedMessageError(f"{kind}: the file holds something else")
        content, public_key, signature = value["content"], value["public_key"], value["signature"]
        if not (
            isinstance(content, dict)
            and isinstance(public_key, str)
            and isinstance(signature, str)
            and _PUBLIC_KEY.fullmatch(public_key)
            and _SIGNATURE.fullmatch(signature)
        ):
            raise MalformedMessageError(f"{kind}: no content, or no Ed25519 key and signature in hexadecimal")
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
            key.verify(bytes.fromhex(signature), _signed_bytes(kind, content))
        except (InvalidSignature, ValueError) as error:
            raise MalformedMessageError(
                f"{kind}: the signature is not that of key {public_key[:16]}… over this content: it was changed after "
                "it was signed"
            ) from error
        return cls(kind, content, public_key, signature)


def _signed_bytes(kind: str, content: Json) -> bytes:
    return kind.encode() + b"\0" + to_canonical_json(content)
