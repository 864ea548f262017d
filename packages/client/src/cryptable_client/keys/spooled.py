"""SpooledEvaluationKeys: evaluation keys on disk, made once and read as often as an upload takes."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cryptable_protocol import limits
from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.evaluation_keys import EvaluationKeysHeader
from cryptable_protocol.files.whole import whole_file
from cryptable_protocol.schemes.scheme import Keyset


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
        InvalidInputError: the file has another length than such keys.
        OSError: it cannot be read.
    """
    file = path.open("rb")
    try:
        return SpooledEvaluationKeys(file, header_of(file, path, keyset))
    except BaseException:
        file.close()
        raise


def header_of(file: BinaryIO, path: Path, keyset: Keyset) -> EvaluationKeysHeader:
    """What the evaluation keys in a file are, which is read to its end.

    Args:
        file: open for reading, at its start.
        path: its name, for messages.
        keyset: of the keys.

    Raises:
        InvalidInputError: the file has another length than such keys.
    """
    size = os.fstat(file.fileno()).st_size
    if size != keyset.evaluation_keys_bytes:
        raise InvalidInputError(
            f"{path} has {size} bytes, evaluation keys of this keyset have {keyset.evaluation_keys_bytes}: it "
            "holds others, or was cut short; delete it to have new ones made"
        )
    digest = hashlib.sha256()
    while data := file.read(limits.CHUNK_BYTES):
        digest.update(data)
    return EvaluationKeysHeader(keyset.name, size, digest.digest())
