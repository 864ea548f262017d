"""Evaluation keys on disk: content-addressed, per principal, whole or not at all.

DIRECTORY/<sha256 of the principal's name>/<sha256 of the keys>.<keyset name>    one set of keys, mode 0600
DIRECTORY/incoming/                                                             uploads in progress
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptable_protocol import EvaluationKeysHeader, InternalError, MalformedMessageError, limits

from cryptable_server.errors import (
    ConfigurationError,
    KeysCorruptedError,
    KeysNotFoundError,
    QuotaExceededError,
    StorageFullError,
)
from cryptable_server.principals import Principal

_INCOMING = "incoming"
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class StoredKeys:
    """Evaluation keys in a store; `reference` is where a worker finds them."""

    sha256: bytes
    keyset_name: bytes
    size: int
    reference: str


class KeyUpload(Protocol):
    """Evaluation keys on their way in; a context manager that leaves nothing behind unless committed."""

    def __enter__(self) -> KeyUpload:
        """Open."""

    def __exit__(self, *error: object) -> None:
        """Remove what was not committed."""

    def write(self, offset: int, data: bytes) -> None:
        """Append the next chunk.

        Raises:
            MalformedMessageError: an empty or too large chunk, a gap, an overlap, or more than the header says.
            StorageFullError: the disk has no room.
        """

    def commit(self) -> StoredKeys:
        """Make the keys durable and visible.

        Raises:
            MalformedMessageError: fewer bytes than the header says.
            KeysCorruptedError: the bytes have another SHA-256.
            StorageFullError: the disk has no room.
        """


class KeyStore(Protocol):
    """Where evaluation keys live. Safe to use from several threads."""

    def begin(self, principal: Principal, header: EvaluationKeysHeader) -> KeyUpload:
        """Start an upload; QuotaExceededError where it would not fit."""

    def find(self, principal: Principal, sha256: bytes) -> StoredKeys:
        """The principal's keys of that digest; KeysNotFoundError where there are none."""

    def delete(self, principal: Principal, sha256: bytes) -> None:
        """Remove the principal's keys of that digest; KeysNotFoundError where there are none."""

    def close(self) -> None:
        """Let go of the store."""


class DirectoryKeyStore:
    """A KeyStore in a local directory, which one server at a time may use."""

    def __init__(self, directory: Path, *, quota_bytes: int | None = None) -> None:
        """Open `directory`, making it if need be, and remove what interrupted uploads left.

        Raises:
            ConfigurationError: the directory cannot be used, or another server uses it.
        """
        self._directory = directory
        self._incoming = directory / _INCOMING
        self._quota_bytes = quota_bytes
        self._mutex = threading.Lock()
        self._reserved_bytes = 0
        try:
            self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError(f"--keys {directory}: {error.strerror or error}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise ConfigurationError(f"--keys {directory}: another server uses this directory") from error
        for leftover in self._incoming.iterdir():
            leftover.unlink()
        self._keys = dict(self._scan())

    @property
    def used_bytes(self) -> int:
        """All keys, and uploads in progress."""
        with self._mutex:
            return self._used()

    def begin(self, principal: Principal, header: EvaluationKeysHeader) -> DirectoryUpload:
        """See KeyStore."""
        with self._mutex:
            used = self._used()
            if self._quota_bytes is not None and used + header.size > self._quota_bytes:
                raise QuotaExceededError(
                    f"these evaluation keys have {header.size} bytes, and {used} of the {self._quota_bytes} that this "
                    "server stores are taken; delete keys that are no longer used"
                )
            self._reserved_bytes += header.size
        return DirectoryUpload(self, principal, header)

    def find(self, principal: Principal, sha256: bytes) -> StoredKeys:
        """See KeyStore."""
        with self._mutex:
            found = self._keys.get((_folder_name(principal), sha256))
        if found is None or not Path(found.reference).exists():
            raise KeysNotFoundError(f"no evaluation keys {sha256.hex()[:16]}… are stored for you; upload them first")
        return found

    def delete(self, principal: Principal, sha256: bytes) -> None:
        """See KeyStore."""
        path = Path(self.find(principal, sha256).reference)
        path.unlink(missing_ok=True)
        _sync_directory(path.parent)
        with self._mutex:
            self._keys.pop((path.parent.name, sha256), None)

    def close(self) -> None:
        """See KeyStore."""
        os.close(self._lock)

    def _used(self) -> int:
        return self._reserved_bytes + sum(keys.size for keys in self._keys.values())

    def _scan(self) -> Iterator[tuple[tuple[str, bytes], StoredKeys]]:
        for path in self._directory.glob("*/*.*"):
            if path.parent == self._incoming:
                continue
            digest, _, keyset = path.name.partition(".")
            try:
                keys = StoredKeys(bytes.fromhex(digest), bytes.fromhex(keyset), path.stat().st_size, str(path))
            except ValueError:
                continue
            yield (path.parent.name, keys.sha256), keys

    # What an upload needs of its store:

    def incoming_file(self) -> tuple[int, Path]:
        """A new file for an upload: descriptor and path."""
        descriptor, name = tempfile.mkstemp(dir=self._incoming)
        return descriptor, Path(name)

    def release(self, header: EvaluationKeysHeader) -> None:
        """The upload has ended, one way or the other."""
        with self._mutex:
            self._reserved_bytes -= header.size

    def publish(self, principal: Principal, header: EvaluationKeysHeader, source: Path) -> StoredKeys:
        """Give a whole, synced file its name."""
        folder = self._directory / _folder_name(principal)
        target = folder / f"{header.sha256.hex()}.{header.keyset_name.hex()}"
        keys = StoredKeys(header.sha256, header.keyset_name, header.size, str(target))
        with self._mutex:
            if not folder.exists():
                folder.mkdir(mode=0o700)
                _sync_directory(self._directory)
            source.replace(target)
            _sync_directory(folder)
            self._keys[folder.name, header.sha256] = keys
        return keys


class DirectoryUpload:
    """A KeyUpload into a DirectoryKeyStore."""

    def __init__(self, store: DirectoryKeyStore, principal: Principal, header: EvaluationKeysHeader) -> None:
        self._store = store
        self._principal = principal
        self._header = header
        self._sha256 = hashlib.sha256()
        self._received = 0
        self._descriptor = -1
        self._path: Path | None = None
        # A call that is cancelled leaves its block while a thread may still be writing, or be about to.
        self._mutex = threading.Lock()
        self._left = False

    def __enter__(self) -> DirectoryUpload:
        return self

    def __exit__(self, *error: object) -> None:
        with self._mutex:
            self._left = True
            self._close()
            if self._path is not None:
                self._path.unlink(missing_ok=True)
        self._store.release(self._header)

    def write(self, offset: int, data: bytes) -> None:
        """See KeyUpload."""
        if offset != self._received:
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
                self._descriptor, self._path = self._store.incoming_file()
            _write_all(self._descriptor, data)
        self._sha256.update(data)
        self._received += len(data)

    def commit(self) -> StoredKeys:
        """See KeyUpload."""
        if self._received != self._header.size or self._path is None:
            raise MalformedMessageError(
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
            return self._store.publish(self._principal, self._header, self._path)

    def _check_open(self) -> None:
        if self._left:
            raise InternalError("evaluation keys: the upload has ended")

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _folder_name(principal: Principal) -> str:
    # A principal's name may hold any character, a file's may not.
    return hashlib.sha256(principal.name.encode()).hexdigest()


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


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
