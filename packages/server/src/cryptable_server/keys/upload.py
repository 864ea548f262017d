"""DirectoryUpload: evaluation keys on their way into a directory, which has them whole or not at all.

What an interruption leaves is kept for an upload of the same keys by the same principal that goes on from there.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from cryptable_protocol import EvaluationKeysHeader, InternalError, MalformedMessageError, limits

from cryptable_server.errors import KeysCorruptedError, StorageFullError, StreamTooSlowError, UploadCutShortError
from cryptable_server.keys.store import StoredKeys
from cryptable_server.principals import Principal

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# gRPC may report the end of the stream before it reports that the connection broke.
_INTERRUPTIONS = (asyncio.CancelledError, StreamTooSlowError, UploadCutShortError)


class IncomingFiles(Protocol):
    """What an upload needs of its store."""

    def incoming_file(self, principal: Principal, header: EvaluationKeysHeader, offset: int) -> tuple[int, Path]:
        """A file for an upload, descriptor and path: a new one, or what an interrupted upload left, to be continued.

        Raises:
            PartGoneError: there is none of exactly `offset` bytes.
        """

    def make_room(self, size: int) -> None:
        """Count `size` bytes that are about to be written, and drop keys for them if need be.

        Raises:
            QuotaExceededError: all keys that could go are in use by now.
        """

    def publish(self, principal: Principal, header: EvaluationKeysHeader, source: Path) -> StoredKeys:
        """Give a whole, synced file its name."""

    def release(self, principal: Principal, header: EvaluationKeysHeader, taken: int, kept: Path | None) -> None:
        """The upload has ended, one way or the other; `taken` bytes of it are not stored, but kept where `kept` is."""


class DirectoryUpload:
    """A KeyUpload into a directory."""

    def __init__(self, store: IncomingFiles, principal: Principal, header: EvaluationKeysHeader) -> None:
        self._store = store
        self._principal = principal
        self._header = header
        self._sha256 = hashlib.sha256()
        self._received = 0
        self._taken = 0
        self._descriptor = -1
        self._path: Path | None = None
        # A call that is cancelled leaves its block while a thread may still be writing, or be about to.
        self._mutex = threading.Lock()
        self._left = False

    def __enter__(self) -> DirectoryUpload:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        with self._mutex:
            self._left = True
            self._close()
            path = self._path
        if path is not None and (kind is None or not issubclass(kind, _INTERRUPTIONS)):
            path.unlink(missing_ok=True)
            path = None
        self._store.release(self._principal, self._header, self._taken, path)

    def write(self, offset: int, data: bytes) -> None:
        """See KeyUpload."""
        if offset != self._received and (self._received or offset >= self._header.size):
            raise MalformedMessageError(
                f"evaluation keys: a chunk at byte {offset}, expected byte {self._received}; send chunks in order"
            )
        if not 1 <= len(data) <= limits.CHUNK_BYTES:
            raise MalformedMessageError(
                f"evaluation keys: a chunk of {len(data)} bytes, expected 1 .. {limits.CHUNK_BYTES}"
            )
        if offset + len(data) > self._header.size:
            raise MalformedMessageError(
                f"evaluation keys: more bytes than the {self._header.size} that the header announces"
            )
        with self._mutex, _room():
            self._check_open()
            if self._path is None:
                self._descriptor, self._path = self._store.incoming_file(self._principal, self._header, offset)
                self._taken = offset
            self._store.make_room(len(data))
            self._taken += len(data)
            _write_all(self._descriptor, data)
        if not self._received and offset:
            self._hash_what_was_kept(self._path, offset)
        self._sha256.update(data)
        self._received = offset + len(data)

    def commit(self) -> StoredKeys:
        """See KeyUpload."""
        if self._received != self._header.size or self._path is None:
            raise UploadCutShortError(
                f"evaluation keys: the stream ended after {self._received} of {self._header.size} bytes"
            )
        if self._sha256.digest() != self._header.sha256:
            raise KeysCorruptedError(
                "evaluation keys: the SHA-256 of the bytes received differs from the header's; nothing was stored"
            )
        with self._mutex, _room():
            self._check_open()
            os.fsync(self._descriptor)
            self._close()
            stored = self._store.publish(self._principal, self._header, self._path)
            self._taken, self._path = 0, None  # stored from now on
            return stored

    def _hash_what_was_kept(self, path: Path, size: int) -> None:
        # By a descriptor of its own, outside the lock: to end a call takes no longer than a chunk's writing.
        with _room(), path.open("rb") as file:
            while size and (data := file.read(min(size, limits.CHUNK_BYTES))):
                self._sha256.update(data)
                size -= len(data)

    def _check_open(self) -> None:
        if self._left:
            raise InternalError("evaluation keys: the upload has ended")

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageFullError(
                "the server's disk has no room for these evaluation keys; nothing was stored, try again later"
            ) from error
        raise InternalError(f"evaluation keys cannot be stored: {error.strerror or error}") from error


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
