"""ModelArtifact: a compiled model in one file."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import artifact_pb2 as pb
from cryptable_protocol.errors import InvalidInputError, LimitExceededError, MalformedMessageError
from cryptable_protocol.files.whole import AS_USUAL, whole_file
from cryptable_protocol.model.client_spec import DEFAULT_P_ERROR, MAX_P_ERROR, ClientSpec
from cryptable_protocol.model.signature import ModelSignature
from cryptable_protocol.schemes.bootstrapped.keyset import KeysetParameters
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED, SQUARES
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes
from cryptable_protocol.wire.names import check_name

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAGIC = "cryptable-artifact"
FORMAT_VERSION = 1
"""Of artifacts of the scheme bootstrapped, which every reader knows;"""
SCHEMES_FORMAT_VERSION = 2
"""of those of any other."""
SECURITY_BITS = 128

MOST_FLOODING_BITS = 128


@dataclass(frozen=True)
class Provenance:
    """Where a model came from: for people to read, never interpreted.

    `estimator` is a class ("xgboost.sklearn.XGBClassifier"), `packages` are "name version", `created` is RFC 3339, UTC.
    """

    estimator: str
    packages: tuple[str, ...]
    created: str

    def __post_init__(self) -> None:
        check_name(self.estimator, "provenance: estimator", may_be_empty=True)
        check_name(self.created, "provenance: created", may_be_empty=True)
        if len(self.packages) > limits.MAX_PACKAGES:
            raise MalformedMessageError(
                f"provenance: {len(self.packages)} packages, at most {limits.MAX_PACKAGES} are accepted"
            )
        for package in self.packages:
            check_name(package, "provenance: package")


@dataclass(frozen=True)
class CompileOptions:
    """What the circuit was compiled for.

    `keyset` is what it must compile to, and `keyset_entry` the name that the catalogue has for that; None and empty
    where the compiler chooses: both are for the scheme bootstrapped alone. `flooding_bits` is for the scheme squares:
    by how many bits noise of the server's own exceeds the circuit's in answers, 0 for none.
    """

    p_error: float = DEFAULT_P_ERROR
    security_bits: int = SECURITY_BITS
    keyset_entry: str = ""
    keyset: KeysetParameters | None = None
    scheme: str = BOOTSTRAPPED
    flooding_bits: int = 0

    def __post_init__(self) -> None:
        check_name(self.keyset_entry, "compile options: keyset entry", may_be_empty=True)
        if bool(self.keyset_entry) != (self.keyset is not None):
            raise InvalidInputError("compile options: a keyset and the name of its catalogue entry come together")
        check_name(self.scheme, "compile options: scheme")
        if self.keyset is not None and self.scheme != BOOTSTRAPPED:
            raise InvalidInputError(f"compile options: a keyset to compile onto, of scheme {self.scheme!r}")
        if not 0.0 < self.p_error <= MAX_P_ERROR:
            raise InvalidInputError(f"p_error {self.p_error} is not in (0, 2^-40]")
        if self.security_bits != SECURITY_BITS:
            raise InvalidInputError(f"security_bits {self.security_bits} is not supported, only {SECURITY_BITS}")
        if not 0 <= self.flooding_bits <= MOST_FLOODING_BITS:
            raise InvalidInputError(f"flooding_bits {self.flooding_bits} is not in 0 .. {MOST_FLOODING_BITS}")
        if self.flooding_bits and self.scheme != SQUARES:
            raise InvalidInputError(
                f"flooding_bits {self.flooding_bits} is for the scheme squares, not {self.scheme!r}: leave it out"
            )


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
    signature: ModelSignature | None = None
    """Of the developer; verified when the artifact is made or read."""

    def __post_init__(self) -> None:
        check_name(self.model_version, "artifact: model version", may_be_empty=True)
        if not self.circuit:
            raise MalformedMessageError("artifact: no circuit")
        if len(self.circuit) > limits.MAX_CIRCUIT_BYTES:
            raise LimitExceededError(
                f"artifact: a circuit of {len(self.circuit)} bytes, at most {limits.MAX_CIRCUIT_BYTES} are accepted"
            )
        if self.compile_options.p_error != self.client_spec.p_error:
            raise MalformedMessageError(
                f"artifact: compiled for p_error {self.compile_options.p_error}, "
                f"its client spec says {self.client_spec.p_error}"
            )
        if self.compile_options.scheme != self.client_spec.scheme:
            raise MalformedMessageError(
                f"artifact: compiled for scheme {self.compile_options.scheme!r}, its client spec is of "
                f"{self.client_spec.scheme!r}"
            )
        if self.compile_options.keyset not in (None, self.client_spec.parameters.keyset):
            raise MalformedMessageError("artifact: compiled onto another keyset than its client spec's")
        if self.signature is not None:
            self.signature.verify(client_spec=self.client_spec.digest, artifact=self.digest)

    @property
    def model_name(self) -> str:
        """Name under which a server offers the model."""
        return self.client_spec.model_name

    @property
    def format_version(self) -> int:
        """Of the file: readers that know no other scheme than bootstrapped refuse the second at its first bytes."""
        return FORMAT_VERSION if self.client_spec.scheme == BOOTSTRAPPED else SCHEMES_FORMAT_VERSION

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
                p_error=self.compile_options.p_error,
                security_bits=self.compile_options.security_bits,
                keyset_entry=self.compile_options.keyset_entry,
                scheme="" if self.compile_options.scheme == BOOTSTRAPPED else self.compile_options.scheme,
                flooding_bits=self.compile_options.flooding_bits,
            ),
        )

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the canonical ModelArtifact."""
        return hashlib.sha256(to_canonical_bytes(self._message())).digest()

    def signed(self, private_key: Ed25519PrivateKey) -> ModelArtifact:
        """The same with a developer's signature, in place of an earlier one."""
        signature = ModelSignature.sign(private_key, client_spec=self.client_spec.digest, artifact=self.digest)
        return replace(self, signature=signature)

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        artifact = to_canonical_bytes(self._message())
        digest = hashlib.sha256(artifact).digest()
        return to_canonical_bytes(
            pb.ArtifactFile(
                magic=MAGIC,
                format_version=self.format_version,
                artifact=artifact,
                sha256=digest,
                signature=None if self.signature is None else self.signature.to_message(),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> ModelArtifact:
        """From a file's bytes.

        Raises:
            MalformedMessageError: not an artifact, another format version, a wrong digest or signature, or a part that
                is malformed.
            LimitExceededError: the file or a part of it is too large.
        """
        # Before the parse, because another format version may have fields that this one refuses.
        if not data.startswith(to_canonical_bytes(pb.ArtifactFile(magic=MAGIC))):
            raise MalformedMessageError("artifact: this is not a Cryptable artifact (it does not begin like one)")
        known = (FORMAT_VERSION, SCHEMES_FORMAT_VERSION)
        beginnings = (to_canonical_bytes(pb.ArtifactFile(magic=MAGIC, format_version=version)) for version in known)
        if not data.startswith(tuple(beginnings)):
            raise MalformedMessageError(
                f"artifact: not format version {FORMAT_VERSION} or {SCHEMES_FORMAT_VERSION}, those that this reader "
                "knows; upgrade Cryptable, or compile the model again"
            )
        file = from_canonical_bytes(pb.ArtifactFile, data, limit=limits.MAX_ARTIFACT_BYTES, what="artifact")
        if hashlib.sha256(file.artifact).digest() != file.sha256:
            raise MalformedMessageError("artifact: its digest does not match its content; the file is corrupted")
        message = from_canonical_bytes(
            pb.ModelArtifact, file.artifact, limit=limits.MAX_ARTIFACT_BYTES, what="artifact"
        )
        signature = ModelSignature.from_message(file.signature) if file.HasField("signature") else None
        read = cls._from_message(message, signature)
        if read.format_version != file.format_version:
            raise MalformedMessageError(
                f"artifact: format version {file.format_version}, one of scheme {read.client_spec.scheme!r} has "
                f"{read.format_version}"
            )
        return read

    @classmethod
    def _from_message(cls, message: pb.ModelArtifact, signature: ModelSignature | None) -> ModelArtifact:
        for part in ("provenance", "compile_options"):
            if not message.HasField(part):
                raise MalformedMessageError(f"artifact: no {part}")
        spec = ClientSpec.from_bytes(message.client_spec)
        if message.model_name != spec.model_name:
            raise MalformedMessageError(f"artifact: named {message.model_name!r}, its client spec {spec.model_name!r}")
        try:
            options = CompileOptions(
                message.compile_options.p_error,
                message.compile_options.security_bits,
                message.compile_options.keyset_entry,
                spec.keyset if message.compile_options.keyset_entry else None,
                _scheme_name(message.compile_options.scheme),
                message.compile_options.flooding_bits,
            )
        except InvalidInputError as error:
            raise MalformedMessageError(f"artifact: {error}") from error
        source = message.provenance
        provenance = Provenance(source.estimator, tuple(source.packages), source.created)
        return cls(message.model_version, provenance, spec, message.circuit, options, signature)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all: a reader never sees a part of it.

        A process killed while writing leaves the old file as it was, and a hidden file of the same name beside it.

        Raises:
            OSError: it cannot be written; the old file, if any, is as it was.
        """
        content = self.to_bytes()
        with whole_file(path, mode=AS_USUAL) as file:
            file.write(content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ModelArtifact:
        """Read a file.

        Raises:
            OSError: it cannot be read.
            MalformedMessageError: see `from_bytes`.
        """
        with Path(path).open("rb") as file:
            data = file.read(limits.MAX_ARTIFACT_BYTES + 1)
        if len(data) > limits.MAX_ARTIFACT_BYTES:
            raise LimitExceededError(f"artifact: {path} is larger than {limits.MAX_ARTIFACT_BYTES} bytes")
        return cls.from_bytes(data)


def _scheme_name(written: str) -> str:
    if written == BOOTSTRAPPED:
        raise MalformedMessageError("artifact: the scheme bootstrapped is written as none")
    return written or BOOTSTRAPPED
