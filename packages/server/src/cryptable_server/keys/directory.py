"""DirectoryKeyStore: evaluation keys on disk, content-addressed, per principal, whole or not at all.

DIRECTORY/<sha256 of the principal's name>/<sha256 of the keys>.<keyset name>    one set of keys, mode 0600
DIRECTORY/<sha256 of the principal's name>/principal                            the name
DIRECTORY/incoming/<the same two>.<any>                                         uploads in progress, see partial_uploads
DIRECTORY/.clock                                                                see clock
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptable_protocol import EvaluationKeysHeader
from cryptable_protocol.files.whole import sync_folder

from cryptable_server.errors import ConfigurationError, KeysNotFoundError, PartGoneError, QuotaExceededError
from cryptable_server.keys.clock import StoreClock
from cryptable_server.keys.ledger import KeyLedger, Usage
from cryptable_server.keys.owners import forget_name, read_name, write_name
from cryptable_server.keys.partial_uploads import PartialUploads
from cryptable_server.keys.store import KeysEntry, StoredKeys
from cryptable_server.keys.strays import log_stray
from cryptable_server.keys.upload import DirectoryUpload
from cryptable_server.logs import log
from cryptable_server.principals import Principal
from cryptable_server.regular_files import file_state

_LOGGER = logging.getLogger(__name__)
_INCOMING = "incoming"
_OWNER = re.compile("[0-9a-f]{64}")
_KEYS = re.compile(r"(?P<sha256>[0-9a-f]{64})\.(?P<keyset>(?:[0-9a-f]{2})+)")
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
                uploads, which makes way for new ones, as then do the least recently used keys; None: no limit.
            time_to_live: seconds without use, by the store's own clock, after which keys go; None: they stay.
            on_removal: told of keys that are gone, so that they go from memory too. Must not call the store.
            on_drop: told of keys that the store has removed by itself, and why: "expired", or "room" for others, those
                of the same principal included. Must not call the store.

        Raises:
            ConfigurationError: the directory cannot be used, or another server uses it.
        """
        self._directory = directory
        self._incoming = directory / _INCOMING
        self._ledger = KeyLedger(
            quota_bytes=quota_bytes, principal_quota_bytes=principal_quota_bytes, time_to_live=time_to_live
        )
        self.on_removal = on_removal
        self.on_drop = on_drop
        self._mutex = threading.Lock()
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
        for keys, used_at in sorted(self._scan(), key=lambda found: found[1]):
            self._remove_replaced(keys)
            self._ledger.add(keys, used_at)
            self._clock.not_before(used_at)
        self._partials = PartialUploads(self._incoming, self._clock)

    @property
    def used_bytes(self) -> int:
        """See KeyStore."""
        with self._mutex:
            return self._ledger.used_bytes + self._partials.total_bytes

    @property
    def count(self) -> int:
        """See KeyStore."""
        return self._ledger.count

    def begin(self, principal: Principal, header: EvaluationKeysHeader) -> DirectoryUpload:
        """See KeyStore."""
        owner, sha256, size = principal.folder, header.sha256, header.size
        with self._mutex:
            while self._ledger.excess_bytes_of(owner, sha256, size, self._partials.bytes_of(owner, but=sha256)):
                if not self._partials.drop_oldest(owner, but=sha256):
                    break
            # A run that was killed leaves keys that nobody will use again, and that nothing tells from others.
            for keys in self._ledger.own_room(owner, sha256, size):
                self._drop(keys, "room")
                log(_LOGGER, logging.INFO, "keys dropped for the same caller's", keys=keys.sha256.hex()[:16])
            self._ledger.announce(owner, sha256, size)
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
            found, now = self._find(principal, sha256), self._clock.now()
            self._note_use(found, self._ledger.begin_use(found, now), now)
        try:
            yield found
        finally:
            with self._mutex:
                now = self._clock.now()
                before = self._ledger.end_use(found, now)
                if before is not None:
                    self._note_use(found, before, now)

    def delete(self, principal: Principal, sha256: bytes) -> None:
        """See KeyStore."""
        with self._mutex:
            part = self._partials.drop(principal.folder, sha256)
            if not part or self._ledger.get(principal.folder, sha256) is not None:
                self._remove(self._find(principal, sha256))

    def entries(self) -> tuple[KeysEntry, ...]:
        """See KeyStore."""
        with self._mutex:
            usages = self._ledger.usages(self._clock.now())
        names = {owner: read_name(self._directory / owner) for owner in {usage.keys.owner for usage in usages}}
        return tuple(_entry(usage, names[usage.keys.owner]) for usage in usages)

    def delete_of(self, principal: str, sha256: bytes | None) -> int:
        """See KeyStore."""
        owner = Principal(principal).folder
        with self._mutex:
            parts = 0
            while self._partials.drop(owner, sha256) if sha256 is not None else self._partials.drop_oldest(owner):
                parts += 1
            found = [keys for keys in self._ledger.of(owner) if sha256 in (None, keys.sha256)]
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
            old = self._ledger.expired(self._clock.now())
            for keys in old:
                self._drop(keys, "expired")
        if old:
            log(_LOGGER, logging.INFO, "keys expired", count=len(old))
        return len(old)

    def close(self) -> None:
        """See KeyStore."""
        if self._lock >= 0:
            self._clock.save(force=True)
            os.close(self._lock)
            self._lock = -1

    # What an upload needs of its store (see IncomingFiles):

    def incoming_file(self, principal: Principal, header: EvaluationKeysHeader, offset: int) -> tuple[int, Path]:
        """See IncomingFiles."""
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
            self._ledger.receive(offset)
            return descriptor, path

    def make_room(self, size: int) -> None:
        """See IncomingFiles."""
        with self._mutex:
            while self._ledger.lacks_room(size, self._partials.total_bytes):
                if self._partials.drop_oldest():
                    continue
                keys = self._ledger.least_recently_used()
                if keys is None:
                    raise QuotaExceededError("all evaluation keys that this server stores are in use; try again later")
                self._drop(keys, "room")
                log(_LOGGER, logging.INFO, "keys dropped for others", keys=keys.sha256.hex()[:16])
            self._ledger.receive(size)

    def publish(self, principal: Principal, header: EvaluationKeysHeader, source: Path) -> StoredKeys:
        """See IncomingFiles."""
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
            self._remove_replaced(keys)
            self._ledger.add(keys, now)
            self._ledger.release(header.size)
        return keys

    def release(self, principal: Principal, header: EvaluationKeysHeader, taken: int, kept: Path | None) -> None:
        """See IncomingFiles."""
        with self._mutex:
            self._ledger.release(taken)
            if kept is not None:
                self._partials.keep(principal.folder, header.sha256, kept, taken)
            self._ledger.withdraw(principal.folder, header.size)

    def _find(self, principal: Principal, sha256: bytes) -> StoredKeys:
        found = self._ledger.get(principal.folder, sha256)
        if found is None or not Path(found.reference).exists():
            raise KeysNotFoundError(f"no evaluation keys {sha256.hex()[:16]}… are stored for you; upload them first")
        return found

    def _note_use(self, keys: StoredKeys, before: float, now: float) -> None:
        if now - before >= _TOUCH_SECONDS:
            with suppress(OSError):
                os.utime(keys.reference, (now, now))

    def _drop(self, keys: StoredKeys, reason: str) -> None:
        entry = _entry(self._ledger.usage(keys, self._clock.now()), read_name(self._directory / keys.owner))
        self._remove(keys)
        self.on_drop(entry, reason)

    def _remove(self, keys: StoredKeys) -> None:
        path = Path(keys.reference)
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
        self._ledger.remove(keys.owner, keys.sha256)
        if not self._ledger.of(keys.owner):
            forget_name(path.parent)
        self.on_removal(keys)

    def _remove_replaced(self, keys: StoredKeys) -> None:
        # The same bytes for another keyset: their file would count towards no quota, and what workers have expanded
        # of them is of the wrong dimensions.
        before = self._ledger.get(keys.owner, keys.sha256)
        if before is not None and before.reference != keys.reference:
            Path(before.reference).unlink(missing_ok=True)
            self.on_removal(before)

    def _scan(self) -> Iterator[tuple[StoredKeys, float]]:
        for folder in sorted(self._directory.iterdir()):
            if _OWNER.fullmatch(folder.name) is None:
                continue
            try:
                paths = sorted(folder.iterdir())
            except OSError as error:
                log_stray(folder, error)
                continue
            for path in paths:
                name = _KEYS.fullmatch(path.name)
                if name is None:
                    continue
                try:
                    state = file_state(path)
                except OSError as error:
                    log_stray(path, error)
                    continue
                digest, keyset = bytes.fromhex(name["sha256"]), bytes.fromhex(name["keyset"])
                yield StoredKeys(folder.name, digest, keyset, state.size, str(path)), state.modified_ns / 1e9


def _entry(usage: Usage, principal: str) -> KeysEntry:
    return KeysEntry(usage.keys, principal, usage.unused_seconds, usage.in_use)
