"""Vector: some bytes, and what a reader must make of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from google.protobuf.message import Message

MessageType = TypeVar("MessageType", bound=Message)

Type = Literal[
    "client_spec",
    "circuit",
    "model_artifact",
    "encrypted_tensor",
    "ring_tensor",
    "evaluation_keys_header",
    "batch_spec",
]
Stage = Literal["bytes", "fields", "verifier"]


@dataclass(frozen=True)
class Accepted:
    """Bytes to accept; `facts` are what they say."""

    type: Type
    name: str
    about: str
    data: bytes
    facts: dict[str, Any] = field(default_factory=dict)

    def entry(self) -> dict[str, Any]:
        """Its line in the index."""
        return {"file": f"{self.type}.{self.name}.bin", "type": self.type, "about": self.about, "facts": self.facts}


@dataclass(frozen=True)
class Rejected:
    """Bytes to refuse: by the canonical form alone, by the fields' values, or by the circuit verifier."""

    type: Type
    name: str
    why: str
    data: bytes
    stage: Stage
    error: str = "MalformedMessageError"

    def entry(self) -> dict[str, Any]:
        """Its line in the index."""
        return {
            "file": f"{self.type}.{self.name}.bin",
            "type": self.type,
            "why": self.why,
            "stage": self.stage,
            "error": self.error,
        }


def canonical(message: Message) -> bytes:
    """As any protobuf library writes the message: for these schemas, that is the canonical form."""
    return message.SerializeToString(deterministic=True)


def changed(message: MessageType, change: Callable[[MessageType], object]) -> bytes:
    """Canonical bytes of a changed copy of the message."""
    copy = type(message)()
    copy.CopyFrom(message)
    change(copy)
    return canonical(copy)


def put(target: Message, **values: object) -> None:
    """Set fields of a message, lists included."""
    for name, value in values.items():
        if isinstance(value, list):
            kept = list(value)  # some may be the target's own
            target.ClearField(name)
            getattr(target, name).extend(kept)
        else:
            setattr(target, name, value)


def varint(value: int, *, length: int = 0) -> bytes:
    """A base-128 integer, padded to `length` bytes where that is longer than it need be."""
    digits = []
    while True:
        digits.append(value & 0x7F)
        value >>= 7
        if not value:
            break
    digits += [0] * (length - len(digits))
    return bytes(digit | 0x80 for digit in digits[:-1]) + bytes(digits[-1:])


def integer(number: int, value: int, *, length: int = 0) -> bytes:
    """Field `number`, holding a base-128 integer."""
    return varint(number << 3) + varint(value, length=length)


def block(number: int, content: bytes, *, length: int = 0) -> bytes:
    """Field `number`, holding a block of bytes: a string, a submessage or a packed list."""
    return varint(number << 3 | 2) + varint(len(content), length=length) + content
