"""SpooledEvaluationKeys: evaluation keys on disk, made once and read as often as an upload takes."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cryptable_protocol import limits
from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.evaluation_keys import EvaluationKeysHeader
from cryptable_protocol.files.whole import whole_file
from cryptable_protocol.schemes.scheme import Keyset

_SHA256 = re.compile(rb"[0-9a-f]{64}(?![0-9a-f])")
_DIGEST_LINE = 65
"""Bytes of a digest's file that are looked at."""


class SpooledEvaluationKeys:
    """Evaluation keys in a file: `header` says what they are, `chunks` reads them.

    They are public. Whoever sends them again sends these very bytes: new ones under the same seed would give the secret
    key away, which is why there is no way to make some.
    """

    def __init__(self, file: BinaryIO, header: EvaluationKeysHeader) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.header = header

    def chunks(self, *, offset: int = 0, size: int = limits.CHUNK_BYTES) -> Iterator[tuple[int, bytes]]:
        """Position and bytes of each chunk, from `offset` on."""
        while offset < self.header.size:
            with self._lock:
                self._file.seek(offset)
                data = self._file.read(min(size, self.header.size - offset))
            if not data:
                raise InvalidInputError(f"the file of evaluation keys became shorter: it ends at byte {offset}")
            yield offset, data
            offset += len(data)

    def keep(self, path: str | os.PathLike[str]) -> None:
        """Copy the bytes to a file, unless it is there: what `spool(..., path=path)` then finds."""
        if not Path(path).exists():
            with whole_file(path) as kept:
                for _, data in self.chunks():
                    kept.write(data)
            keep_digest(Path(path), self.header.sha256)

    def close(self) -> None:
        """Close the file; a temporary one is gone with it."""
        self._file.close()

    def __enter__(self) -> SpooledEvaluationKeys:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_public(keyset: Keyset, path: Path) -> SpooledEvaluationKeys:
    """Evaluation keys of a keyset from a file, whosoever they are.

    Raises:
        InvalidInputError: the file has another length than such keys, or another digest than the one beside it says.
        OSError: it cannot be read.
    """
    file = open_regular(path)
    try:
        sha256, size = digest_of(file)
        if kept_digest(path) not in (None, sha256):
            raise InvalidInputError(
                f"{path} is damaged (its digest is not that in {digest_path(path).name}): copy it again, or have new "
                "evaluation keys made where the secret keys are"
            )
        check_size(size, path, keyset)
        return SpooledEvaluationKeys(file, EvaluationKeysHeader(keyset.name, size, sha256))
    except BaseException:
        file.close()
        raise


def open_regular(path: Path) -> BinaryIO:
    """A file for reading; InvalidInputError where something else has its name, as a pipe that would never end."""
    if path.exists() and not path.is_file():
        raise InvalidInputError(f"{path} is no file, but a folder, pipe or device: choose another path")
    return path.open("rb")


def digest_of(file: BinaryIO) -> tuple[bytes, int]:
    """SHA-256 and length of what is left of a file."""
    digest, size = hashlib.sha256(), 0
    while data := file.read(limits.CHUNK_BYTES):
        digest.update(data)
        size += len(data)
    return digest.digest(), size


def check_size(size: int, path: Path, keyset: Keyset) -> None:
    """InvalidInputError unless a file is as long as evaluation keys of the keyset."""
    if size != keyset.evaluation_keys_bytes:
        raise InvalidInputError(
            f"{path} has {size} bytes, evaluation keys of this keyset have {keyset.evaluation_keys_bytes}: it "
            "holds others, or was cut short; delete it to have new ones made"
        )


def digest_path(path: Path) -> Path:
    """The file beside evaluation keys that tells later whether they are still what was made."""
    return path.with_name(f"{path.name}.sha256")


def kept_digest(path: Path) -> bytes | None:
    """The SHA-256 that stands beside evaluation keys; None where none can be read, as with older versions."""
    beside = digest_path(path)
    try:
        text = beside.read_bytes()[:_DIGEST_LINE] if beside.is_file() else b""
    except OSError:
        return None
    return bytes.fromhex(text[:64].decode()) if _SHA256.match(text) else None


def keep_digest(path: Path, sha256: bytes) -> None:
    """Write the SHA-256 of evaluation keys beside them, as `sha256sum -c` reads it."""
    with whole_file(digest_path(path)) as file:
        file.write(f"{sha256.hex()}  {path.name}\n".encode())


def delete_kept(path: Path) -> None:
    """Delete evaluation keys and their digest, if they are there."""
    # The digest first: keys without one are looked at row by row, a digest without keys would be that of the next ones.
    digest_path(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
