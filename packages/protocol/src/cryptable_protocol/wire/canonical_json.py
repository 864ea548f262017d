"""Canonical JSON, as RFC 8785 (JCS) has it: one byte string for each value, so that it can be signed and compared.

Objects have their members sorted by name, strings escape only what they must, numbers are written as ECMAScript writes
doubles, and nothing stands between tokens. Integers beyond 2^53, which a double does not hold, are refused.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, TypeAlias

from cryptable_protocol.errors import InvalidInputError, LimitExceededError, MalformedMessageError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_LARGEST_INTEGER = 1 << 53
_DEEPEST = 32
"""Arrays and objects inside each other."""
_PLAIN_DIGITS = 21
"""Of numbers from 10^21 on ECMAScript writes an exponent."""
_LEADING_ZEROS = 6
"""Numbers below 10^-6 have an exponent."""


def to_canonical_json(value: Json) -> bytes:
    """The bytes.

    Raises:
        InvalidInputError: the value holds what has no canonical form: an infinite number or NaN, an integer beyond
            2^53, a lone surrogate, a key that is no string, another type, or arrays and objects 32 deep.
    """
    try:
        return _text(value, 0).encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError("canonical JSON: a string has characters that are no text (lone surrogates)") from error


def from_canonical_json(data: bytes, *, limit: int, what: str) -> Any:  # noqa: ANN401 (any value of JSON)
    """The value, of the only bytes that stand for it.

    Args:
        data: the bytes.
        limit: bytes accepted at most; a parser makes some twenty times as many of them.
        what: what they are meant to be, for the error message.

    Raises:
        LimitExceededError: there are more than `limit`.
        MalformedMessageError: they are no JSON, or not in canonical form.
    """
    if len(data) > limit:
        raise LimitExceededError(f"{what}: {len(data)} bytes, at most {limit} are accepted")
    try:
        value = json.loads(data.decode(), parse_constant=_refuse)
        again = to_canonical_json(value)
    except (ValueError, RecursionError) as error:  # InvalidInputError and UnicodeDecodeError among them
        raise MalformedMessageError(f"{what}: no canonical JSON ({error})") from error
    if again != data:
        raise MalformedMessageError(
            f"{what}: JSON, but not in canonical form (RFC 8785): it was edited or reformatted after it was made"
        )
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _text(value: object, depth: int) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            if abs(value) > _LARGEST_INTEGER:
                raise InvalidInputError(f"canonical JSON: an integer of {value.bit_length()} bits, 53 are held exactly")
            return str(value)
        case float():
            return _number(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list() | tuple():
            return f"[{','.join(_text(each, _deeper(depth)) for each in value)}]"
        case dict():
            return f"{{{','.join(_members(value, _deeper(depth)))}}}"
        case _:
            raise InvalidInputError(f"canonical JSON: {type(value).__name__} is no type of JSON")


def _members(value: dict[Any, Any], depth: int) -> list[str]:
    if not all(isinstance(name, str) for name in value):
        raise InvalidInputError("canonical JSON: names of members are strings")
    # By UTF-16 code units, as the standard says, which differs from code points beyond the basic plane.
    names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
    return [f"{json.dumps(name, ensure_ascii=False)}:{_text(value[name], depth)}" for name in names]


def _deeper(depth: int) -> int:
    if depth == _DEEPEST:
        raise InvalidInputError(f"canonical JSON: more than {_DEEPEST} arrays and objects inside each other")
    return depth + 1


def _number(value: float) -> str:
    """As ECMAScript's Number.prototype.toString: the shortest digits that read as this double, which `repr` finds."""
    if not math.isfinite(value):
        raise InvalidInputError(f"canonical JSON: {value} is no number of JSON")
    if value == 0:
        return "0"  # of minus zero too
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = float.__repr__(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return sign + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """0.digits times 10^point."""
    count = len(digits)
    if count <= point <= _PLAIN_DIGITS:
        return digits + "0" * (point - count)
    if 0 < point <= _PLAIN_DIGITS:
        return f"{digits[:point]}.{digits[point:]}"
    if -_LEADING_ZEROS < point <= 0:
        return f"0.{'0' * -point}{digits}"
    exponent = f"{point - 1:+d}"
    return f"{digits[0]}{'.' if count > 1 else ''}{digits[1:]}e{exponent}"
