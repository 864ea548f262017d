"""Mutations that know protobuf: a field, anywhere in a message, takes a value that a validator might forget."""

from __future__ import annotations

from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

INTEGERS = (
    0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 40, 41, 63, 64, 65, 128, 255, 256, 449, 450, 512, 1024, 2048, 8194,
    65536, (1 << 17) - 1, 1 << 17, (1 << 17) + 1, 1 << 24, (1 << 24) + 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1,
    1 << 62, (1 << 62) + 1, (1 << 63) - 1, -1, -2, -(1 << 31), -(1 << 62) - 1, -(1 << 63),
)  # fmt: skip
FLOATS = (
    0.0, -0.0, 1.0, -1.0, 0.5, 1e-320, 2.0**-40, 2.0**-39, 2.0**-128, 1e-30, 1e-300, 1e15, 1e308, -1e308,
    float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
STRINGS = ("", "a", "age", "a\nb", "\x00", "\x7f", "\u0085", "é", "x" * 256, "x" * 257, "x0", " ", "\u202e")


LONGEST = 1 << 21
"""Elements of a list: more would be this tool's memory, not a reader's."""


def mutate(message: Message, random: Random, *, depth: int = 0) -> None:
    """Change one field of a message, or of one inside it."""
    fields = message.DESCRIPTOR.fields
    if not fields:
        return
    present = [field for field, _ in message.ListFields()]
    field: Any = random.choice(present if present and random.random() < 0.8 else list(fields))
    if field.message_type is not None and random.random() < (0.85 if depth < 6 else 0.2):
        inner = getattr(message, field.name)
        if not field.is_repeated:
            mutate(inner, random, depth=depth + 1)
            return
        if len(inner):
            mutate(random.choice(inner), random, depth=depth + 1)
            return
    if random.random() < 0.1:
        message.ClearField(field.name)
    elif field.is_repeated:
        _change_list(message, field, random)
    elif field.message_type is not None:
        getattr(message, field.name).SetInParent()
    else:
        _assign(message, field.name, value_for(field, getattr(message, field.name), random))


def _change_list(message: Message, field: FieldDescriptor, random: Random) -> None:
    items: Any = getattr(message, field.name)
    old = list(items)
    match random.randrange(6):
        case 0:
            new = old[: random.randrange(len(old) + 1)]
        case 1:
            new = old[::-1]
        case 2:
            new = (old * min(random.choice((2, 2, 2, 20, 300)), LONGEST // (len(old) + 1) + 2))[:LONGEST]
        case 3 if old:
            new = [*old, random.choice(old)]
        case 4 if len(old) > 1:
            first, second = random.sample(range(len(old)), 2)
            new = list(old)
            new[first], new[second] = new[second], new[first]
        case _ if field.message_type is None:
            new = list(old)
            position = random.randrange(len(old) + 1)
            value = value_for(field, old[position] if position < len(old) else None, random)
            new[position : position + 1] = [value]
        case _:
            items.add()
            return
    if field.message_type is not None:
        copies = [type(each).FromString(each.SerializeToString()) for each in new]
        message.ClearField(field.name)
        getattr(message, field.name).extend(copies)
    else:
        try:
            items[:] = new
        except (ValueError, TypeError):
            items[:] = old


def value_for(field: FieldDescriptor, old: object, random: Random) -> object:
    """Another value for a field."""
    match field.type:
        case FieldDescriptor.TYPE_DOUBLE | FieldDescriptor.TYPE_FLOAT:
            return random.choice((*FLOATS, _scaled(old, random), _scaled(old, random)))
        case FieldDescriptor.TYPE_STRING:
            return random.choice(STRINGS)
        case FieldDescriptor.TYPE_BYTES:
            return mutate_bytes(old if isinstance(old, bytes) else b"", random)
        case FieldDescriptor.TYPE_BOOL:
            return not old
        case _:
            near = (old if isinstance(old, int) else 0) + random.choice((-1, 1))
            return random.choice((*INTEGERS, near, near, near, near))


def mutate_bytes(data: bytes, random: Random) -> bytes:
    """Cut, lengthen or change bytes."""
    changed = bytearray(data)
    position = random.randrange(len(data) + 1)
    match random.randrange(6):
        case 0:
            del changed[position:]
        case 1:
            changed[position:position] = random.randbytes(random.choice((1, 2, 8, 32)))
        case 2 if data:
            changed[position % len(data)] ^= 1 << random.randrange(8)
        case 3 if data:
            changed[position % len(data)] = random.choice((0, 1, 127, 128, 255))
        case 4:
            del changed[position : position + random.choice((1, 2, 8))]
        case _:
            changed += changed[: random.choice((1, 8, 16, 1000))]
    return bytes(changed)


def _scaled(old: object, random: Random) -> float:
    return (old if isinstance(old, float) else 1.0) * random.choice((-1.0, 0.5, 2.0, 1.0000001, 0.999999, 1e-10, 1e10))


def _assign(message: Message, name: str, value: object) -> None:
    try:
        setattr(message, name, value)
    except (ValueError, TypeError):
        message.ClearField(name)
