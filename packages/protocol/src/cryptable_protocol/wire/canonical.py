"""Reading and writing protobuf messages in the one canonical form that digests are taken of; and reading any form."""

from __future__ import annotations

from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from cryptable_protocol.errors import LimitExceededError, MalformedMessageError
from cryptable_protocol.wire.walk import check_wire

MessageType = TypeVar("MessageType", bound=Message)


def to_canonical_bytes(message: Message) -> bytes:
    """Fields in ascending order, no default value, minimal integers, packed lists, nothing unknown."""
    return message.SerializeToString(deterministic=True)


def from_canonical_bytes(message_type: type[MessageType], data: bytes, *, limit: int, what: str) -> MessageType:
    """Parse `data`, refusing every byte string but the canonical one of the message it holds.

    Args:
        message_type: generated protobuf class.
        data: the bytes.
        limit: bytes accepted at most.
        what: what the bytes are meant to be, for the error message.

    Raises:
        LimitExceededError: `data` is longer than `limit`, or has more than `limits.MAX_PARTS` submessages and strings.
        MalformedMessageError: `data` is no such message, is not canonical, or has unknown fields.
    """
    _check_length(data, limit, what)
    message = message_type()
    check_wire(cast(Descriptor, message.DESCRIPTOR), data, what)
    try:
        message.ParseFromString(data)
        again = to_canonical_bytes(message)
    except (DecodeError, ValueError) as error:
        raise MalformedMessageError(f"{what}: not a {message_type.__name__} message ({error})") from error
    if again != data:
        raise MalformedMessageError(
            f"{what}: not in canonical form (a default value is written out, an integer is longer than it need be, "
            "or a choice is made twice)"
        )
    return message


def from_any_bytes(message_type: type[MessageType], data: bytes, *, limit: int, what: str) -> MessageType:
    """Parse a message of the service, which has any valid encoding and may have unknown fields.

    Args:
        message_type: generated protobuf class.
        data: the bytes.
        limit: bytes accepted at most; a parser may make fifty times as many of them.
        what: what the bytes are meant to be, for the error message.

    Raises:
        LimitExceededError: `data` is longer than `limit`.
        MalformedMessageError: `data` is no such message.
    """
    _check_length(data, limit, what)
    try:
        return message_type.FromString(data)
    except (DecodeError, ValueError) as error:
        raise MalformedMessageError(f"{what}: not a {message_type.__name__} message ({error})") from error


def _check_length(data: bytes, limit: int, what: str) -> None:
    if len(data) > limit:
        raise LimitExceededError(f"{what}: {len(data)} bytes, at most {limit} are accepted")
