"""DirectoryModelStore: artifacts in a directory, each verified, compiled, ready, and read again when they change."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from cryptable_protocol import CryptableError, KeysetParameters, ModelArtifact, limits

from cryptable_server.config import ServerConfig
from cryptable_server.errors import ArtifactRefusedError, ConfigurationError, ModelsError
from cryptable_server.logs import log
from cryptable_server.model_store import LATEST, Catalogue, Model, expanded_keys_bytes, result_bytes
from cryptable_server.preparations import Preparations

_LOGGER = logging.getLogger(__name__)
SUFFIX = ".cryptable"
_GRACE_SECONDS = 30.0
"""Beyond the compiler's own limit, for all else of a preparation."""
_ENVELOPE_BYTES = 1 << 10
"""More than all of an InferResponse but the words of its result."""

State = frozenset[tuple[str, int, int, int]]
"""Name, inode, time of modification and size of each artifact."""


class DirectoryModelStore:
    """A ModelStore of the artifacts in `config.models`."""

    def __init__(self, config: ServerConfig) -> None:
        """Prepare every artifact. A bad one is logged and left out.

        Raises:
            ModelsError: two artifacts of one name and version, no artifact, or none that can be served.
            ConfigurationError: the directory of compiled programs cannot be used.
        """
        self._config = config
        self._mutex = threading.Lock()
        self._users: Counter[str] = Counter()
        """Calls that use a program."""
        self._held: dict[str, int] = {}
        """Programs and a locked descriptor of each, by which other servers know that it is used."""
        self._preparations = Preparations()
        self._catalogue = Catalogue(())
        self._by_file: dict[Path, Model] = {}
        self._state: State = frozenset()
        self._seen = self._state
        _clean_programs(config.programs, config.compile_seconds + _GRACE_SECONDS)
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

    def keyset(self, name: bytes) -> KeysetParameters | None:
        """See ModelStore."""
        return self._catalogue.keysets.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the models, each once."""
        return tuple(dict.fromkeys(model.name for model in self.models()))

    def programs(self) -> tuple[str, ...]:
        """Programs of the models, and of those that were removed while a call used them."""
        with self._mutex:
            return tuple(dict.fromkeys([*(model.program for model in self._catalogue.models), *self._users]))

    def settled_change(self) -> bool:
        """Whether the directory holds other files than when it was read last, and the same as when this was last asked.

        A file that is being copied is not read in the midst.
        """
        seen, self._seen = self._seen, _state(self._config.models)
        return self._seen == seen != self._state

    def reload(self) -> None:
        """Read the directory again. A file that went bad leaves the model that it held as it is.

        Raises:
            ModelsError: as at the start; what was served goes on being served.
        """
        state, files = _state(self._config.models), sorted(self._config.models.glob(f"*{SUFFIX}"))
        self._state = state
        if not files:
            raise ModelsError(f"--models {self._config.models}: no *{SUFFIX} file; save one with CompiledModel.save()")
        artifacts = dict(_read(files))
        _refuse_duplicates(artifacts)
        known = {model.artifact_digest: model for model in self._by_file.values()}

        def ready(path: Path) -> Model | None:
            artifact = artifacts.get(path)
            if artifact is None:
                return None
            return known.get(artifact.digest) or self._try_to_prepare(path, artifact)

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
            self._by_file, self._catalogue = models, Catalogue(models.values())

    def clean(self) -> None:
        """Remove programs that were served, belong to no model any more, and are used by no call or other server."""
        for program in set(self._held) - set(self.programs()):
            descriptor = self._held.pop(program)
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(program)
                log(_LOGGER, logging.INFO, "program removed", program=Path(program).name[:16])
            os.close(descriptor)

    def stop(self) -> None:
        """End preparations."""
        self._preparations.stop()

    def close(self) -> None:
        """End preparations, and let go of programs."""
        self.stop()
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()

    def _try_to_prepare(self, path: Path, artifact: ModelArtifact) -> Model | None:
        try:
            model = self._prepare(path, artifact)
        except ArtifactRefusedError as error:
            _log_refusal(path, str(error))
            return None
        facts = {"file": path.name, "version": model.version, "spec": model.spec.digest.hex()[:16]}
        log(_LOGGER, logging.INFO, "model ready", model=model.name, **facts)
        return model

    def _prepare(self, path: Path, artifact: ModelArtifact) -> Model:
        config, spec = self._config, artifact.client_spec
        size = result_bytes(spec) + _ENVELOPE_BYTES
        if size > limits.MAX_MESSAGE_BYTES:
            raise ArtifactRefusedError(f"a result has {size} bytes, a message at most {limits.MAX_MESSAGE_BYTES}")
        memory, budget = expanded_keys_bytes(spec.keyset), config.workers.key_memory_bytes
        if memory > budget:
            raise ArtifactRefusedError(
                f"a client's evaluation keys take about {memory} bytes in memory, a worker has {budget}; raise "
                "--key-memory"
            )
        # Native code is bound to the engine that made it.
        engine = "-".join(version(name) for name in ("cryptable-engine", "concrete-python"))
        program = config.programs / f"{artifact.digest.hex()}-{engine}"
        command = [sys.executable, "-m", "cryptable_server.preparation", str(path), artifact.digest.hex(), str(program)]
        command += [str(os.getpid()), str(config.compile_seconds)]
        self._preparations.run(command, config.compile_seconds + _GRACE_SECONDS)
        self._hold(str(program))
        return Model(artifact.model_version, spec, str(program), artifact.digest, artifact.signature)

    def _hold(self, program: str) -> None:
        try:
            descriptor = os.open(program, os.O_RDONLY)
        except OSError as error:
            raise ArtifactRefusedError(f"its program is gone ({error.strerror}); try again") from error
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with self._mutex:
            earlier = self._held.pop(program, None)
            self._held[program] = descriptor
        if earlier is not None:
            os.close(earlier)


def _state(directory: Path) -> State:
    found = set()
    for path in directory.glob(f"*{SUFFIX}"):
        with suppress(OSError):
            status = path.stat()
            found.add((path.name, status.st_ino, status.st_mtime_ns, status.st_size))
    return frozenset(found)


def _read(files: Sequence[Path]) -> Iterator[tuple[Path, ModelArtifact]]:
    for path in files:
        try:
            yield path, ModelArtifact.load(path)
        except CryptableError as error:
            _log_refusal(path, str(error))
        except OSError as error:
            _log_refusal(path, error.strerror or str(error))


def _refuse_duplicates(artifacts: Mapping[Path, ModelArtifact]) -> None:
    first: dict[tuple[str, str], Path] = {}
    for path, artifact in artifacts.items():
        other = first.setdefault((artifact.model_name, artifact.model_version), path)
        if other != path:
            raise ModelsError(
                f"two artifacts are named {artifact.model_name!r}: {other.name} and {path.name}, both of version "
                f"{artifact.model_version!r}; remove one, or compile it under another name or version"
            )


def _clean_programs(directory: Path, seconds: float) -> None:
    """Make the directory of compiled programs, and remove what compilations left that ended `seconds` ago or more."""
    try:
        # Its content is native code that the workers run: nobody else may write there.
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in directory.glob(".*"):
            if leftover.stat().st_mtime < time.time() - seconds:
                shutil.rmtree(leftover)
    except OSError as error:
        raise ConfigurationError(f"the directory of compiled programs, {directory}: {error.strerror}") from error
    if directory.stat().st_mode & 0o022 or directory.stat().st_uid != os.getuid():
        raise ConfigurationError(
            f"the directory of compiled programs, {directory}, holds native code: only you may write to it (chmod 700)"
        )


def _log_refusal(path: Path, reason: str) -> None:
    log(_LOGGER, logging.ERROR, "artifact refused", file=path.name, reason=reason)
