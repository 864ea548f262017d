"""ModelSettings: what an operator says of models in the file models.toml beside them: aliases, limits, withdrawals."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from cryptable_server.errors import ModelsError
from cryptable_server.files.regular_files import read_regular
from cryptable_server.settings.kinds import Names, Number
from cryptable_server.settings.sources import near_miss

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "models.toml"
_MAX_FILE_BYTES = 16 << 20
_LIMIT = Number("N", whole=True, minimum=1)
_NAMES = Names()
_KEYS = ("aliases", "withdrawn", "max-rows", "max-streams", "queue")


@dataclass(frozen=True)
class ModelLimits:
    """What one model's callers may take of a server; None: what the server allows."""

    max_rows: int | None = None
    """Of one stream."""
    max_streams: int | None = None
    """Of one version, at once."""
    queue_rows: int | None = None
    """Waiting, of all versions together."""


NO_LIMITS = ModelLimits()


@dataclass(frozen=True)
class ModelSettings:
    """Of all versions of one model."""

    aliases: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Versions by another name."""
    withdrawn: frozenset[str] = frozenset()
    """Versions that are not served."""
    limits: ModelLimits = NO_LIMITS


def read_model_settings(directory: Path) -> dict[str, ModelSettings]:
    """Settings by the name of a model; those of no model are there too.

    Raises:
        ModelsError: the file is there and cannot be read, or says what cannot be.
    """
    path = directory / FILE
    try:
        content = tomllib.loads(read_regular(path, most=_MAX_FILE_BYTES)[0].decode())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ModelsError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ModelsError(f"{path} is not TOML: {error}") from error
    try:
        return {name: _settings(name, value) for name, value in content.items()}
    except ValueError as error:
        raise ModelsError(f"{path}: {error}") from error


def _settings(name: str, value: object) -> ModelSettings:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no table of a model's settings, as in [{name}]")
    for key in value:
        if key not in _KEYS:
            raise ValueError(f"[{name}] has no setting {key}{near_miss(key, _KEYS)}")
    limits = {key: _limit(f"[{name}] {key}", value[key]) for key in _KEYS[2:] if key in value}
    try:
        withdrawn = frozenset(_NAMES.from_toml(value.get("withdrawn", [])))
    except ValueError as error:
        raise ValueError(f'[{name}] withdrawn {error}, as in ["1.0", "1.1"]') from error
    aliases = value.get("aliases", {})
    if not isinstance(aliases, dict) or not all(isinstance(version, str) and version for version in aliases.values()):
        raise ValueError(f'[{name}] aliases are no versions by name, as in {{ stable = "1.0" }}')
    return ModelSettings(
        MappingProxyType(dict(aliases)),
        withdrawn,
        ModelLimits(
            max_rows=limits.get("max-rows"), max_streams=limits.get("max-streams"), queue_rows=limits.get("queue")
        ),
    )


def _limit(what: str, value: object) -> int:
    try:
        limit = int(_LIMIT.from_toml(value))
        _LIMIT.check(limit)
    except ValueError as error:
        raise ValueError(f"{what} = {value!r} {error}") from error
    return limit
