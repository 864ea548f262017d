"""DirectoryModelStore: artifacts in a directory, each verified, compiled, ready, and read again when they change."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cryptable_protocol import ClientSpec, MalformedMessageError, ModelArtifact, limits
from cryptable_protocol.findings import installed_version
from cryptable_protocol.model.bulk_spec import BulkSpec
from cryptable_protocol.schemes.scheme import BATCH_FILE, PACKED_FILE, Keyset, read_batch

from cryptable_server.errors import (
    ArtifactRefusedError,
    ModelBusyError,
    ModelNotFoundError,
    ModelNotLoadableError,
    ModelsError,
)
from cryptable_server.logs import log
from cryptable_server.models.entry import ModelEntry, Refusal, State
from cryptable_server.models.folder import SUFFIX, FolderState, ModelFolder
from cryptable_server.models.preparations import Preparations
from cryptable_server.models.programs import ProgramDirectory
from cryptable_server.models.settings import FILE, ModelSettings
from cryptable_server.models.store import LATEST, Catalogue, Model
from cryptable_server.processes.entry_points import ENTRY_POINTS, EntryPoints
from cryptable_server.settings.config import ServerConfig

_LOGGER = logging.getLogger(__name__)
_GRACE_SECONDS = 30.0
"""Beyond the compiler's own limit, for all else of a preparation."""
_ENVELOPE_BYTES = 1 << 10
"""More than all of an InferResponse but the words of its result."""


