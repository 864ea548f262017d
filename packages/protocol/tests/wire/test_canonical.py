"""Any bytes are read, or refused with a typed error, in bounded time and memory; nothing but canonical form is read."""

from __future__ import annotations

import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from cryptable_protocol import (
    ClientSpec,
    EncryptedTensor,
    LimitExceededError,
    MalformedMessageError,
    ModelArtifact,
    limits,
)
from cryptable_protocol.messages import circuit, client_spec, keys
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

VECTORS = Path(__file__).parents[4] / "protos/vectors"


def of_message(message_type: Any) -> Any:
    def read(data: bytes) -> bytes:
        return to_canonical_bytes(from_canonical_bytes(message_type, data, limit=1 << 26, what="message"))

    return read


READERS = {
    "client_spec": lambda data: ClientSpec.from_bytes(data).to_bytes(),
    "model_artifact": lambda data: ModelArtifact.from_bytes(data).to_bytes(),
    "encrypted_tensor": lambda data: EncryptedTensor.from_bytes(data).to_bytes(),
    "circuit": of_message(circuit.Circuit),
    "evaluation_keys_header": of_message(keys.EvaluationKeysHeader),
}
GOOD = {kind: [path.read_bytes() for path in sorted((VECTORS / "accept").glob(f"{kind}.*.bin"))] for kind in READERS}


def read_or_refuse(kind: str, data: bytes) -> bool:
    """Whether it was read; then it is written back to the same bytes."""
    try:
        again = READERS[kind](data)
    except MalformedMessageError:
        return False
    assert again == data
    return True


KINDS = st.sampled_from(sorted(READERS))


@settings(max_examples=300, deadline=None)
@given(kind=KINDS, data=st.binary(max_size=200))
def test_any_bytes(kind: str, data: bytes) -> None:
    read_or_refuse(kind, data)


@settings(max_examples=600, deadline=None)
@given(kind=KINDS, choice=st.data())
def test_mutated_bytes(kind: str, choice: st.DataObject) -> None:
    good = choice.draw(st.sampled_from(GOOD[kind]))
    data = bytearray(good)
    for _ in range(choice.draw(st.integers(1, 4))):
        position = choice.draw(st.integers(0, len(data)))
        match choice.draw(st.sampled_from(["flip", "insert", "delete", "double"])):
            case "flip" if position < len(data):
                data[position] ^= 1 << choice.draw(st.integers(0, 7))
            case "insert":
                data[position:position] = choice.draw(st.binary(min_size=1, max_size=8))
            case "delete":
                del data[position : position + choice.draw(st.integers(1, 8))]
            case _:
                data += data[position:]
    read_or_refuse(kind, bytes(data))


@pytest.mark.parametrize("kind", sorted(READERS))
def test_every_prefix(kind: str) -> None:
    data = GOOD[kind][0]
    for length in range(len(data)):
        read_or_refuse(kind, data[:length])
    assert read_or_refuse(kind, data)


def varint(value: int) -> bytes:
    digits = []
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def nodes(data: bytes, descriptor: Any) -> list[Any]:
    """A message's fields as [number, wire type, content], where content is a number, bytes, or such a list."""
    fields, position = [], 0
    while position < len(data):
        tag, position = take(data, position)
        number, wire_type = tag >> 3, tag & 7
        field = descriptor.fields_by_number[number]
        if wire_type == 0:
            content, position = take(data, position)
        elif wire_type == 1:
            content, position = data[position : position + 8], position + 8
        else:
            length, position = take(data, position)
            content, position = data[position : position + length], position + length
            if field.message_type is not None:
                content = nodes(content, field.message_type)
        fields.append([number, wire_type, content])
    return fields


