"""The models that a server offers: artifacts in a directory, each verified, compiled and ready to be evaluated."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from cryptable_protocol import ClientSpec, CryptableError, KeysetParameters, ModelArtifact, ModelSignature, limits
from cryptable_protocol.trimming import answer_word_bits

from cryptable_server.config import ServerConfig
from cryptable_server.errors import ArtifactRefusedError, ConfigurationError, ModelNotFoundError, ModelsError
from cryptable_server.logs import log

_LOGGER = logging.getLogger(__name__)
SUFFIX = ".cryptable"
_WORD_BYTES = 8
_END_SECONDS = 10.0
_GRACE_SECONDS = 30.0
"""Beyond the compiler's own limit, for all else of a preparation."""
_ENVELOPE_BYTES = 1 << 10
"""More than all of an InferResponse but the words of its result."""


@dataclass(frozen=True)
class Model:
    """A model that is served."""

    version: str
    spec: ClientSpec
    program: str
    """Reference of the compiled program, for an Executor."""
    artifact_digest: bytes = b""
    signature: ModelSignature | None = None

    @property
    def name(self) -> str:
        """As callers name it."""
        return self.spec.model_name

    @property
    def needs_keys(self) -> bool:
        """Whether evaluation keys must be uploaded for it."""
        return self.spec.keyset.evaluation_keys_bytes > 0

    @cached_property
    def result_bytes(self) -> int:
        """Words of a result, in bytes: masks and bodies, each packed by itself."""
        dimension = self.spec.keyset.dimensions[self.spec.output.key]
        size, bits = self.spec.output.size, self.word_bits
        return sum((words * bits + 7) // 8 for words in (size * dimension, size))

    @cached_property
    def word_bits(self) -> int:
        """Bits of a result's word (protos/SPEC.md, "EncryptedTensor")."""
        output = self.spec.output
        return answer_word_bits(output.width, self.spec.keyset.dimensions[output.key], self.spec.p_error)

    @cached_property
    def key_memory_bytes(self) -> int:
        """Estimate of what a client's evaluation keys take in a worker."""
        return expanded_keys_bytes(self.spec.keyset)


class ModelStore(Protocol):
    """Which models are served. Safe to use from several threads."""

    def get(self, name: str) -> Model:
        """The model called `name`; ModelNotFoundError where there is none."""

    def models(self) -> tuple[Model, ...]:
        """All models, sorted by name."""

    def keyset(self, name: bytes) -> KeysetParameters | None:
        """The keyset of that name, if a model uses it."""


class FixedModelStore:
    """A ModelStore of models that do not change."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = dict(sorted(models.items()))
        self._keysets = {model.spec.keyset.name: model.spec.keyset for model in self._models.values()}

    def get(self, name: str) -> Model:
        """See ModelStore."""
        try:
            return self._models[name]
        except KeyError:
            served = ", ".join(list(self._models)[:20])
            raise ModelNotFoundError(
                f"no model {name[: limits.MAX_NAME_LENGTH]!r}; this server has: {served}"
            ) from None

    def models(self) -> tuple[Model, ...]:
        """See ModelStore."""
        return tuple(self._models.values())

    def keyset(self, name: bytes) -> KeysetParameters | None:
        """See ModelStore."""
        return self._keysets.get(name)


def load_models(config: ServerConfig) -> FixedModelStore:
    """Prepare every artifact in `config.models`. A bad one is logged and left out.

    Raises:
        ModelsError: two artifacts of one name, no artifact, or none that can be served.
        ConfigurationError: the directory of compiled programs cannot be used.
    """
    files = sorted(config.models.glob(f"*{SUFFIX}"))
    if not files:
        raise ModelsError(f"--models {config.models}: no *{SUFFIX} file; save one with CompiledModel.save()")
    artifacts = dict(_read(files))
    _refuse_duplicates(artifacts)
    _clean_programs(config.programs, config.compile_seconds + _GRACE_SECONDS)
    preparations = _Preparations()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        prepared = pool.map(lambda path: _try_to_prepare(path, artifacts[path], config, preparations), artifacts)
        try:
            models = {model.name: model for model in prepared if model is not None}
        except BaseException:
            preparations.stop()
            raise
    if not models:
        raise ModelsError(f"--models {config.models}: none of {len(files)} artifacts can be served; the log says why")
    return FixedModelStore(models)


def result_bytes(spec: ClientSpec) -> int:
    """Bytes of a result's words before they are trimmed: output size x (LWE dimension + 1) words."""
    return spec.output.size * (spec.keyset.dimensions[spec.output.key] + 1) * _WORD_BYTES


def expanded_keys_bytes(keyset: KeysetParameters) -> int:
    """Estimate of the memory of a client's keys in a worker, which measurement agrees with.

    Concrete keeps the seeded keys, the bootstrap keys with their masks in the Fourier domain, and the keyswitch keys
    with their masks.
    """
    bootstrap = sum(
        keyset.bootstrap_key_rows(key) * (key.glwe_dimension + 1) * key.polynomial_size for key in keyset.bootstrap_keys
    )
    keyswitch = sum(
        keyset.keyswitch_key_rows(key) * (keyset.dimensions[key.output_key] + 1) for key in keyset.keyswitch_keys
    )
    return keyset.evaluation_keys_bytes + (bootstrap + keyswitch) * _WORD_BYTES


def _read(files: list[Path]) -> Iterator[tuple[Path, ModelArtifact]]:
    for path in files:
        try:
            yield path, ModelArtifact.load(path)
        except CryptableError as error:
            _log_refusal(path, str(error))
        except OSError as error:
            _log_refusal(path, error.strerror or str(error))


def _refuse_duplicates(artifacts: Mapping[Path, ModelArtifact]) -> None:
    first: dict[str, Path] = {}
    for path, artifact in artifacts.items():
        other = first.setdefault(artifact.model_name, path)
        if other != path:
            raise ModelsError(
                f"two artifacts are named {artifact.model_name!r}: {other.name} and {path.name}; remove one, or "
                "compile it under another name"
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


def _try_to_prepare(
    path: Path, artifact: ModelArtifact, config: ServerConfig, preparations: _Preparations
) -> Model | None:
    try:
        model = _prepare(path, artifact, config, preparations)
    except ArtifactRefusedError as error:
        _log_refusal(path, str(error))
        return None
    facts = {"file": path.name, "version": model.version, "spec": model.spec.digest.hex()[:16]}
    log(_LOGGER, logging.INFO, "model ready", model=model.name, **facts)
    return model


def _prepare(path: Path, artifact: ModelArtifact, config: ServerConfig, preparations: _Preparations) -> Model:
    spec = artifact.client_spec
    size = result_bytes(spec) + _ENVELOPE_BYTES
    if size > limits.MAX_MESSAGE_BYTES:
        raise ArtifactRefusedError(f"a result has {size} bytes, a message at most {limits.MAX_MESSAGE_BYTES}")
    memory, budget = expanded_keys_bytes(spec.keyset), config.workers.key_memory_bytes
    if memory > budget:
        raise ArtifactRefusedError(
            f"a client's evaluation keys take about {memory} bytes in memory, a worker has {budget}; raise --key-memory"
        )
    # Native code is bound to the engine that made it.
    engine = "-".join(version(name) for name in ("cryptable-engine", "concrete-python"))
    directory = config.programs / f"{artifact.digest.hex()}-{engine}"
    command = [sys.executable, "-m", "cryptable_server.preparation", str(path), artifact.digest.hex(), str(directory)]
    command += [str(os.getpid()), str(config.compile_seconds)]
    preparations.run(command, config.compile_seconds + _GRACE_SECONDS)
    return Model(artifact.model_version, spec, str(directory), artifact.digest, artifact.signature)


class _Preparations:
    """The child processes that prepare artifacts."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, command: list[str], seconds: float) -> None:
        """Run one; raises ArtifactRefusedError where it does not end well."""
        with self._mutex:
            if self._stopped:
                raise ArtifactRefusedError("the server is being stopped")
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
            self._children.add(child)
        try:
            output, _ = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise ArtifactRefusedError(f"its preparation takes longer than {seconds:g} s") from error
        finally:
            _end(child)
            with self._mutex:
                self._children.discard(child)
        try:
            outcome = json.loads(output)
        except ValueError:
            raise ArtifactRefusedError(
                f"its preparation ended with status {child.returncode}; the log above may say why"
            ) from None
        if "refused" in outcome:
            raise ArtifactRefusedError(str(outcome["refused"]))

    def stop(self) -> None:
        """End those that run, and start no other."""
        with self._mutex:
            self._stopped = True
            for child in self._children:
                child.terminate()


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.communicate(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()


def _log_refusal(path: Path, reason: str) -> None:
    log(_LOGGER, logging.ERROR, "artifact refused", file=path.name, reason=reason)
