"""PartialUploads: what has come of uploads that broke off, kept for a while so that their callers can go on from there.

Nothing here is ever evaluated with: an upload that goes on is hashed from its first byte, and refused like any other.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptable_server.files.regular_files import file_state
from cryptable_server.keys.clock import StoreClock
from cryptable_server.keys.strays import log_stray

KEEP_SECONDS = 3600.0
PER_PRINCIPAL = 4
"""More would let a caller fill a disk's table of files, at a byte each."""
_NAME = re.compile(r"(?P<owner>[0-9a-f]{64})\.(?P<sha256>[0-9a-f]{64})\..+")


@dataclass(frozen=True)
class _Part:
    path: Path
    size: int
    kept_at: float


class PartialUploads:
    """The parts in one directory, by owner and SHA-256 of the whole. Their store guards them by its lock."""

    def __init__(self, directory: Path, clock: StoreClock) -> None:
        """Take over what an earlier run left, of which a kill may be the reason."""
        self._directory = directory
        self._clock = clock
        self._parts: dict[tuple[str, bytes], _Part] = {}
        for path in directory.iterdir():
            match = _NAME.fullmatch(path.name)
            try:
                state = file_state(path)
                if match is None:
                    path.unlink()
                    continue
            except OSError as error:
                log_stray(path, error)
                continue
            self._add(match["owner"], bytes.fromhex(match["sha256"]), path, state.size, state.modified_ns / 1e9)
        self.expire()

    @property
    def total_bytes(self) -> int:
        """Of all parts."""
        return sum(part.size for part in self._parts.values())

    def bytes_of(self, owner: str, *, but: bytes) -> int:
        """Of one owner's parts, without the one of SHA-256 `but`."""
        return sum(part.size for (of, sha256), part in self._parts.items() if of == owner and sha256 != but)

    def size(self, owner: str, sha256: bytes) -> int:
        """How many bytes there are of that upload."""
        part = self._parts.get((owner, sha256))
        return 0 if part is None or self._is_old(part) else part.size

    def new_file(self, owner: str, sha256: bytes) -> tuple[int, Path]:
        """A file for an upload: descriptor and path. Its name says what it is, should this process be killed."""
        descriptor, name = tempfile.mkstemp(dir=self._directory, prefix=f"{owner}.{sha256.hex()}.")
        return descriptor, Path(name)

    def keep(self, owner: str, sha256: bytes, path: Path, size: int) -> None:
        """Keep what has come, unless there is more of the same upload already."""
        now = self._clock.now()
        _date(path, now)
        self._add(owner, sha256, path, size, now)
        own = [name for name in self._oldest_first() if name[0] == owner]
        for name in own[:-PER_PRINCIPAL]:
            self.drop(*name)

    def take(self, owner: str, sha256: bytes, size: int) -> Path | None:
        """The file of exactly that many bytes of the upload, which is the caller's from now on; None: there is none."""
        if not size or self.size(owner, sha256) != size:
            return None
        return self._parts.pop((owner, sha256)).path

    def drop(self, owner: str, sha256: bytes) -> bool:
        """Remove what is kept of that upload; whether there was anything."""
        part = self._parts.pop((owner, sha256), None)
        if part is not None:
            part.path.unlink(missing_ok=True)
        return part is not None

    def drop_oldest(self, owner: str | None = None, *, but: bytes | None = None) -> bool:
        """Make room, by a part of one owner if one is given; whether there was any, other than the one of `but`."""
        for of, sha256 in self._oldest_first():
            if owner in (None, of) and sha256 != but:
                return self.drop(of, sha256)
        return False

    def expire(self) -> None:
        """Remove what is too old."""
        for name in [name for name, part in self._parts.items() if self._is_old(part)]:
            self.drop(*name)

    def _add(self, owner: str, sha256: bytes, path: Path, size: int, kept_at: float) -> None:
        if size <= self.size(owner, sha256):
            path.unlink(missing_ok=True)
            return
        self.drop(owner, sha256)
        now = self._clock.now()
        if kept_at > now:
            # The file of an upload that a kill ended has the machine's time, which may be ahead of the store's.
            kept_at = now
            _date(path, now)
        self._parts[owner, sha256] = _Part(path, size, kept_at)

    def _oldest_first(self) -> Iterator[tuple[str, bytes]]:
        return iter(sorted(self._parts, key=lambda name: self._parts[name].kept_at))

    def _is_old(self, part: _Part) -> bool:
        return self._clock.now() - part.kept_at > KEEP_SECONDS


def _date(path: Path, seconds: float) -> None:
    with suppress(OSError):
        os.utime(path, (seconds, seconds))
