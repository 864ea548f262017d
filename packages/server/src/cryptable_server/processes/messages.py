"""What the front and a worker say to each other: frozen values, checked when they are read, JSON on their way.

The front tells a worker Notes, which it does not answer, and asks it to Report or to Evaluate; a worker answers with
Ready, or with Done or Failed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeAlias, get_args, get_type_hints

from cryptable_protocol import CryptableError, MalformedMessageError

from cryptable_server.errors import (
    EvaluationFailedError,
    KeysCorruptedError,
    KeysNotFoundError,
    KeysTooLargeError,
)

_WHAT = "what"
FAILURES: dict[str, type[CryptableError]] = {
    "keys_not_found": KeysNotFoundError,
    "keys_corrupted": KeysCorruptedError,
    "keys_too_large": KeysTooLargeError,
    "malformed": MalformedMessageError,
    "failed": EvaluationFailedError,
}
"""What can keep a worker from evaluating a row, by the name that it has on its way."""


class UnreadableMessageError(ValueError):
    """Facts that are no message, or one with a field that is missing, too much, or of another type."""


@dataclass(frozen=True)
class Load:
    """Have a program in memory."""

    program: str


@dataclass(frozen=True)
class Unload:
    """Drop a program."""

    program: str


@dataclass(frozen=True)
class Forget:
    """Drop evaluation keys."""

    name: str


@dataclass(frozen=True)
class Report:
    """Say that you are ready, once what was asked before is done."""


@dataclass(frozen=True)
class KeysFile:
    """Evaluation keys, and where a worker finds them."""

    name: str
    """By which a worker remembers them."""
    sha256: str
    """Of the file's bytes, in hexadecimal."""
    location: str
    memory_bytes: int
    """Estimate of what they take in its memory."""


@dataclass(frozen=True)
class Evaluate:
    """Evaluate a row, whose EncryptedTensor comes along."""

    program: str
    keys: KeysFile | None = None
    """None where the program needs none."""
    rows: int = 1
    """That the tensor holds: each may take the time of one."""
    tensor_file: str = ""
    """Where the tensor is, of rows in bulk; else it comes along."""
    part: int | None = None
    """The number of a part, which alone is to be evaluated."""


@dataclass(frozen=True)
class Ready:
    """Everything that was asked for is in memory."""


@dataclass(frozen=True)
class Done:
    """A row has been evaluated; the canonical EncryptedTensor comes along."""

    cpu_seconds: float
    wall_seconds: float
    """Of the evaluation, trimming included."""
    trim_seconds: float
    """Of making the answer short."""
    key_seconds: float
    """Until its keys were in memory."""
    keys_cached: bool | None
    """Whether they were there already; None where it needs none."""
    lookups: int


@dataclass(frozen=True)
class Failed:
    """A row could not be evaluated."""

    error: str
    """One of FAILURES."""
    message: str
    """For the caller."""

    def __post_init__(self) -> None:
        if self.error not in FAILURES:
            raise UnreadableMessageError(f"Failed.error is {self.error!r}, expected one of {', '.join(FAILURES)}")


Note: TypeAlias = Load | Unload | Forget
Message: TypeAlias = Load | Unload | Forget | Report | Evaluate | Ready | Done | Failed
_KINDS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind for kind in (Load, Unload, Forget, Report, Evaluate, Ready, Done, Failed)
}
_TYPES = {kind: get_type_hints(kind) for kind in (*_KINDS.values(), KeysFile)}


def facts_of(message: Message) -> dict[str, Any]:
    """The message as JSON can hold it."""
    return {_WHAT: type(message).__name__.lower(), **asdict(message)}


def message_of(facts: object) -> Message:
    """The message that `facts_of` has made these of; numbers are finite and not negative.

    Raises:
        UnreadableMessageError: they are no such facts.
    """
    if not isinstance(facts, dict) or not isinstance(facts.get(_WHAT), str) or facts[_WHAT] not in _KINDS:
        raise UnreadableMessageError(f"facts that are no message: one of {', '.join(_KINDS)} is expected")
    values = {name: value for name, value in facts.items() if name != _WHAT}
    if isinstance(values.get("keys"), dict):
        values["keys"] = _read(KeysFile, values["keys"])
    message: Message = _read(_KINDS[facts[_WHAT]], values)
    return message


def _read(kind: type[Any], values: Mapping[str, object]) -> Any:  # noqa: ANN401 - an instance of `kind`
    name, types = kind.__name__, _TYPES[kind]
    if values.keys() != types.keys():
        raise UnreadableMessageError(f"{name} with the fields {sorted(values)}, expected {sorted(types)}")
    for field in fields(kind):
        value = values[field.name]
        expected = types[field.name]
        # A bool is an int to `isinstance`.
        if not isinstance(value, expected) or (isinstance(value, bool) and bool not in (expected, *get_args(expected))):
            raise UnreadableMessageError(f"{name}.{field.name} is a {type(value).__name__}, expected {field.type}")
        if isinstance(value, int | float) and not 0 <= value < math.inf:
            raise UnreadableMessageError(f"{name}.{field.name} is {value}, expected a finite number from 0")
    return kind(**values)
