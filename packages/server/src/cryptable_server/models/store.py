"""The models that a server offers, by name and version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

from cryptable_protocol import ClientSpec, ModelSignature, limits
from cryptable_protocol.model.bulk_spec import BulkSpec
from cryptable_protocol.schemes.scheme import Batch, Keyset, read_batch

from cryptable_server.errors import ModelNotFoundError, SpecDiffersError
from cryptable_server.models.settings import NO_LIMITS, ModelLimits, ModelSettings
from cryptable_server.processes.entry_points import bulk_program

LATEST = "latest"


@dataclass(frozen=True)
class Model:
    """A model that is served."""

    version: str
    spec: ClientSpec
    program: str
    """Reference of the compiled program, for an Executor."""
    artifact_digest: bytes = b""
    signature: ModelSignature | None = None
    limits: ModelLimits = NO_LIMITS
    batch: bytes = b""
    """Canonical BatchSpec, where its rows travel together; else empty."""
    packed: bytes = b""
    """Likewise, the one whose answers are packed."""
    bulk: BulkSpec | None = None
    """Of rows in bulk, where they are evaluated too."""

    @cached_property
    def rows_together(self) -> Mapping[bytes, Batch]:
        """How they do, by digest."""
        ways = [read_batch(self.spec.parameters, data) for data in (self.batch, self.packed) if data]
        return {way.digest: way for way in ways}

    @property
    def bulk_program(self) -> str:
        """Where the program for rows in bulk is, if there is one."""
        return bulk_program(self.program)

    @cached_property
    def in_bulk(self) -> Model | None:
        """As calls for rows in bulk find it."""
        if self.bulk is None:
            return None
        return replace(self, spec=self.bulk.spec, program=self.bulk_program, bulk=None, batch=b"", packed=b"")

    @property
    def programs(self) -> tuple[str, ...]:
        """All of its programs."""
        return (self.program,) if self.bulk is None else (self.program, self.bulk_program)

    @property
    def name(self) -> str:
        """As callers name it."""
        return self.spec.model_name

    @property
    def needs_keys(self) -> bool:
        """Whether evaluation keys must be uploaded for it."""
        return self.spec.parameters.keyset.evaluation_keys_bytes > 0

    @cached_property
    def key_memory_bytes(self) -> int:
        """Estimate of what a client's evaluation keys take in a worker."""
        return self.spec.parameters.key_memory_bytes


class ModelStore(Protocol):
    """Which models are served. Safe to use from several threads."""

    def get(self, name: str, version: str = LATEST) -> Model:
        """The model called `name`, of a version, an alias or the latest; ModelNotFoundError where there is none."""

    def use(self, name: str, spec_digest: bytes) -> AbstractContextManager[Model]:
        """The latest model called `name` of that client specification, which stays as it is while the block lasts.

        Raises:
            ModelNotFoundError: there is no model of that name.
            SpecDiffersError: none of its versions has that client specification.
            ModelBusyError: as many blocks use it as its limits allow.
        """

    def models(self) -> tuple[Model, ...]:
        """All models, sorted by name, and the latest version of each first."""

    def keyset(self, name: bytes) -> Keyset | None:
        """The keyset of that name, if a model uses it."""


class Catalogue:
    """Models by name and version; never changes."""

    def __init__(self, models: Iterable[Model], settings: Mapping[str, ModelSettings] = MappingProxyType({})) -> None:
        """Order models, each under the settings of its name."""
        self._aliases: dict[str, dict[str, str]] = {}
        self._versions: dict[str, list[Model]] = {}
        for model in sorted(models, key=lambda model: model.name):
            said = settings.get(model.name, ModelSettings())
            self._aliases[model.name] = dict(said.aliases)
            self._versions.setdefault(model.name, []).append(replace(model, limits=said.limits))
        for name, versions in self._versions.items():
            latest = self._aliases[name].get(LATEST)
            versions.sort(key=lambda model: (model.version == latest, version_order(model.version)), reverse=True)
        self.models = tuple(model for versions in self._versions.values() for model in versions)
        ways = (way for model in self.models for way in (model, model.in_bulk) if way is not None)
        keysets = (way.spec.parameters.keyset for way in ways)
        self.keysets = {keyset.name: keyset for keyset in keysets}

    def get(self, name: str, version: str = LATEST) -> Model:
        """See ModelStore."""
        versions, aliases = self._of(name), self._aliases[name]
        found = self._find(name, version or LATEST)
        if found is not None:
            return found
        if version in ("", LATEST) or version in aliases:
            wanted = aliases[version or LATEST]
            raise ModelNotFoundError(
                f"model {name!r}: {version or LATEST!r} stands for version {wanted!r}, which is not served"
            )
        raise ModelNotFoundError(
            f"model {name!r} has no version {version[: limits.MAX_NAME_LENGTH]!r}; this server has: "
            + ", ".join([*(model.version for model in versions[:20]), *list(aliases)[:20]])
        )

    def aliases_of(self, model: Model) -> tuple[str, ...]:
        """Other names of a version."""
        names = dict.fromkeys((LATEST, *self._aliases[model.name]))
        return tuple(name for name in names if self._find(model.name, name) is model)

    def _find(self, name: str, version: str) -> Model | None:
        versions, aliases = self._versions[name], self._aliases[name]
        by_version = {model.version: model for model in versions}
        if version == LATEST and LATEST not in aliases:
            return by_version.get(version, versions[0])
        return by_version.get(version) or by_version.get(aliases.get(version, ""))

    def of_spec(self, name: str, digest: bytes) -> Model:
        """See ModelStore.use."""
        versions = self._of(name)
        for model in versions:
            if model.spec.digest == digest:
                return model
            if model.in_bulk is not None and model.in_bulk.spec.digest == digest:
                return model.in_bulk
        raise SpecDiffersError(
            f"the rows are encoded with client spec {digest.hex()[:16]}…, model {name!r} now has "
            f"{versions[0].spec.digest.hex()[:16]}…; fetch it with GetModel and encode again"
        )

    def _of(self, name: str) -> list[Model]:
        try:
            return self._versions[name]
        except KeyError:
            served = ", ".join(list(self._versions)[:20])
            raise ModelNotFoundError(
                f"no model {name[: limits.MAX_NAME_LENGTH]!r}; this server has: {served}"
            ) from None


def version_order(version: str) -> list[tuple[int, int, str]]:
    """A key by which versions sort: numbers in them by value, so that 1.10 is later than 1.9."""
    parts = re.findall(r"[0-9]+|[^0-9]+", version)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
