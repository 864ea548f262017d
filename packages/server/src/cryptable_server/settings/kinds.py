"""Kinds of settings: what a value is, as a text and as TOML, and what it becomes in the unit that code computes in."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptable_server.settings.addresses import split_address

GIB = 1 << 30
DAY = 86_400.0


class Kind(Protocol):
    """What values a setting has. Methods raise ValueError, whose message goes on after the setting and its value."""

    @property
    def metavar(self) -> str:
        """As help shows a value; empty for a switch, which takes none."""

    def from_text(self, text: str) -> Any:  # noqa: ANN401 - raw values are of a kind's own type
        """The raw value of an option or an environment variable."""

    def from_toml(self, value: object) -> Any:  # noqa: ANN401
        """The raw value of a key in a file."""

    def to_toml(self, raw: Any) -> str:  # noqa: ANN401
        """The raw value as a TOML literal, which `from_toml` reads back."""

    def convert(self, raw: Any) -> Any:  # noqa: ANN401
        """What a field holds."""

    def check(self, converted: Any) -> None:  # noqa: ANN401
        """Refuse what a field cannot hold."""


@dataclass(frozen=True)
class Number:
    """A number in some unit, at least `minimum`, or above it; 0 may stand for no limit, which a field holds as None."""

    metavar: str
    scale: float = 1
    """Converted units in a raw one."""
    whole: bool = False
    """Whether the raw value is a whole number."""
    minimum: float = 0
    or_equal: bool = True
    zero_is_none: bool = False

    def from_text(self, text: str) -> int | float:
        """See Kind."""
        try:
            return int(text) if text.strip().lstrip("+-").isdecimal() else self.from_toml(float(text))
        except ValueError:
            raise ValueError(f"is not {self._what}") from None

    def from_toml(self, value: object) -> int | float:
        """See Kind."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            raise ValueError(f"is not {self._what}")
        if not math.isfinite(value):
            raise ValueError(f"is not {self._what}")
        return value

    def to_toml(self, raw: float) -> str:
        """See Kind."""
        return repr(raw)

    def convert(self, raw: float) -> int | float | None:
        """See Kind."""
        if self.zero_is_none and raw == 0:
            return None
        if self.scale == 1:
            return raw if self.whole else float(raw)
        return round(raw * self.scale) if isinstance(self.scale, int) else raw * self.scale

    def check(self, converted: float | None) -> None:
        """See Kind."""
        if converted is None and self.zero_is_none:
            return
        least = self.minimum * self.scale
        if converted is None or not (converted >= least if self.or_equal else converted > least):
            none = ", or 0 for no limit" if self.zero_is_none else ""
            raise ValueError(f"must be {'at least' if self.or_equal else 'more than'} {self.minimum:g}{none}")

    @property
    def _what(self) -> str:
        return f"a {'whole ' if self.whole else ''}number of {self.metavar.lower()}" if self.metavar else "a number"


@dataclass(frozen=True)
class Switch:
    """On or off."""

    metavar: str = ""

    def from_text(self, text: str) -> bool:
        """See Kind."""
        value = {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower())
        if value is None:
            raise ValueError("is neither true nor false")
        return value

    def from_toml(self, value: object) -> bool:
        """See Kind."""
        if not isinstance(value, bool):
            raise ValueError("is neither true nor false")
        return value

    def to_toml(self, raw: bool) -> str:
        """See Kind."""
        return "true" if raw else "false"

    def convert(self, raw: bool) -> bool:
        """See Kind."""
        return raw

    def check(self, converted: bool) -> None:
        """See Kind."""


@dataclass(frozen=True)
class Text:
    """A text, one of `choices` if there are any."""

    metavar: str
    choices: tuple[str, ...] = ()

    def from_text(self, text: str) -> str:
        """See Kind."""
        return self.from_toml(text)

    def from_toml(self, value: object) -> str:
        """See Kind."""
        if not isinstance(value, str) or not value:
            # An empty variable is more often a mistake than a wish, and must not switch off, say, the tokens.
            raise ValueError("is empty" if value == "" else "is not a text in quotes")
        if not value.isprintable():
            raise ValueError("has characters that cannot be printed")
        return value

    def to_toml(self, raw: str) -> str:
        """See Kind."""
        return json.dumps(raw, ensure_ascii=False)  # of printable characters, JSON's strings are TOML's

    def convert(self, raw: str) -> Any:  # noqa: ANN401
        """See Kind."""
        return raw

    def check(self, converted: Any) -> None:  # noqa: ANN401
        """See Kind."""
        if self.choices and converted not in self.choices:
            raise ValueError(f"is none of {', '.join(self.choices)}")


@dataclass(frozen=True)
class FilePath(Text):
    """A file or directory. One in a file of settings is relative to that file's directory; "-" is no path."""

    def within(self, directory: Path, raw: str) -> str:
        """What `raw` means in a file in `directory`."""
        return raw if raw == "-" else str(directory.absolute() / raw)

    def convert(self, raw: str) -> Path:
        """See Kind."""
        return Path(raw)


@dataclass(frozen=True)
class Address(Text):
    """HOST:PORT."""

    metavar: str = "HOST:PORT"

    def convert(self, raw: str) -> tuple[str, int]:
        """See Kind."""
        return split_address(raw)

    def check(self, converted: tuple[str, int] | None) -> None:
        """See Kind."""
        if converted is not None and not 0 <= converted[1] <= 65535:
            raise ValueError(f"has port {converted[1]}, which is not in 0 .. 65535")


@dataclass(frozen=True)
class Names:
    """Names: with commas between as an option or variable, an array of strings in a file."""

    metavar: str = "NAMES"

    def from_text(self, text: str) -> tuple[str, ...]:
        """See Kind."""
        return self.from_toml([name.strip() for name in text.split(",")])

    def from_toml(self, value: object) -> tuple[str, ...]:
        """See Kind."""
        if not isinstance(value, list | tuple) or not all(isinstance(name, str) and name for name in value):
            raise ValueError("is not a list of names")
        if not all(name.isprintable() for name in value):
            raise ValueError("has characters that cannot be printed")
        return tuple(value)

    def to_toml(self, raw: tuple[str, ...]) -> str:
        """See Kind."""
        return "[" + ", ".join(json.dumps(name, ensure_ascii=False) for name in raw) + "]"

    def convert(self, raw: tuple[str, ...]) -> tuple[str, ...]:
        """See Kind."""
        return tuple(raw)

    def check(self, converted: tuple[str, ...]) -> None:
        """See Kind."""
