"""DirectoryKeyStore: evaluation keys on disk, content-addressed, per principal, whole or not at all.

DIRECTORY/<sha256 of the principal's name>/<sha256 of the keys>.<keyset name>    one set of keys, mode 0600
DIRECTORY/<sha256 of the principal's name>/principal                            the name
DIRECTORY/incoming/<the same two>.<any>                                         uploads in progress, see partial_uploads
DIRECTORY/.clock                                                                see store_clock
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from cryptable_protocol import EvaluationKeysHeader
from cryptable_protocol.files.whole import sync_folder

from cryptable_server.errors import (
    ConfigurationError,
    KeysNotFoundError,
    PartGoneError,
    QuotaExceededError,
)
from cryptable_server.keys.clock import StoreClock
from cryptable_server.keys.owners import forget_name, read_name, write_name
from cryptable_server.keys.partial_uploads import PartialUploads
from cryptable_server.keys.store import KeysEntry, StoredKeys
from cryptable_server.keys.upload import DirectoryUpload
from cryptable_server.logs import log
from cryptable_server.principals import Principal

_LOGGER = logging.getLogger(__name__)
_INCOMING = "incoming"
_TOUCH_SECONDS = 60.0
"""A use is noted on disk only if the last note is that old."""


class DirectoryKeyStore:
    """A KeyStore in a local directory, which one server at a time may use.

    Keys that are in use are never dropped, except by their owner. Others go when they have not been used for the time
    to live, and, the least recently used first, when the total quota leaves no room for bytes that come in.
    """

    def __init__(
        self,
        directory: Path,
        *,
        quota_bytes: int | None = None,
        principal_quota_bytes: int | None = None,
        time_to_live: float | None = None,
        on_removal: Callable[[StoredKeys], None] = lambda _: None,
        on_drop: Callable[[KeysEntry, str], None] = lambda *_: None,
    ) -> None:
        """Open `directory`, making it if need be.

        Args:
            directory: where the keys are.
            quota_bytes: of all keys together, what is coming in included; None: no limit.
            principal_quota_bytes: of one principal's keys, what is announced included, and what is kept of interrupted
                uploads, which makes way for new ones; None: no limit.
            time_to_live: seconds without use, by the store's own clock, after which keys go; None: they stay.
            on_removal: told of keys that are gone, so that they go from memory too. Must not call the store.
            on_drop: told of keys that the store has removed by itself, and why: "expired", or "room" for others. Must
                not call the store.

        Raises:
            ConfigurationError: the directory cannot be used, or another server uses it.
        """
        self._directory = directory
        self._incoming = directory / _INCOMING
        self._quota_bytes = quota_bytes
        self._principal_quota_bytes = principal_quota_bytes
        self._time_to_live = time_to_live
        self.on_removal = on_removal
        self.on_drop = on_drop
        self._mutex = threading.Lock()
        self._announced: Counter[str] = Counter()
        """Bytes of uploads in progress by owner, whether they have come or not."""
        self._received_bytes = 0
        self._used_at: dict[tuple[str, bytes], float] = {}
        self._users: Counter[tuple[str, bytes]] = Counter()
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
        self._clock = StoreClock(directory)
        self._keys = dict(self._scan())
        for used_at in self._used_at.values():
            self._clock.not_before(used_at)
        self._partials = PartialUploads(self._incoming, self._clock)

    @property
    def used_bytes(self) -> int:
        """All keys, and what has come of uploads in progress."""
        with self._mutex:
            return self._used()

    @property
    def count(self) -> int:
        """Sets of keys."""
        return len(self._keys)

    def begin(self, principal: Principal, header: EvaluationKeysHeader) -> DirectoryUpload:
        """See KeyStore."""
        owner, size = principal.folder, header.size
        with self._mutex:
            most = self._principal_quota_bytes
            own = self._announced[owner] + sum(
                keys.size for (of, sha256), keys in self._keys.items() if of == owner and sha256 != header.sha256
            )
            while (
                most is not None
                and own + size + self._partials.bytes_of(owner, but=header.sha256) > most
                and self._partials.drop_oldest(owner, but=header.sha256)
            ):
                pass
            if most is not None and own + size > most:
                raise QuotaExceededError(
                    f"these evaluation keys have {size} bytes, and yours take {own} of the {most} that this server "
                    "stores for each principal; delete keys that you no longer use"
                )
            bound = self._announced.total() + sum(self._keys[name].size for name in self._users if name in self._keys)
            if self._quota_bytes is not None and bound + size > self._quota_bytes:
                raise QuotaExceededError(
                    f"these evaluation keys have {size} bytes, more than this server can store now (at most "
                    f"{self._quota_bytes} bytes of all keys together, of which it drops none that are in use)"
                )
            self._announced[owner] += size
        return DirectoryUpload(self, principal, header)

    def find(self, principal: Principal, sha256: bytes) -> StoredKeys:
        """See KeyStore."""
        with self._mutex:
            return self._find(principal, sha256)

    def received(self, principal: Principal, sha256: bytes) -> int:
        """See KeyStore."""
        with self._mutex:
            return self._partials.size(principal.folder, sha256)

    @contextmanager
    def use(self, principal: Principal, sha256: bytes) -> Iterator[StoredKeys]:
        """See KeyStore."""
        with self._mutex:
            found = self._find(principal, sha256)
            name = found.owner, found.sha256
            self._users[name] += 1
            self._touch(found)
        try:
            yield found
        finally:
            with self._mutex:
                self._users[name] -= 1
                if not self._users[name]:
                    del self._users[name]
                if name in self._keys:
                    self._touch(found)

    def delete(self, principal: Principal, sha256: bytes) -> None:
        """See KeyStore."""
        with self._mutex:
            if not self._partials.drop(principal.folder, sha256) or (principal.folder, sha256) in self._keys:
                self._remove(self._find(principal, sha256))

    def entries(self) -> tuple[KeysEntry, ...]:
        """See KeyStore."""
        with self._mutex:
            now = self._clock.now()
            entries = [
                KeysEntry(keys, owner, max(0.0, now - self._used_at[owner, sha256]), (owner, sha256) in self._users)
                for (owner, sha256), keys in self._keys.items()
            ]
        names = {owner: read_name(self._directory / owner) for owner in {entry.principal for entry in entries}}
        entries = [replace(entry, principal=names[entry.principal]) for entry in entries]
        return tuple(sorted(entries, key=lambda entry: entry.unused_seconds))

    def delete_of(self, principal: str, sha256: bytes | None) -> int:
        """See KeyStore."""
        owner = Principal(principal).folder
        with self._mutex:
            parts = 0
            while self._partials.drop(owner, sha256) if sha256 is not None else self._partials.drop_oldest(owner):
                parts += 1
            found = [keys for (of, name), keys in self._keys.items() if of == owner and sha256 in (None, name)]
            for keys in found:
                self._remove(keys)
        if not found and not parts:
            raise KeysNotFoundError(f"no such evaluation keys of {principal!r} are stored")
        return len(found)

    def expire(self) -> int:
        """See KeyStore."""
        with self._mutex:
            self._clock.save()
            self._partials.expire()
            if self._time_to_live is None:
                return 0
            limit = self._clock.now() - self._time_to_live
            old = [name for name, used_at in self._used_at.items() if used_at < limit and name not in self._users]
            for name in old:
                self._drop(name, "expired")
        if old:
            log(_LOGGER, logging.INFO, "keys expired", count=len(old))
        return len(old)

    def close(self) -> None:
        """See KeyStore."""
        if self._lock >= 0:
            self._clock.save(force=True)
            os.close(self._lock)
            self._lock = -1

    def _find(self, principal: Principal, sha256: bytes) -> StoredKeys:
        found = self._keys.get((principal.folder, sha256))
        if found is None or not Path(found.reference).exists():
            raise KeysNotFoundError(f"no evaluation keys {sha256.hex()[:16]}… are stored for you; upload them first")
        return found

    def _used(self) -> int:
        return self._received_bytes + self._partials.total_bytes + sum(keys.size for keys in self._keys.values())

    def _touch(self, keys: StoredKeys) -> None:
        name, now = (keys.owner, keys.sha256), self._clock.now()
        if now - self._used_at.get(name, 0.0) >= _TOUCH_SECONDS:
            with suppress(OSError):
                os.utime(keys.reference, (now, now))
        self._used_at[name] = now

    def _drop(self, name: tuple[str, bytes], reason: str) -> None:
        keys, unused = self._keys[name], self._clock.now() - self._used_at[name]
        principal = read_name(self._directory / keys.owner)
        self._remove(keys)
        self.on_drop(KeysEntry(keys, principal, max(0.0, unused), in_use=False), reason)

    def _remove(self, keys: StoredKeys) -> None:
        path = Path(keys.reference)
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
        self._keys.pop((keys.owner, keys.sha256), None)
        if all(owner != keys.owner for owner, _ in self._keys):
            forget_name(path.parent)
        self._used_at.pop((keys.owner, keys.sha256), None)
        self.on_removal(keys)

    def _scan(self) -> Iterator[tuple[tuple[str, bytes], StoredKeys]]:
        for path in self._directory.glob("*/*.*"):
            if path.parent == self._incoming:
                continue
            digest, _, keyset = path.name.partition(".")
            owner = path.parent.name
            try:
                status = path.stat()
                keys = StoredKeys(owner, bytes.fromhex(digest), bytes.fromhex(keyset), status.st_size, str(path))
            except ValueError:
                continue
            self._used_at[owner, keys.sha256] = status.st_mtime
            yield (owner, keys.sha256), keys

    # What an upload needs of its store:

    def incoming_file(self, principal: Principal, header: EvaluationKeysHeader, offset: int) -> tuple[int, Path]:
        """A file for an upload, descriptor and path: a new one, or what an interrupted upload left, to be continued.

        Raises:
            PartGoneError: there is none of exactly `offset` bytes.
        """
        with self._mutex:
            if not offset:
                return self._partials.new_file(principal.folder, header.sha256)
            path = self._partials.take(principal.folder, header.sha256, offset)
            if path is None or not path.exists():
                raise PartGoneError(
                    f"evaluation keys: the stream begins at byte {offset}, and the server does not have exactly what "
                    "comes before; ask what it has, or begin at byte 0"
                )
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
            self._received_bytes += offset
            return descriptor, path

    def make_room(self, size: int) -> None:
        """Count `size` bytes that are about to be written, and drop keys for them if need be.

        Raises:
            QuotaExceededError: all keys that could go are in use by now.
        """
        with self._mutex:
            while self._quota_bytes is not None and self._used() + size > self._quota_bytes:
                if self._partials.drop_oldest():
                    continue
                name = min(set(self._keys) - set(self._users), key=lambda name: self._used_at[name], default=None)
                if name is None:
                    raise QuotaExceededError("all evaluation keys that this server stores are in use; try again later")
                self._drop(name, "room")
                log(_LOGGER, logging.INFO, "keys dropped for others", keys=name[1].hex()[:16])
            self._received_bytes += size

    def release(self, principal: Principal, header: EvaluationKeysHeader, taken: int, kept: Path | None) -> None:
        """The upload has ended, one way or the other; `taken` bytes of it are not stored, but kept where `kept` is."""
        with self._mutex:
            self._received_bytes -= taken
            if kept is not None:
                self._partials.keep(principal.folder, header.sha256, kept, taken)
            self._announced[principal.folder] -= header.size
            if not self._announced[principal.folder]:
                del self._announced[principal.folder]

    def publish(self, principal: Principal, header: EvaluationKeysHeader, source: Path) -> StoredKeys:
        """Give a whole, synced file its name."""
        folder = self._directory / principal.folder
        target = folder / f"{header.sha256.hex()}.{header.keyset_name.hex()}"
        keys = StoredKeys(folder.name, header.sha256, header.keyset_name, header.size, str(target))
        with self._mutex:
            if not folder.exists():
                folder.mkdir(mode=0o700)
                sync_folder(self._directory)
            write_name(folder, principal.name)
            now = self._clock.now()
            os.utime(source, (now, now))
            source.replace(target)
            self._partials.drop(principal.folder, header.sha256)
            sync_folder(folder)
            self._keys[keys.owner, keys.sha256] = keys
            self._used_at[keys.owner, keys.sha256] = now
            self._received_bytes -= header.size
        return keys