class DirectoryModelStore:
    """A ModelStore of the artifacts in `config.models`."""

    def __init__(self, config: ServerConfig, entry_points: EntryPoints = ENTRY_POINTS) -> None:
        """Prepare every artifact. A bad one is logged and left out.

        Raises:
            ModelsError: two artifacts of one name and version, no artifact, or none that can be served.
            ConfigurationError: the directory of compiled programs cannot be used.
        """
        self._config = config
        self._command = entry_points.preparation
        self._mutex = threading.Lock()
        self._users: Counter[str] = Counter()
        """Calls that use a program."""
        self._preparations = Preparations()
        self._catalogue = Catalogue(())
        self._by_file: dict[Path, Model] = {}
        self._settings: dict[str, ModelSettings] = {}
        self._refusals: dict[Path, Refusal] = {}
        self._unloaded: set[tuple[str, str]] = set()
        """Names and versions that an operator has taken out."""
        self._reloading = threading.Lock()
        self._folder = ModelFolder(config.models)
        self._state: FolderState = frozenset()
        self._seen = self._state
        self._programs = ProgramDirectory(config.programs, leftover_seconds=config.compile_seconds + _GRACE_SECONDS)
        try:
            self.reload()
        except BaseException:
            self.close()
            raise

    def get(self, name: str, version: str = LATEST) -> Model:
        """See ModelStore."""
        return self._catalogue.get(name, version)

    @contextmanager
    def use(self, name: str, spec_digest: bytes) -> Iterator[Model]:
        """See ModelStore."""
        with self._mutex:
            model = self._catalogue.of_spec(name, spec_digest)
            most = model.limits.max_streams
            if most is not None and self._users[model.program] >= most:
                raise ModelBusyError(
                    f"{most} streams use model {name!r}, version {model.version}, as many as its operator allows; "
                    "try again later"
                )
            self._users[model.program] += 1
        try:
            yield model
        finally:
            with self._mutex:
                self._users[model.program] -= 1
                if not self._users[model.program]:
                    del self._users[model.program]

    def models(self) -> tuple[Model, ...]:
        """See ModelStore."""
        return self._catalogue.models

    def keyset(self, name: bytes) -> Keyset | None:
        """See ModelStore."""
        return self._catalogue.keysets.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the models, each once."""
        return tuple(dict.fromkeys(model.name for model in self.models()))

    def entries(self) -> tuple[ModelEntry, ...]:
        """Every version in the directory, by file, served or not."""
        with self._mutex:
            catalogue, refusals = self._catalogue, dict(self._refusals)
            served = {model.program: model for model in catalogue.models}
            found = [
                self._entry(path, model, served.get(model.program), refusals.pop(path, None))
                for path, model in sorted(self._by_file.items())
            ]
        return (*found, *(refusal.entry(path) for path, refusal in sorted(refusals.items())))

    def unload(self, name: str, version: str) -> None:
        """Serve a version, or all for "", no more, until it is loaded, or the server starts again.

        Raises:
            ModelNotFoundError: there is none.
        """
        with self._mutex:
            self._unloaded |= {(model.name, model.version) for model in self._versions_here(name, version)}
            self._publish()

    def load(self, name: str, version: str) -> None:
        """Serve a version again, or all for "".

        Raises:
            ModelNotFoundError: there is none.
            ModelNotLoadableError: the file of model settings withdraws it, or its artifact was refused.
        """
        with self._mutex:
            for path, refusal in self._refusals.items():
                if path not in self._by_file and (refusal.name, refusal.version) == (name, version):
                    raise ModelNotLoadableError(
                        f"model {name!r}, version {version}, cannot be served: {refusal.reason}"
                    )
            models = self._versions_here(name, version)
            withdrawn = self._settings.get(name, ModelSettings()).withdrawn
            if version and version in withdrawn:
                raise ModelNotLoadableError(f"{FILE} withdraws model {name!r}, version {version}; change it and reload")
            self._unloaded -= {(model.name, model.version) for model in models}
            self._publish()

    def programs(self) -> tuple[str, ...]:
        """Programs of the models, and of those that were removed while a call used them."""
        with self._mutex:
            served = (program for model in self._catalogue.models for program in model.programs)
            return tuple(dict.fromkeys([*served, *self._users]))

    def settled_change(self) -> bool:
        """Whether the directory holds other files than when it was read last, and the same as when this was last asked.

        A file that is being copied is not read in the midst. One that hung, and hangs no more, counts as a change.
        """
        seen, self._seen = self._seen, self._folder.state()
        return self._folder.is_to_be_read_again() or self._seen == seen != self._state

    def reload(self) -> None:
        """Read the directory again. A file that went bad leaves the model that it held as it is.

        Raises:
            ModelsError: as at the start; what was served goes on being served.
        """
        with self._reloading:
            self._reload()

    def _reload(self) -> None:
        self._state = self._folder.state()
        settings = self._folder.settings()
        files = self._folder.files()
        if not files:
            raise ModelsError(f"--models {self._config.models}: no *{SUFFIX} file; save one with CompiledModel.save()")
        refusals: dict[Path, Refusal] = {}
        artifacts: dict[Path, ModelArtifact] = {}
        for path, found in self._folder.artifacts(files).items():
            if isinstance(found, Refusal):
                self._refuse(refusals, path, found)
            else:
                artifacts[path] = found
        _refuse_duplicates(artifacts)
        known = {model.artifact_digest: model for model in self._by_file.values()}

        def ready(path: Path) -> Model | None:
            artifact = artifacts.get(path)
            if artifact is None:
                return None
            return known.get(artifact.digest) or self._try_to_prepare(path, artifact, refusals)

        # Its threads wait for child processes alone, which have a limit of their own: they do not hang.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            prepared = pool.map(ready, files)
            try:
                by_file = {path: model or self._by_file.get(path) for path, model in zip(files, prepared, strict=True)}
            except BaseException:
                self._preparations.stop()
                raise
        models = {path: model for path, model in by_file.items() if model is not None}
        if not models:
            raise ModelsError(
                f"--models {self._config.models}: none of {len(files)} artifacts can be served; the log says why"
            )
        with self._mutex:
            self._by_file, self._settings, self._refusals = models, settings, refusals
            self._publish()
        _log_settings_of_nothing(settings, models.values())

    def clean(self) -> None:
        """Remove programs that were served, belong to no model any more, and are used by no call or other server."""
        with self._mutex:
            needed = {*(program for model in self._by_file.values() for program in model.programs), *self._users}
        self._programs.clean(needed)

    def stop(self) -> None:
        """End preparations."""
        self._preparations.stop()

    def close(self) -> None:
        """End preparations, and let go of programs."""
        self.stop()
        self._programs.close()

    def _refuse(self, refusals: dict[Path, Refusal], path: Path, refusal: Refusal) -> None:
        refusals[path] = refusal
        if self._refusals.get(path) != refusal:  # else it has been told
            log(_LOGGER, logging.ERROR, "artifact refused", file=path.name, reason=refusal.reason)

    def _publish(self) -> None:
        def offered(model: Model) -> bool:
            withdrawn = self._settings.get(model.name, ModelSettings()).withdrawn
            return model.version not in withdrawn and (model.name, model.version) not in self._unloaded

        self._catalogue = Catalogue(filter(offered, self._by_file.values()), self._settings)

    def _versions_here(self, name: str, version: str) -> list[Model]:
        of_name = [model for model in self._by_file.values() if model.name == name]
        found = [model for model in of_name if version in ("", model.version)]
        if not found:
            versions = ", ".join(model.version for model in of_name) or "none"
            raise ModelNotFoundError(f"there is no model {name!r} of version {version!r}; versions of it: {versions}")
        return found

    def _entry(self, path: Path, model: Model, served: Model | None, refusal: Refusal | None) -> ModelEntry:
        said = self._settings.get(model.name, ModelSettings())
        if served is not None:
            state = State.SERVED
        else:
            state = State.WITHDRAWN if model.version in said.withdrawn else State.UNLOADED
        return ModelEntry(
            file=path.name,
            name=model.name,
            version=model.version,
            state=state,
            reason="" if refusal is None else refusal.reason,
            aliases=() if served is None else self._catalogue.aliases_of(served),
            model=model,
            limits=said.limits,
            streams=self._users.get(model.program, 0),
        )

    def _try_to_prepare(self, path: Path, artifact: ModelArtifact, refusals: dict[Path, Refusal]) -> Model | None:
        try:
            model = self._prepare(path, artifact)
        except ArtifactRefusedError as error:
            self._refuse(refusals, path, Refusal(str(error), artifact.model_name, artifact.model_version))
            return None
        facts = {"file": path.name, "version": model.version, "spec": model.spec.digest.hex()[:16]}
        log(_LOGGER, logging.INFO, "model ready", model=model.name, **facts)
        return model

    def _prepare(self, path: Path, artifact: ModelArtifact) -> Model:
        config, spec = self._config, artifact.client_spec
        size = spec.parameters.answer_bytes + _ENVELOPE_BYTES
        if size > limits.MAX_MESSAGE_BYTES:
            raise ArtifactRefusedError(f"a result has {size} bytes, a message at most {limits.MAX_MESSAGE_BYTES}")
        memory, budget = spec.parameters.key_memory_bytes, config.workers.key_memory_bytes
        if memory > budget:
            raise ArtifactRefusedError(
                f"a client's evaluation keys take about {memory} bytes in memory, a worker has {budget}; raise "
                "--key-memory"
            )
        # Native code is bound to the engine that made it.
        engine = "-".join(installed_version(name) or "none" for name in ("cryptable-engine", "concrete-python"))
        program = config.programs / f"{artifact.digest.hex()}-{engine}"
        in_bulk = [f"bulk={config.workers.memory_bytes or 0}"] if config.bulk else []
        command = [*self._command, str(path), artifact.digest.hex(), str(program)]
        command += [str(os.getpid()), str(config.compile_seconds), *in_bulk]
        told = self._preparations.run(command, config.compile_seconds + _GRACE_SECONDS)
        bulk = BulkSpec.from_bytes(bytes.fromhex(str(told["bulk"])), spec) if told.get("bulk") else None
        if bulk is not None and bulk.parameters.key_memory_bytes > budget:
            bulk = None
        model = Model(
            artifact.model_version,
            spec,
            str(program),
            artifact.digest,
            artifact.signature,
            batch=_batch(program / BATCH_FILE, spec),
            packed=_batch(program / PACKED_FILE, spec),
            bulk=bulk,
        )
        for each in model.programs:
            self._programs.hold(each)
        return model


def _batch(file: Path, spec: ClientSpec) -> bytes:
    """A BatchSpec of a program; empty where its rows travel alone, or their answers would not fit a message."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return b""
    try:
        batch = read_batch(spec.parameters, data)
    except MalformedMessageError as error:
        log(_LOGGER, logging.WARNING, "rows travel alone", model=spec.model_name, reason=str(error))
        return b""
    fits = batch.of(batch.most_rows).answer_bytes + _ENVELOPE_BYTES <= limits.MAX_MESSAGE_BYTES
    return data if fits else b""


def _refuse_duplicates(artifacts: Mapping[Path, ModelArtifact]) -> None:
    first: dict[tuple[str, str], Path] = {}
    for path, artifact in artifacts.items():
        other = first.setdefault((artifact.model_name, artifact.model_version), path)
        if other != path:
            raise ModelsError(
                f"two artifacts are named {artifact.model_name!r}: {other.name} and {path.name}, both of version "
                f"{artifact.model_version!r}; remove one, or compile it under another name or version"
            )


def _log_settings_of_nothing(settings: Mapping[str, ModelSettings], models: Iterable[Model]) -> None:
    versions = {(model.name, model.version) for model in models}
    for name, said in settings.items():
        missing = {alias: version for alias, version in said.aliases.items() if (name, version) not in versions}
        if missing:
            log(_LOGGER, logging.WARNING, "aliases of versions that are not here", model=name, aliases=missing)