def take(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[position] & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if data[position - 1] < 0x80:
            return value, position


def written(fields: list[Any]) -> bytes:
    result = b""
    for number, wire_type, content in fields:
        result += varint(number << 3 | wire_type)
        if isinstance(content, list):
            content = written(content)
        if wire_type == 0:
            result += varint(content)
        elif wire_type == 1:
            result += content
        else:
            result += varint(len(content)) + content
    return result


def messages_in(fields: list[Any]) -> list[list[Any]]:
    return [fields] + [inner for field in fields if isinstance(field[2], list) for inner in messages_in(field[2])]


SPECS = st.sampled_from(GOOD["client_spec"])
DESCRIPTOR = client_spec.ClientSpec.DESCRIPTOR


@given(data=SPECS)
def test_test_parser_is_right(data: bytes) -> None:
    assert written(nodes(data, DESCRIPTOR)) == data


@settings(max_examples=300, deadline=None)
@given(data=SPECS, choice=st.data())
def test_well_formed_but_not_canonical(data: bytes, choice: st.DataObject) -> None:
    """At any depth: what every protobuf parser reads, but is not the one encoding, is refused."""
    fields = nodes(data, DESCRIPTOR)
    message = choice.draw(st.sampled_from([one for one in messages_in(fields) if one]))
    index = choice.draw(st.integers(0, len(message) - 1))
    match choice.draw(st.sampled_from(["unknown", "group", "twice", "swap", "zero"])):
        case "unknown":
            message.insert(index, [choice.draw(st.sampled_from([15, 16, 100, 2**29 - 1])), 0, 1])
        case "group":
            with pytest.raises(MalformedMessageError):
                ClientSpec.from_bytes(data + b"\x7b\x7c")
            return
        case "twice":
            number = message[index][0]
            if sum(field[0] == number for field in message) > 1 or isinstance(message[index][2], list):
                return
            message.insert(index, message[index])
        case "swap":
            other = choice.draw(st.integers(0, len(message) - 1))
            if message[index][0] == message[other][0]:
                return
            message[index], message[other] = message[other], message[index]
        case _:
            first = message[0][0]
            if first == 1:
                return
            message.insert(0, [1, 0, 0])
    with pytest.raises(MalformedMessageError):
        ClientSpec.from_bytes(written(fields))


def test_unpacked_list_is_refused_though_protobuf_reads_it() -> None:
    one = struct.pack("<d", 1.0)
    canonical = b"\x0a\x08" + one
    unpacked = b"\x09" + one
    encoder = client_spec.ThermometerEncoder
    assert encoder.FromString(unpacked) == encoder.FromString(canonical)
    assert from_canonical_bytes(encoder, canonical, limit=99, what="encoder").edges == [1.0]
    with pytest.raises(MalformedMessageError, match=r"ThermometerEncoder\.edges has wire type 1, expected 2"):
        from_canonical_bytes(encoder, unpacked, limit=99, what="encoder")


def test_limit_on_length() -> None:
    with pytest.raises(LimitExceededError, match="11 bytes, at most 10"):
        from_canonical_bytes(client_spec.ClientSpec, bytes(11), limit=10, what="client spec")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\x12\x00" * (limits.MAX_CLIENT_SPEC_BYTES // 2), LimitExceededError),
        (b"\x7b" * limits.MAX_CLIENT_SPEC_BYTES, MalformedMessageError),
        (b"\x12" + b"\xff" * limits.MAX_CLIENT_SPEC_BYTES, MalformedMessageError),
        (b"\x0a\xfa\xff\xff\x07" + b"\xff" * (limits.MAX_CLIENT_SPEC_BYTES - 6), MalformedMessageError),
    ],
    ids=["empty features", "nested groups", "endless integer", "huge name"],
)
def test_hostile_bytes_cost_little(data: bytes, error: type[Exception]) -> None:
    data = data[: limits.MAX_CLIENT_SPEC_BYTES]
    before = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(error):
            ClientSpec.from_bytes(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * limits.MAX_CLIENT_SPEC_BYTES
    assert time.process_time() - before < 30


def test_invalid_utf8_is_named() -> None:
    with pytest.raises(MalformedMessageError, match="client spec: not a ClientSpec message"):
        ClientSpec.from_bytes(b"\x0a\x01\xff")
