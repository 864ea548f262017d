"""Evaluation keys on disk: made once, read as often as an upload takes."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from cryptable_protocol import limits
from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.evaluation_keys import EvaluationKeysHeader
from cryptable_protocol.files.whole import whole_file
from cryptable_protocol.schemes.bootstrapped.keyset import KeysetParameters

from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.schemes.bootstrapped.evaluation_keys import Progress, first_row_noise, write_evaluation_keys

_NOISE_DEVIATIONS = 12
"""A row of our own keys has noise beyond this many standard deviations with probability below 2^-90 a word."""


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


def spool(
    secret_keys: SecretKeys,
    *,
    path: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> SpooledEvaluationKeys:
    """Evaluation keys of `secret_keys`, from the file `path` if it has them, else made and written there.

    Without a path they are written to a temporary file, which the system removes with the process at the latest.

    Args:
        secret_keys: the keys that they are made from.
        path: a file that keeps them between runs.
        threads: to make them with; by default one a core.
        progress: called with the bytes written so far and in all.

    Raises:
        InvalidInputError: the file exists and is not these keys' own, or the keyset needs no evaluation keys.
        OSError: the file cannot be read or written.
    """
    if path is None:
        # Nameless on POSIX, deleted on close on Windows: even a killed process leaves nothing behind.
        file = cast(BinaryIO, tempfile.TemporaryFile(prefix="cryptable-evaluation-keys-"))  # noqa: SIM115 (the caller's)
        try:
            return SpooledEvaluationKeys(
                file, write_evaluation_keys(secret_keys, file, threads=threads, progress=progress)
            )
        except BaseException:
            file.close()
            raise
    target = Path(path)
    if not target.exists():
        with whole_file(target) as kept:
            write_evaluation_keys(secret_keys, kept, threads=threads, progress=progress)
    return _open(secret_keys, target)


def open_public(keyset: KeysetParameters, path: Path) -> SpooledEvaluationKeys:
    """Evaluation keys of a keyset from a file, whosoever they are.

    Raises:
        InvalidInputError: the file has another length than such keys.
        OSError: it cannot be read.
    """
    file = path.open("rb")
    try:
        return _header_of(file, path, keyset)
    except BaseException:
        file.close()
        raise


def _open(secret_keys: SecretKeys, path: Path) -> SpooledEvaluationKeys:
    keyset = secret_keys.keyset
    file = path.open("rb")
    try:
        _check_size(file, path, keyset)
        noise, variance = first_row_noise(secret_keys, file)
        if np.abs(noise.astype(np.float64)).max() > _NOISE_DEVIATIONS * variance**0.5 * 2.0**64:
            raise InvalidInputError(
                f"{path} holds evaluation keys of other secret keys; delete it to have new ones made"
            )
        file.seek(0)
        return _header_of(file, path, keyset)
    except BaseException:
        file.close()
        raise


def _header_of(file: BinaryIO, path: Path, keyset: KeysetParameters) -> SpooledEvaluationKeys:
    size = _check_size(file, path, keyset)
    digest = hashlib.sha256()
    while data := file.read(limits.CHUNK_BYTES):
        digest.update(data)
    return SpooledEvaluationKeys(file, EvaluationKeysHeader(keyset.name, size, digest.digest()))


def _check_size(file: BinaryIO, path: Path, keyset: KeysetParameters) -> int:
    size = os.fstat(file.fileno()).st_size
    if size != keyset.evaluation_keys_bytes:
        raise InvalidInputError(
            f"{path} has {size} bytes, evaluation keys of this keyset have {keyset.evaluation_keys_bytes}: it "
            "holds others, or was cut short; delete it to have new ones made"
        )
    return size
