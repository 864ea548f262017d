"""Settings: one declaration of each, from which its option, environment variable, key in a file, help and table come.

A setting is declared where its value lives, as a field of a dataclass. It has a *raw* value, in the unit that people
write (GiB, days), and a converted one, in the unit that the code computes with (bytes, seconds).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from cryptable_server.errors import ConfigurationError
from cryptable_server.settings.kinds import Kind

ENVIRONMENT_PREFIX = "CRYPTABLE_SERVER_"
_METADATA = "setting"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting."""

    name: str
    """Of the key in a file; the option has two dashes before it."""
    kind: Kind
    group: str
    help: str
    default: Any = None
    """Raw; None: not set."""
    default_text: str | None = None
    """In place of the default, where that is computed or needs words."""
    derive: Callable[[Mapping[str, Any]], Any] | None = None
    """The raw default, from the raw values of settings declared before."""
    required: bool = False
    family: str = ""
    """Of a family, those that one source sets hide those of sources below it: they are different answers to one
    question."""

    @property
    def option(self) -> str:
        """On the command line."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """In the environment."""
        return ENVIRONMENT_PREFIX + self.name.upper().replace("-", "_")

    @property
    def shown_default(self) -> str:
        """For help and documents."""
        if self.required:
            return "must be given"
        if self.default_text is not None:
            return self.default_text
        return "none" if self.default is None else self.kind.to_toml(self.default).strip('"')


def setting(name: str, kind: Kind, **about: Any) -> Any:  # noqa: ANN401 - it stands for a field of any type
    """A dataclass field that is a setting; `about` as in Setting. Without a default it is None, or required."""
    declared = Setting(name=name, kind=kind, **about)
    if declared.required or (declared.derive is not None and declared.default is None):
        return field(metadata={_METADATA: declared})
    default = None if declared.default is None else kind.convert(declared.default)
    return field(default=default, metadata={_METADATA: declared})


def settings_of(declared: type[Any], *, nested: Mapping[str, type[Any]]) -> Iterator[tuple[str, Setting]]:
    """Dotted names of fields and their settings, in order of declaration; `nested` are the dataclasses of fields."""
    for entry in fields(declared):
        if entry.name in nested:
            yield from ((f"{entry.name}.{name}", each) for name, each in settings_of(nested[entry.name], nested={}))
        elif (found := _setting_of(entry)) is not None:
            yield entry.name, found


def check_fields(instance: Any) -> None:  # noqa: ANN401 - any dataclass with settings
    """Refuse a dataclass whose fields hold what their settings cannot; raises SettingError."""
    for entry in fields(instance):
        found, value = _setting_of(entry), getattr(instance, entry.name)
        if found is None or (value is None and entry.default is None):
            continue
        try:
            found.kind.check(value)
        except ValueError as error:
            raise SettingError(f"{found.option} {error}", found.name) from None


class SettingError(ConfigurationError):
    """Values of settings that cannot be; `names` are theirs, for whoever knows where they were set."""

    def __init__(self, message: str, *names: str) -> None:
        super().__init__(message)
        self.names = names


def _setting_of(entry: Field[Any]) -> Setting | None:
    found: Setting | None = entry.metadata.get(_METADATA)
    return found
