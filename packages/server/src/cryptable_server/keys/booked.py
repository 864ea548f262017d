"""BookedKeyStore: what key stores do by their books, whatever keys lie in: uploads, quotas, uses, lists, expiry."""

from __future__ import annotations

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from cryptable_protocol import EvaluationKeysHeader

from cryptable_server.errors import KeysNotFoundError, PartGoneError, QuotaExceededError
from cryptable_server.keys.clock import StoreClock
from cryptable_server.keys.ledger import KeyLedger, Name, Usage
from cryptable_server.keys.partial_uploads import PartialUploads
from cryptable_server.keys.store import KeysEntry, StoredKeys
from cryptable_server.keys.upload import DirectoryUpload
from cryptable_server.logs import log
from cryptable_server.principals import Principal

_LOGGER = logging.getLogger(__name__)
_TOUCH_SECONDS = 60.0
"""A use is noted beside the keys only if the last note is that old."""


class BookedKeyStore(ABC):
    """A KeyStore but for where keys lie, which a class below this one says.

    Keys that are in use are never dropped, except by their owner. Others go when they have not been used for the time
    to live, and, the least recently used first, when the total quota leaves no room for bytes that come in.

    Its lock guards the books. What takes long is done by `_settle`, after the lock is let go.
    """

    far: ClassVar[bool]

    def __init__(
        self,
        incoming: Path,
        clock: StoreClock,
        *,
        quota_bytes: int | None = None,
        principal_quota_bytes: int | None = None,
        time_to_live: float | None = None,
        on_removal: Callable[[StoredKeys], None] = lambda _: None,
        on_drop: Callable[[KeysEntry, str], None] = lambda *_: None,
    ) -> None:
        """Books with nothing in them.

        Args:
            incoming: a local directory, of uploads in progress and of parts of those that broke off.
            clock: of that directory.
            quota_bytes: of all keys together, what is coming in included; None: no limit.
            principal_quota_bytes: of one principal's keys, what is announced included, and what is kept of interrupted
                uploads, which makes way for new ones, as then do the least recently used keys; None: no limit.
            time_to_live: seconds without use, by the store's own clock, after which keys go; None: they stay.
            on_removal: told of keys that are gone, so that they go from memory too. Must not call the store.
            on_drop: told of keys that the store has removed by itself, and why: "expired", or "room" for others, those
                of the same principal included. Must not call the store.
        """
        self._ledger = KeyLedger(
            quota_bytes=quota_bytes, principal_quota_bytes=principal_quota_bytes, time_to_live=time_to_live
        )
        self.on_removal = on_removal
        self.on_drop = on_drop
        self._mutex = threading.Lock()
        self._noted_at: dict[Name, float] = {}
        self._local_clock = clock
        self._partials = PartialUploads(incoming, clock)

    # What a store of one kind does:

    @abstractmethod
    def _now(self) -> float:
        """By the clock of all who share the store."""

    @abstractmethod
    def _remove(self, keys: StoredKeys) -> None:
        """Take keys out of the books, and from where they lie, at once or by `_settle`; under the lock."""

    @abstractmethod
    def _note(self, keys: StoredKeys, now: float) -> None:
        """Note beside the keys that they are used now; under the lock."""

    @abstractmethod
    def _names_of(self, owners: set[str]) -> dict[str, str]:
        """Whose keys those are; empty where it is not known."""

    @abstractmethod
    def publish(self, principal: Principal, header: EvaluationKeysHeader, source: Path) -> StoredKeys:
        """See IncomingFiles."""

    @abstractmethod
    def close(self) -> None:
        """See KeyStore."""

    def _settle(self) -> None:  # noqa: B027 - a store that is at hand has nothing to do
        """Do what is due and takes long; without the lock."""

    def _is_ready(self, keys: StoredKeys) -> bool:  # noqa: ARG002
        """Whether a worker finds them, or a call has to `fetch` them first."""
        return True

    # See KeyStore:

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
        self._settle()
        return DirectoryUpload(self, principal, header)

    def find(self, principal: Principal, sha256: bytes) -> StoredKeys:
        """See KeyStore."""
        with self._mutex:
            return self._find(principal, sha256)

    def received(self, principal: Principal, sha256: bytes) -> int:
        """See KeyStore."""
        with self._mutex:
            return self._partials.size(principal.folder, sha256)

    def fetch(self, principal: Principal, sha256: bytes) -> None:  # noqa: B027
        """See KeyStore: keys are where a worker finds them already."""

    @contextmanager
    def use(self, principal: Principal, sha256: bytes) -> Iterator[StoredKeys]:
        """See KeyStore."""
        with self._mutex:
            found, now = self._find(principal, sha256), self._now()
            if not self._is_ready(found):
                raise not_found(sha256)
            before = self._ledger.begin_use(found, now)
            self._note_use(found, before, now)
        try:
            yield found
        finally:
            with self._mutex:
                now = self._now()
                last = self._ledger.end_use(found, now)
                if last is not None:
                    self._note_use(found, last, now)

    def delete(self, principal: Principal, sha256: bytes) -> None:
        """See KeyStore."""
        with self._mutex:
            part = self._partials.drop(principal.folder, sha256)
            if not part or self._ledger.get(principal.folder, sha256) is not None:
                self._remove(self._find(principal, sha256))
        self._settle()

    def damaged(self, principal: Principal, sha256: bytes) -> None:
        """See KeyStore: they go, and their owner uploads them again."""
        self.delete(principal, sha256)

    def entries(self) -> tuple[KeysEntry, ...]:
        """See KeyStore."""
        with self._mutex:
            usages = self._ledger.usages(self._now())
        names = self._names_of({usage.keys.owner for usage in usages})
        return tuple(entry_of(usage, names[usage.keys.owner]) for usage in usages)

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
        self._settle()
        if not found and not parts:
            raise KeysNotFoundError(f"no such evaluation keys of {principal!r} are stored")
        return len(found)

    def expire(self) -> int:
        """See KeyStore."""
        with self._mutex:
            self._local_clock.save()
            self._partials.expire()
            old = self._ledger.expired(self._now())
            for keys in old:
                self._drop(keys, "expired")
        self._settle()
        if old:
            log(_LOGGER, logging.INFO, "keys expired", count=len(old))
        return len(old)

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
        self._settle()

    def release(self, principal: Principal, header: EvaluationKeysHeader, taken: int, kept: Path | None) -> None:
        """See IncomingFiles."""
        with self._mutex:
            self._ledger.release(taken)
            if kept is not None:
                self._partials.keep(principal.folder, header.sha256, kept, taken)
            self._ledger.withdraw(principal.folder, header.size)

    def _find(self, principal: Principal, sha256: bytes) -> StoredKeys:
        found = self._ledger.get(principal.folder, sha256)
        if found is None:
            raise not_found(sha256)
        return found

    def _note_use(self, keys: StoredKeys, before: float, now: float) -> None:
        name = keys.owner, keys.sha256
        # Not since the last use: of keys that are used all the time nothing would ever be noted.
        if now - self._noted_at.setdefault(name, before) >= _TOUCH_SECONDS:
            self._noted_at[name] = now
            self._note(keys, now)

    def _forget_books(self, keys: StoredKeys) -> None:
        """Take keys out of the books alone; under the lock."""
        self._ledger.remove(keys.owner, keys.sha256)
        self._noted_at.pop((keys.owner, keys.sha256), None)

    def _entry(self, keys: StoredKeys) -> KeysEntry:
        """As an operator sees them; under the lock."""
        return entry_of(self._ledger.usage(keys, self._now()), self._names_of({keys.owner})[keys.owner])

    def _drop(self, keys: StoredKeys, reason: str) -> None:
        entry = self._entry(keys)
        self._remove(keys)
        self.on_drop(entry, reason)


def entry_of(usage: Usage, principal: str) -> KeysEntry:
    """Of keys whose owner has that name."""
    return KeysEntry(usage.keys, principal, usage.unused_seconds, usage.in_use)


def not_found(sha256: bytes) -> KeysNotFoundError:
    """Of a caller who has none of that digest."""
    return KeysNotFoundError(f"no evaluation keys {sha256.hex()[:16]}… are stored for you; upload them first")
