"""KeyCopies: evaluation keys of an object store as local files, for workers: by digest, the oldest dropped."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_COPY = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{64}\.[0-9a-f]+")
_SPARED_SECONDS = 60.0
"""A copy that was asked for so lately stays: the call that asked is about to use it."""


class KeyCopies:
    """The copies in a directory. Their store guards them by its lock, but for `incoming`."""

    def __init__(self, directory: Path, most_bytes: int) -> None:
        """Take over what an earlier run left: workers hash whatever they read."""
        directory.mkdir(mode=0o700, exist_ok=True)
        self._directory = directory
        self._most_bytes = most_bytes
        self._copies: dict[str, tuple[int, float]] = {}
        """Sizes, and when they were asked for last, by path; the least recent first."""
        found = []
        for path in directory.iterdir():
            if _COPY.fullmatch(path.name) is None:
                with suppress(OSError):
                    path.unlink()
                continue
            status = path.stat()
            found.append((status.st_mtime, str(path), status.st_size))
        for _, place, size in sorted(found):
            self._copies[place] = size, -_SPARED_SECONDS

    def place(self, owner: str, sha256: bytes, keyset_name: bytes) -> str:
        """Where the copy of such keys is, or would be."""
        return str(self._directory / f"{owner}.{sha256.hex()}.{keyset_name.hex()}")

    def __contains__(self, place: str) -> bool:
        """Whether the copy is there."""
        return place in self._copies and Path(place).exists()

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """A file beside the copies, which is gone when the block has ended, unless it became one."""
        descriptor, name = tempfile.mkstemp(dir=self._directory)
        os.close(descriptor)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def take(self, source: Path, place: str) -> None:
        """Have a whole file as the copy."""
        size = source.stat().st_size
        source.replace(place)
        self._copies.pop(place, None)
        self._copies[place] = size, time.monotonic()

    def asked(self, place: str) -> None:
        """The copy is about to be used."""
        if place in self._copies:
            self._copies[place] = self._copies.pop(place)[0], time.monotonic()

    def drop(self, place: str) -> None:
        """Remove the copy, if there is one."""
        if self._copies.pop(place, None) is not None:
            Path(place).unlink(missing_ok=True)

    def trim(self, in_use: set[str]) -> None:
        """Remove the least recently used until what is left is not too much; none that are in use, or about to be."""
        total = sum(size for size, _ in self._copies.values())
        spared = time.monotonic() - _SPARED_SECONDS
        for place, (size, asked_at) in list(self._copies.items()):
            if total <= self._most_bytes:
                return
            if place not in in_use and asked_at < spared:
                self.drop(place)
                total -= size
