"""Bytes on the wire, exactly, by a model's parameters."""

from __future__ import annotations

from dataclasses import dataclass

from cryptable_protocol import ClientSpec


@dataclass(frozen=True)
class Bytes:
    """Sizes on the wire."""

    evaluation_keys: int
    input_row: int
    output_row: int


def bytes_of(spec: ClientSpec) -> Bytes:
    """Of evaluation keys, a row and an answer, framing included."""
    parameters = spec.parameters
    return Bytes(parameters.keyset.evaluation_keys_bytes, parameters.row_message_bytes, parameters.answer_message_bytes)
