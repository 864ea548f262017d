"""ModelArtifact: a compiled model in one file."""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import artifact_pb2 as pb
from cryptable_protocol.canonical import from_canonical_bytes, to_canonical_bytes
from cryptable_protocol.client_spec import ClientSpec
from cryptable_protocol.errors import InvalidInputError, LimitExceededError, MalformedMessageError

MAGIC = "cryptable-artifact"
FORMAT_VERSION = 1
SECURITY_BITS = 128


@dataclass(frozen=True)
class Provenance:
    """Where a model came from: for people to read, never interpreted."""

    estimator: str
    packages: tuple[str, ...]
    created: str


@dataclass(frozen=True)
class CompileOptions:
    """What the circuit was compiled for."""

    p_error: float = 2.0**-40
    security_bits: int = SECURITY_BITS

    def __post_init__(self) -> None:
        if not math.isfinite(self.p_error) or not 0.0 < self.p_error <= 2.0**-40:
            raise InvalidInputError(f"p_error {self.p_error} is not in (0, 2^-40]")
        if self.security_bits != SECURITY_BITS:
            raise InvalidInputError(f"security_bits {self.security_bits} is not supported, only {SECURITY_BITS}")


@dataclass(frozen=True)
class ModelArtifact:
    """A client specification and the circuit that computes it.

    `circuit` is the canonical bytes of a Circuit message: only an engine, which has the verifier, may read it.
    """

    model_version: str
    provenance: Provenance
    client_spec: ClientSpec
    circuit: bytes
    compile_options: CompileOptions

    @property
    def model_name(self) -> str:
        """Name under which a server offers the model."""
        return self.client_spec.model_name

    def _message(self) -> pb.ModelArtifact:
        return pb.ModelArtifact(
            model_name=self.model_name,
            model_version=self.model_version,
            provenance=pb.Provenance(
                estimator=self.provenance.estimator, packages=self.provenance.packages, created=self.provenance.created
            ),
            client_spec=self.client_spec.to_bytes(),
            circuit=self.circuit,
            compile_options=pb.CompileOptions(
                p_error=self.compile_options.p_error, security_bits=self.compile_options.security_bits
            ),
        )

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the canonical ModelArtifact."""
        return hashlib.sha256(to_canonical_bytes(self._message())).digest()

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        artifact = to_canonical_bytes(self._message())
        digest = hashlib.sha256(artifact).digest()
        return to_canonical_bytes(
            pb.ArtifactFile(magic=MAGIC, format_version=FORMAT_VERSION, artifact=artifact, sha256=digest)
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> ModelArtifact:
        """From a file's bytes.

        Raises:
            MalformedMessageError: not an artifact, another format version, a wrong digest, or a part that is malformed.
        """
        file = from_canonical_bytes(pb.ArtifactFile, data, limit=limits.MAX_ARTIFACT_BYTES, what="artifact")
        if file.magic != MAGIC:
            raise MalformedMessageError("artifact: this is not a Cryptable artifact (its first field is another)")
        if file.format_version != FORMAT_VERSION:
            raise MalformedMessageError(
                f"artifact: format version {file.format_version}, this reader knows {FORMAT_VERSION}; upgrade, or compile the model again"
            )
        if hashlib.sha256(file.artifact).digest() != file.sha256:
            raise MalformedMessageError("artifact: its digest does not match its content; the file is corrupted")
        message = from_canonical_bytes(
            pb.ModelArtifact, file.artifact, limit=limits.MAX_ARTIFACT_BYTES, what="artifact"
        )
        spec = ClientSpec.from_bytes(message.client_spec)
        if message.model_name != spec.model_name:
            raise MalformedMessageError(f"artifact: named {message.model_name!r}, its client spec {spec.model_name!r}")
        if len(message.model_version) > limits.MAX_NAME_LENGTH:
            raise MalformedMessageError(f"artifact: model version of {len(message.model_version)} characters")
        try:
            options = CompileOptions(message.compile_options.p_error, message.compile_options.security_bits)
        except InvalidInputError as error:
            raise MalformedMessageError(f"artifact: {error}") from error
        if options.p_error != spec.p_error:
            raise MalformedMessageError(
                f"artifact: compiled for p_error {options.p_error}, its client spec says {spec.p_error}"
            )
        source = message.provenance
        provenance = Provenance(source.estimator, tuple(source.packages), source.created)
        return cls(message.model_version, provenance, spec, message.circuit, options)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all."""
        target = Path(path)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.to_bytes())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ModelArtifact:
        """Read a file.

        Raises:
            OSError: it cannot be read.
            MalformedMessageError: see `from_bytes`.
        """
        source = Path(path)
        if source.stat().st_size > limits.MAX_ARTIFACT_BYTES:
            raise LimitExceededError(f"artifact: {source} is larger than {limits.MAX_ARTIFACT_BYTES} bytes")
        return cls.from_bytes(source.read_bytes())
