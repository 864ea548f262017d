"""A walk over a message's encoding before it is parsed: refuses what would cost memory out of proportion to its length.

Protobuf turns two bytes (an empty submessage) into dozens, and nests as deep as the bytes say. The walk costs time in
proportion to the number of fields, stops at `limits.MAX_PARTS` submessages and strings, and names the place of a fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from cryptable_protocol import limits
from cryptable_protocol.errors import LimitExceededError, MalformedMessageError

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_WIRE_TYPES = {
    FieldDescriptor.TYPE_DOUBLE: _FIXED64,
    FieldDescriptor.TYPE_FIXED64: _FIXED64,
    FieldDescriptor.TYPE_SFIXED64: _FIXED64,
    FieldDescriptor.TYPE_FLOAT: _FIXED32,
    FieldDescriptor.TYPE_FIXED32: _FIXED32,
    FieldDescriptor.TYPE_SFIXED32: _FIXED32,
    FieldDescriptor.TYPE_STRING: _LENGTH,
    FieldDescriptor.TYPE_BYTES: _LENGTH,
    FieldDescriptor.TYPE_MESSAGE: _LENGTH,
}


class _Field(NamedTuple):
    name: str
    wire_type: int
    may_repeat: bool
    message: Descriptor | None


@dataclass
class _Frame:
    """A message that the walk is inside of: where it stands, where the message ends, and the last field's number."""

    message: Descriptor
    position: int
    end: int
    last: int = 0


def check_wire(descriptor: Descriptor, data: bytes, what: str) -> None:
    """Check framing, field numbers, wire types, field order and the number of parts, at every depth.

    Args:
        descriptor: type of the message.
        data: its encoding.
        what: what the bytes are meant to be, for the error message.

    Raises:
        MalformedMessageError: truncated, an unknown field, a field of another wire type, out of order or repeated.
        LimitExceededError: more than `limits.MAX_PARTS` submessages and strings.
    """
    parts = 0
    frames = [_Frame(descriptor, 0, len(data))]  # one a level, so memory does not grow with the number of parts
    while frames:
        frame = frames[-1]
        position, end = frame.position, frame.end
        if position == end:
            frames.pop()
            continue
        tag, position = _varint(data, position, end, what)
        field = _next_field(frame, tag, what)
        if field.wire_type == _VARINT:
            _, frame.position = _varint(data, position, end, what)
            continue
        length = _FIXED_SIZES.get(field.wire_type)
        if length is None:
            length, position = _varint(data, position, end, what)
            parts += 1
            if parts > limits.MAX_PARTS:
                raise LimitExceededError(f"{what}: more than {limits.MAX_PARTS} submessages and strings")
        if length > end - position:
            raise MalformedMessageError(
                f"{what}: {frame.message.name}.{field.name} is cut short, at byte {frame.position}"
            )
        frame.position = position + length
        if field.message is not None:
            frames.append(_Frame(field.message, position, position + length))


def _next_field(frame: _Frame, tag: int, what: str) -> _Field:
    number, wire_type = tag >> 3, tag & 7
    field = _fields(frame.message).get(number)
    if field is None:
        raise MalformedMessageError(f"{what}: unknown field {number} in {frame.message.name}, at byte {frame.position}")
    if wire_type != field.wire_type:
        raise MalformedMessageError(
            f"{what}: {frame.message.name}.{field.name} has wire type {wire_type}, expected {field.wire_type}, "
            f"at byte {frame.position}"
        )
    if number < frame.last or (number == frame.last and not field.may_repeat):
        raise MalformedMessageError(
            f"{what}: {frame.message.name}.{field.name} is out of order or repeated, at byte {frame.position}"
        )
    frame.last = number
    return field


def _varint(data: bytes, position: int, end: int, what: str) -> tuple[int, int]:
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        if position + index >= end:
            raise MalformedMessageError(f"{what}: an integer is cut short, at byte {position}")
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise MalformedMessageError(f"{what}: an integer of more than {_MAX_VARINT_BYTES} bytes, at byte {position}")


@cache
def _fields(message: Descriptor) -> dict[int, _Field]:
    return {field.number: _field(field) for field in message.fields}


def _field(field: FieldDescriptor) -> _Field:
    scalar = _WIRE_TYPES.get(field.type, _VARINT)
    packed = field.is_repeated and field.is_packed
    return _Field(field.name, _LENGTH if packed else scalar, field.is_repeated and not packed, field.message_type)
