"""Where settings come from: options, else the environment, else a file, else a default; and how they are printed."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptable_server import __version__
from cryptable_server.errors import ConfigurationError
from cryptable_server.settings.config import NESTED, ServerConfig, declared_settings
from cryptable_server.settings.declaration import ENVIRONMENT_PREFIX, Setting, SettingError
from cryptable_server.settings.kinds import FilePath

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE_VARIABLE = f"{ENVIRONMENT_PREFIX}CONFIG"
_KUBERNETES = re.compile(r"SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?")
"""What Kubernetes puts into the environment of every pod beside a service called cryptable-server, after our prefix."""


@dataclass(frozen=True)
class Value:
    """A raw value, and where it was set."""

    raw: Any
    origin: str
    rank: int
    """Sources of a higher rank go before those of a lower one."""


@dataclass(frozen=True)
class Loaded:
    """A configuration, and where each of its settings was set."""

    config: ServerConfig
    values: Mapping[str, Value]
    """By name of the setting, all of them; raw is None where it is not set."""

    def to_toml(self) -> str:
        """The effective configuration as a file of settings, each with its origin."""
        lines = [f"# cryptable-server {__version__}: the effective configuration. serve --config reads it back."]
        group = ""
        for _, declared in declared_settings():
            if declared.group != group:
                group = declared.group
                lines += ["", f"# {group}"]
            value = self.values[declared.name]
            if value.raw is None:
                lines.append(f"# {declared.name} is not set")
            else:
                lines.append(f"{declared.name} = {_shown(declared, value.raw)}  # {value.origin}")
        return "\n".join(lines) + "\n"


def load(options: Mapping[str, str], environment: Mapping[str, str], file: str | None = None) -> Loaded:
    """The configuration.

    Args:
        options: texts by a setting's name, as the command line gave them.
        environment: variables; those that begin with CRYPTABLE_SERVER_ are settings.
        file: of settings, as the command line named it.

    Raises:
        ConfigurationError: a value that cannot be, or an unknown name; the message says where it was set.
    """
    settings = {declared.name: declared for _, declared in declared_settings()}
    found: dict[str, Value] = {}
    file = file or environment.get(FILE_VARIABLE)
    if file is not None:
        found.update(_of_file(Path(file), settings))
    found.update(_of_environment(environment, settings))
    for name, text in options.items():
        found[name] = Value(_parse(settings[name], text, settings[name].option), settings[name].option, 3)
    _hide_lower_families(found, settings)
    values = _with_defaults(found, settings)
    return Loaded(_config(values), values)


def near_miss(name: str, known: Iterable[str]) -> str:
    """For the end of a message about an unknown name: which one of `known` may have been meant."""
    compared = {_plain(other): other for other in known}
    near = difflib.get_close_matches(_plain(name), list(compared), n=1, cutoff=0.6)
    return f"; did you mean {compared[near[0]]}?" if near else ""


def _of_file(path: Path, settings: Mapping[str, Setting]) -> dict[str, Value]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"file of settings {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigurationError(f"file of settings {path} is not TOML: {error}") from error
    found = {}
    for name, value in content.items():
        if name not in settings:
            raise ConfigurationError(f"{path}: there is no setting {name}{near_miss(name, settings)}")
        kind = settings[name].kind
        try:
            raw = kind.from_toml(value)
            if isinstance(kind, FilePath):
                raw = kind.within(path.parent, raw)
            kind.check(kind.convert(raw))
        except ValueError as error:
            raise ConfigurationError(f"{path}: {name} = {_printable(value)} {error}") from error
        found[name] = Value(raw, str(path), 1)
    return found


def _of_environment(environment: Mapping[str, str], settings: Mapping[str, Setting]) -> dict[str, Value]:
    variables = {declared.variable: declared for declared in settings.values()}
    found = {}
    for variable, text in environment.items():
        rest = variable.removeprefix(ENVIRONMENT_PREFIX)
        if variable in variables:
            declared = variables[variable]
            found[declared.name] = Value(_parse(declared, text, variable), variable, 2)
        elif rest != variable and variable != FILE_VARIABLE and not _KUBERNETES.fullmatch(rest):
            raise ConfigurationError(f"environment: {variable} is no setting{near_miss(variable, variables)}")
    return found


def _parse(declared: Setting, text: str, origin: str) -> Any:  # noqa: ANN401 - of the setting's kind
    kind = declared.kind
    try:
        raw = kind.from_text(text)
        kind.check(kind.convert(raw))
    except ValueError as error:
        joint = "=" if origin == declared.variable else " "
        raise ConfigurationError(f"{origin}{joint}{text} {error}") from error
    return raw


def _hide_lower_families(found: dict[str, Value], settings: Mapping[str, Setting]) -> None:
    # `--insecure=false` answers no question, so it hides no answer either.
    answers = {name: value for name, value in found.items() if settings[name].family and value.raw is not False}
    for name, value in answers.items():
        family = settings[name].family
        if any(other.rank > value.rank and settings[of].family == family for of, other in answers.items()):
            del found[name]


def _with_defaults(found: Mapping[str, Value], settings: Mapping[str, Setting]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, declared in settings.items():
        if name in found:
            values[name] = found[name]
        elif declared.required:
            raise ConfigurationError(
                f"{declared.option} is needed: {declared.help}. Give the option, set {declared.variable}, or write "
                f"{name} into the file of settings"
            )
        elif declared.derive is not None:
            raw = declared.derive({earlier: value.raw for earlier, value in values.items()})
            values[name] = Value(raw, f"default: {declared.default_text}", 0)
        else:
            values[name] = Value(declared.default, "default", 0)
    return values


def _config(values: Mapping[str, Value]) -> ServerConfig:
    parts: dict[str, dict[str, Any]] = {"": {}, **{name: {} for name in NESTED}}
    for path, declared in declared_settings():
        part, _, field = path.rpartition(".")
        raw = values[declared.name].raw
        parts[part][field] = None if raw is None else declared.kind.convert(raw)
    try:
        nested: dict[str, Any] = {name: made(**parts[name]) for name, made in NESTED.items()}
        return ServerConfig(**parts[""], **nested)
    except SettingError as error:
        origins = "; ".join(f"{name}: {values[name].origin}" for name in error.names)
        raise ConfigurationError(f"{error}\n(set by {origins})" if origins else str(error)) from error


def _shown(declared: Setting, raw: Any) -> str:  # noqa: ANN401
    if isinstance(declared.kind, FilePath):
        raw = declared.kind.within(Path(), raw)
    return declared.kind.to_toml(raw)


def _printable(value: object) -> str:
    return repr(value) if len(repr(value)) < 80 else f"(a {type(value).__name__})"


def _plain(name: str) -> str:
    return name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("_", "-").lstrip("-")
