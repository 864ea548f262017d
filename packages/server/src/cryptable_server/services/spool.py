"""Spool: tensors of rows in bulk in files, from their first piece until they are evaluated; memory holds none whole."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from cryptable_server.errors import ConfigurationError, OverloadedError
from cryptable_server.executors.executor import TensorFile

_RETRY_SECONDS = 10.0
_LOCK = "lock"
_MAKING_SECONDS = 60.0
_SHARE = 2
"""One principal's tensors take at most one part in so many."""


class Spool:
    """Files in a folder of this server's own, which goes when it ends. Safe to use from several threads.

    Args:
        directory: where the folder is made; other servers' may be beside it, and those that were killed left theirs,
            which are removed.
        most_bytes: of all tensors that come in, wait or are evaluated.

    Raises:
        ConfigurationError: the directory cannot be used.
    """

    def __init__(self, directory: Path, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._mutex = threading.Lock()
        self._numbers = itertools.count()
        self._bytes: Counter[str] = Counter()
        """Of each principal."""
        self._owners: dict[str, tuple[str, int]] = {}
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_leftovers(directory)
            self._folder = Path(tempfile.mkdtemp(dir=directory))
            self._lock = os.open(self._folder / _LOCK, os.O_CREAT | os.O_WRONLY, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            raise ConfigurationError(f"the directory for rows in bulk, {directory}: {error.strerror}") from error

    def begin(self, principal: str, size: int) -> Incoming:
        """A file for a tensor of so many bytes.

        Raises:
            OverloadedError: tensors of this principal, or of all, take as much as they may.
        """
        with self._mutex:
            own, whole = self._bytes[principal] + size, self._bytes.total() + size
            # One tensor is taken where there are no others, however large.
            if (own > self._most_bytes // _SHARE and own > size) or (whole > self._most_bytes and whole > size):
                raise OverloadedError(
                    f"tensors of rows in bulk take {whole - size} bytes of {self._most_bytes}, yours {own - size} of "
                    f"{self._most_bytes // _SHARE} (--bulk-disk)",
                    retry_after=_RETRY_SECONDS,
                )
            self._bytes[principal] += size
        try:
            location = str(self._folder / str(next(self._numbers)))
            descriptor = os.open(location, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except OSError as error:
            self._give_back(principal, size)
            raise _full(error) from error
        with self._mutex:
            self._owners[location] = (principal, size)
        return Incoming(self, descriptor, location)

    def remove(self, location: str) -> None:
        """A file of `begin`, once or more often."""
        with self._mutex:
            owner = self._owners.pop(location, None)
        if owner is not None:
            with suppress(FileNotFoundError):
                os.unlink(location)  # noqa: PTH108
            self._give_back(*owner)

    def close(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    @property
    def bytes(self) -> int:
        """Of all tensors."""
        with self._mutex:
            return self._bytes.total()

    def _give_back(self, principal: str, size: int) -> None:
        with self._mutex:
            self._bytes[principal] -= size
            if not self._bytes[principal]:
                del self._bytes[principal]


class Incoming:
    """A tensor that is received; to be used in a `with` block, after which it is there whole or not at all."""

    def __init__(self, spool: Spool, descriptor: int, location: str) -> None:
        self._spool, self._location = spool, location
        self._file = os.fdopen(descriptor, "wb")
        self._written = 0
        self._is_whole = False

    def write(self, data: bytes) -> None:
        """What comes next; raises OverloadedError where the disk is full."""
        try:
            self._file.write(data)
        except OSError as error:
            raise _full(error) from error
        self._written += len(data)

    def whole(self) -> TensorFile:
        """All of it has come; raises OverloadedError where the disk is full."""
        try:
            self._file.flush()
        except OSError as error:
            raise _full(error) from error
        self._is_whole = True
        return TensorFile(self._location, self._written)

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # what could not be written is not kept
            self._file.close()
        if not self._is_whole:
            self._spool.remove(self._location)


def _full(error: OSError) -> OverloadedError:
    return OverloadedError(
        f"the server's disk takes no more rows in bulk ({error.strerror})", retry_after=_RETRY_SECONDS
    )


def _remove_leftovers(directory: Path) -> None:
    for folder in directory.iterdir():
        try:
            if time.time() - folder.stat().st_mtime < _MAKING_SECONDS:  # its lock may not be taken yet
                continue
            descriptor = os.open(folder / _LOCK, os.O_WRONLY)
        except OSError:  # no folder of a server
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass  # in use
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)
