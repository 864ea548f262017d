"""Files of encrypted rows or answers, for devices that move them by hand (protos/SPEC.md, "Tensor file")."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from cryptable_protocol import limits
from cryptable_protocol.errors import LimitExceededError, MalformedMessageError
from cryptable_protocol.files.whole import whole_file
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.scheme import Tensor
from cryptable_protocol.wire.canonical import from_canonical_bytes

MAGIC = b"cryptable tensor"
FORMAT_VERSION = 1
_HEADER = struct.Struct(f"<{len(MAGIC)}sBB32s")
_LENGTH = struct.Struct("<I")
_DIGEST_BYTES = 32
_BLOCK_BYTES = 1 << 20


class TensorKind(IntEnum):
    """What a file's tensors are."""

    ROWS = 1
    ANSWERS = 2


@dataclass(frozen=True)
class TensorFile:
    """A file whose form and digest were checked; its tensors are read one at a time."""

    path: Path
    kind: TensorKind
    client_spec_digest: bytes

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, kind: TensorKind, client_spec_digest: bytes) -> TensorFile:
        """Check a file.

        Args:
            path: of the file.
            kind: that it must be of.
            client_spec_digest: SHA-256 of the specification that it must belong to.

        Raises:
            MalformedMessageError: damaged, of another kind, version or specification.
            OSError: it cannot be read.
        """
        source = Path(path)
        size = source.stat().st_size
        if size < _HEADER.size + _DIGEST_BYTES:
            raise MalformedMessageError(f"{source} is no file of encrypted tensors: {size} bytes are too few")
        digest = hashlib.sha256()
        with source.open("rb") as file:
            header = file.read(_HEADER.size)
            magic, version, found, spec = _HEADER.unpack(header)
            if magic != MAGIC:
                raise MalformedMessageError(f"{source} is no file of encrypted tensors")
            if version != FORMAT_VERSION:
                raise MalformedMessageError(
                    f"{source} has format version {version}, this reader knows {FORMAT_VERSION}: upgrade "
                    "cryptable-client"
                )
            digest.update(header)
            left = size - _HEADER.size - _DIGEST_BYTES
            while left and (block := file.read(min(left, _BLOCK_BYTES))):
                digest.update(block)
                left -= len(block)
            if file.read(_DIGEST_BYTES) != digest.digest():
                raise MalformedMessageError(f"{source} is damaged (its checksum is wrong): copy it again")
        if found != kind:
            raise MalformedMessageError(
                f"{source} holds tensors of kind {found}, expected {kind.name.lower()} ({kind})"
            )
        if spec != client_spec_digest:
            raise MalformedMessageError(
                f"{source} belongs to client spec {spec.hex()[:16]}…, expected {client_spec_digest.hex()[:16]}…: the "
                "model was replaced in the meantime, or this is the file of another model"
            )
        return cls(source, kind, spec)

    def messages(self) -> Iterator[tensor_pb.EncryptedTensor]:
        """Its tensors, in order, as their model's scheme reads them.

        Raises:
            MalformedMessageError: a tensor is not canonical, or cut short.
        """
        with self.path.open("rb") as file:
            left = self.path.stat().st_size - _HEADER.size - _DIGEST_BYTES
            file.seek(_HEADER.size)
            while left:
                if left < _LENGTH.size:
                    raise MalformedMessageError(f"{self.path}: cut short inside the length of a tensor")
                (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
                left -= _LENGTH.size + length
                if length > limits.MAX_MESSAGE_BYTES:
                    raise LimitExceededError(
                        f"{self.path}: a tensor of {length} bytes, at most {limits.MAX_MESSAGE_BYTES} are accepted"
                    )
                if left < 0:
                    raise MalformedMessageError(f"{self.path}: cut short inside a tensor")
                yield from_canonical_bytes(
                    tensor_pb.EncryptedTensor,
                    file.read(length),
                    limit=limits.MAX_MESSAGE_BYTES,
                    what="encrypted tensor",
                )


def write_tensors(
    path: str | os.PathLike[str], tensors: Iterable[Tensor], *, kind: TensorKind, client_spec_digest: bytes
) -> int:
    """Write a file, whole or not at all; returns the number of tensors."""
    digest, count = hashlib.sha256(), 0
    with whole_file(path) as file:

        def write(data: bytes) -> None:
            digest.update(data)
            file.write(data)

        write(_HEADER.pack(MAGIC, FORMAT_VERSION, kind, client_spec_digest))
        for tensor in tensors:
            data = tensor.to_bytes()
            write(_LENGTH.pack(len(data)))
            write(data)
            count += 1
        file.write(digest.digest())
    return count
